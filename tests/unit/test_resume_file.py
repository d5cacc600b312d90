"""Finished launches survive whatever ends the program."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from pathlib import Path

import pytest

from bench_records import CONDITIONS, launch, launch_timings
from edge_mnv3.core.errors import OutputError
from edge_mnv3_android_bench.measuring.resume_file import ResumeFile, conditions_key, split_by_age

RECORDS = [launch(launch_timings(1000.0 + number), number=number) for number in (1, 2, 3)]


@pytest.fixture
def resume(tmp_path: Path) -> ResumeFile:
    resume = ResumeFile(tmp_path / "new" / "run.jsonl")
    for record in RECORDS:
        resume.append(CONDITIONS, record)
    return resume


def test_there_and_back(resume: ResumeFile) -> None:
    assert resume.load(CONDITIONS) == RECORDS
    resume.remove()
    assert resume.load(CONDITIONS) == []
    resume.remove()


def test_a_cut_line_is_left_out_and_the_next_is_not_lost(resume: ResumeFile) -> None:
    content = resume.path.read_bytes()
    for cut in (1, 2, 50, 500):
        resume.path.write_bytes(content[:-cut])
        kept = RECORDS if cut == 1 else RECORDS[:2]
        assert resume.load(CONDITIONS) == kept
        resume.append(CONDITIONS, RECORDS[0])
        assert resume.load(CONDITIONS) == [*kept, RECORDS[0]]


@pytest.mark.parametrize(
    "changes",
    [
        {"model_sha256": "c" * 64},
        {"binary": dataclasses.replace(CONDITIONS.binary, sha256="c" * 64)},
        {"protocol": dataclasses.replace(CONDITIONS.protocol, num_threads=4)},
        {"cpus": (0,)},
        {"protocol": dataclasses.replace(CONDITIONS.protocol, name="custom")},
        {"device": dataclasses.replace(CONDITIONS.device, build_fingerprint="another build")},
        {"device": dataclasses.replace(CONDITIONS.device, serial="B2")},
    ],
)
def test_other_conditions_are_not_mixed(resume: ResumeFile, changes: dict[str, object]) -> None:
    assert resume.load(dataclasses.replace(CONDITIONS, **changes)) == []  # type: ignore[arg-type]


def test_what_is_no_condition(resume: ResumeFile) -> None:
    binary = dataclasses.replace(CONDITIONS.binary, version="2")
    moved = dataclasses.replace(CONDITIONS, model_path="elsewhere.tflite", delegate="XNNPACK", binary=binary)
    assert conditions_key(moved) == conditions_key(CONDITIONS)
    assert resume.load(moved) == RECORDS


@pytest.mark.parametrize("line", ["[]", "{}", '{"schema_version": 9}', "null", "\x00\x01", '"text"'])
def test_foreign_lines_are_passed_over(resume: ResumeFile, line: str) -> None:
    with resume.path.open("a") as file:
        file.write(line + "\n")
    assert resume.load(CONDITIONS) == RECORDS


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"resume file {tmp_path}: Is a directory"):
        ResumeFile(tmp_path).load(CONDITIONS)
    with pytest.raises(OutputError, match=f"resume file {tmp_path}: Is a directory"):
        ResumeFile(tmp_path).append(CONDITIONS, RECORDS[0])


def test_old_launches_are_told_from_young_ones() -> None:
    times = ("2026-01-02T03:04:05+00:00", "2026-01-02T20:00:00Z", "2026-01-03T01:00:00+02:00")
    records = [dataclasses.replace(RECORDS[0], started_at=time) for time in times]
    young, old = split_by_age(records, datetime(2026, 1, 3, 7, 59, tzinfo=timezone.utc))
    assert ([r.started_at for r in young], [r.started_at for r in old]) == ([*times[1:]], [times[0]])
