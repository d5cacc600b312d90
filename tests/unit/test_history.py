"""The history file, also after crashes and with several writers."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import pytest

from bench_records import PIXEL, device_result, host_result, steady
from edge_mnv3.core.errors import InputFileError, OutputError
from edge_mnv3.core.published import Published
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3_android_bench.comparison.history import (
    HistoryEntry,
    append_history,
    check_history,
    read_history,
)
from edge_mnv3_android_bench.published.reproduction import reproduce
from recording_reporter import RecordingReporter

TIME = "2026-01-02T03:04:05Z"
DEVICE, HOST = device_result(steady(1000.0)), host_result(steady(500.0))


def read(path: Path) -> tuple[HistoryEntry, ...]:
    """Reads a history in which nothing is skipped."""
    reporter = RecordingReporter()
    entries = read_history(path, reporter)
    assert reporter.warnings == []
    return entries


def test_results_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    results = (DEVICE, HOST, reproduce(Published(sources={}, figures=()), PIXEL, []))
    for result in results:
        append_history(path, result, recorded_at=TIME)
    entries = read(path)
    assert tuple(entry.result for entry in entries) == results
    assert {entry.recorded_at for entry in entries} == {TIME}
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["bench_device", "bench_host", "reproduce"]


def test_no_history_yet(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == ()


def test_a_file_of_another_kind_is_no_history(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for text in ("", "\n", '{"kind":"bench_host","recor', 'damaged\n{"kind":"bench_host"}\n'):
        path.write_text(text)
        check_history(path)
        read_history(path, RecordingReporter())
    check_history(tmp_path / "none.jsonl")
    for text in ('{"schema_version": 1}', "TFL3", "[]\n[]\n"):
        path.write_text(text)
        with pytest.raises(
            OutputError, match="got a file of another kind, expected a history, or a new file"
        ):
            check_history(path)
        reporter = RecordingReporter()
        with pytest.raises(InputFileError, match="a file of another kind, expected what bench and reproduce"):
            read_history(path, reporter)
        assert reporter.warnings == []


def test_cut_last_line_is_skipped_and_said(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_history(path, HOST, recorded_at=TIME)
    append_history(path, DEVICE, recorded_at=TIME)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    reporter = RecordingReporter()
    assert [entry.result for entry in read_history(path, reporter)] == [HOST]
    assert reporter.warnings == [f"history {path}: line 2 was cut and is skipped"]


@pytest.mark.parametrize("median_us", [0.0, -5.0])
def test_a_figure_that_no_latency_has_is_skipped_and_said(tmp_path: Path, median_us: float) -> None:
    path = tmp_path / "history.jsonl"
    reproduced = reproduce(Published(sources={}, figures=()), PIXEL, [])
    bad = dataclasses.replace(DEVICE, median_us=median_us)
    kinds = ("bench_host", "bench_device", "reproduce", "bench_device")
    results = (HOST, bad, dataclasses.replace(reproduced, results=(bad,)), DEVICE)
    for kind, result in zip(kinds, results, strict=True):
        line = {"kind": kind, "recorded_at": TIME, "result": json.loads(to_json(result))}
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
    reporter = RecordingReporter()
    assert [entry.result for entry in read_history(path, reporter)] == [HOST, DEVICE]
    assert len(reporter.warnings) == 2


def test_a_line_after_a_cut_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_history(path, HOST, recorded_at=TIME)
    path.write_bytes(path.read_bytes()[:-30])
    append_history(path, DEVICE, recorded_at=TIME)
    reporter = RecordingReporter()
    assert [entry.result for entry in read_history(path, reporter)] == [DEVICE]
    assert len(reporter.warnings) == 1
    assert reporter.warnings[0].startswith(f"history {path}: line 1 cannot be read (")


def test_last_line_that_only_lacks_its_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_history(path, HOST, recorded_at=TIME)
    path.write_bytes(path.read_bytes()[:-1])
    assert [entry.result for entry in read(path)] == [HOST]


@pytest.mark.parametrize(
    "line", ["{}", "[]", "7", '{"kind": "other", "recorded_at": "", "result": {}}', "\udcff"]
)
def test_foreign_lines_are_skipped(tmp_path: Path, line: str) -> None:
    path = tmp_path / "history.jsonl"
    append_history(path, HOST, recorded_at=TIME)
    path.write_bytes(path.read_bytes() + line.encode("utf-8", "surrogateescape") + b"\n")
    reporter = RecordingReporter()
    assert [entry.result for entry in read_history(path, reporter)] == [HOST]
    assert len(reporter.warnings) == 1


def test_writers_at_once_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    threads = [
        threading.Thread(target=append_history, args=(path, DEVICE), kwargs={"recorded_at": str(n)})
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = read(path)
    assert sorted(int(entry.recorded_at) for entry in entries) == list(range(12))


def test_history_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"history {tmp_path}: Is a directory"):
        append_history(tmp_path, HOST, recorded_at=TIME)
    with pytest.raises(InputFileError, match="got a folder"):
        read_history(tmp_path)


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.write", lambda descriptor, line: len(line) // 2)
    with pytest.raises(OutputError, match="the line was cut; free some space"):
        append_history(tmp_path / "history.jsonl", HOST, recorded_at=TIME)
