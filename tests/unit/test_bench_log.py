"""`bench --log`: figures of logs that somebody has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import edge_mnv3 as em
from edge_mnv3.cli import main
from edge_mnv3_android_bench.device.sections import HEADING
from synthetic_logs import LogText

TIMES_US = (1000, 1010, 1003, 1001, 1150)
APPLIED = "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
LOG = LogText(times_us=TIMES_US, extra=("Num threads: [4]",)).text()


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


def own_log(exit_line: str) -> str:
    """A raw log as this tool writes it."""
    sections = {"run": "", "exit": exit_line, "stdout": LOG, "stderr": "", "after": ""}
    return "# device X\n# started now\n# benchmark_model\n" + "".join(
        f"\n{HEADING}{name}\n{text}" for name, text in sections.items()
    )


def test_two_logs_and_what_they_tell(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(LOG)
    (tmp_path / "b.txt").write_text(own_log("0 \n"))
    output = tmp_path / "r.json"
    result = bench("--log", tmp_path / "a.txt", "--log", tmp_path / "b.txt", "--json", "-o", output)
    assert (result.exit_code, output.read_text()) == (0, result.stdout)
    read = em.from_json(em.BenchLogResult, result.stdout)
    assert [launch.graph for launch in read.launches] == ["/data/local/tmp/edge-mnv3/model.tflite"] * 2
    assert read.launches[0].flags == {"num_runs": "5", "num_threads": "4"}
    assert [launch.timings.median_us for launch in read.launches] == [1003.0, 1003.0]
    table = bench("--log", tmp_path / "a.txt").stdout
    assert "model.tflite      1.003" in table
    assert "no log tells the phone" in table


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LOG.replace("avg=1032.8", "avg=1031.8"), "statistics of the measurement that are damaged"),
        ("nothing\n", "no line of session"),
        (own_log("0 late\n"), "ended at its time limit"),
        (own_log("0 \n").partition(f"{HEADING}stdout")[0], "was broken off"),
        (own_log("139 \n"), "death by SIGSEGV"),
        ("\0\0", "a file that is no text"),
        (f"{LOG}STARTING!\nGraph: [other.tflite]\n", "another launch behind its figures: 'STARTING!'"),
        (f"STARTING!\nNum threads: [2]\n{LOG}", "another launch in front of its start: 'STARTING!'"),
        (f"{LOG}Num threads: [4]\n", "another launch behind its figures: 'Num threads: [4]'"),
        (f"Loaded model x.tflite\n{LOG}", "another launch in front of its start: 'Loaded model x.tflite'"),
        (f"{LOG}INFO: {APPLIED}\n", f"another launch behind its figures: '{APPLIED[:40]}"),
        (LOG.replace("Loaded model /data", "Loaded model /other"), "two values of --graph"),
        (LOG.replace("Graph: [", "Num threads: [2]\nGraph: ["), "two values of --num_threads"),
    ],
    ids=(
        *("damaged", "no log", "late", "cut", "crashed", "no text", "two starts", "a start before"),
        *("a flag behind", "a file before", "a delegate behind", "two graphs", "two threads"),
    ),
)
def test_a_log_without_figures_leaves_the_others_alone(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "bad.txt").write_text(text)
    (tmp_path / "good.txt").write_text(LOG)
    result = bench("--log", tmp_path / "bad.txt", "--log", tmp_path / "good.txt", "--json")
    assert result.exit_code == 1
    read = json.loads(result.stdout)
    assert len(read["launches"]) == 1
    assert problem in read["failures"][0]["error"]
    assert f"error: log {tmp_path / 'bad.txt'}: got " in result.stderr
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        ("Enable op profiling: [1]", "it ran with op profiling, which slows it"),
        ("Enable op profiling: [0]", ""),
        ("Use profiler: [true]", "it ran with the profiler, which slows it"),
        ("Inter-run delay (seconds): [0.5]", "it waits between runs"),
        ("Inter-run delay (seconds): [-1.0]", ""),
        ("Number of prorated runs per second: [10]", "it waits between runs"),
        ("Profiling Info for Benchmark Initialization:", "it ran with op profiling, which slows it"),
    ],
)
def test_what_is_no_plain_latency_is_said(tmp_path: Path, extra: str, note: str) -> None:
    text = LogText(times_us=TIMES_US, extra=(extra,)).text()
    (tmp_path / "a.txt").write_text(text)
    result = bench("--log", tmp_path / "a.txt")
    assert result.exit_code == 0
    assert (note in result.stderr) if note else not result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--log", "a", "--host"), "Give --host for this machine, --device for phones, or --log for"),
        (("--log", "a", "m.tflite"), "--log takes no FILE.tflite"),
        (("--log", "a", "--runs", "5"), "--log takes no --runs."),
        (("--log", "a", "--history", "h"), "--log takes no --history."),
        (("m.tflite", "--host", "--cores", "big"), "--host takes no --cores."),
        (("m.tflite", "--host", "--launches", "2"), "--host takes no --launches."),
    ],
)
def test_options_that_would_change_nothing(arguments: tuple[str, ...], problem: str) -> None:
    result = bench(*arguments)
    assert result.exit_code == 2
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("bench", "a", "b", "--host", "--runs", "5"), "--runs: got 5, expected 20 at least, one for each"),
        (("bench", "a", "--device", "x", "--max-secs", "0.5"), "--max-secs: got 0.5, expected more than 1"),
        (("bench", "a", "--device", "x", "--min-secs", "nan"), "--min-secs: got nan, expected seconds from"),
        (("bench", "a", "--device", "x", "--input-range", "0..1"), "expected none without --check-outputs"),
        (("reproduce", "--variants", "small,tiny"), "--variants: got 'tiny', expected one of"),
        (("compare", "a", "b", "--allow", "heat"), "--allow: got 'heat', expected "),
    ],
)
def test_values_that_are_refused_are_wrong_usage(arguments: tuple[str, ...], problem: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("m.tflite", "--host", "-o", "r", "--history", "r"),
            "output r: got the path of the history too",
        ),
        (("m.tflite", "--host", "--history", "m.tflite"), "history m.tflite: got a file that is read"),
        (("m.tflite", "a.txt", "--host", "-o", "a.txt", "--force"), "output a.txt: got a file that is read"),
        (("--log", "a.txt", "-o", "a.txt", "--force"), "output a.txt: got a file that is read"),
        (
            ("m.tflite", "--host", "--history", "a.txt"),
            "history a.txt: got a file of another kind",
        ),
        (
            ("m.tflite", "--device", "x", "-o", "r", "--logs", "r"),
            "output r: got the path of the raw logs too",
        ),
    ],
)
def test_outputs_in_one_another_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("m.tflite", "a.txt"):
        (tmp_path / name).write_text(LOG)
    result = bench(*arguments)
    assert (result.exit_code, result.stderr.startswith(f"error: {problem}")) == (1, True), result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "m.tflite"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {LOG}


def test_a_request_is_checked(tmp_path: Path) -> None:
    with pytest.raises(em.ArgumentError, match="at least one log"):
        em.BenchLogRequest(logs=())
    (tmp_path / "a.txt").write_text(LOG)
    with pytest.raises(em.ArgumentError, match="logs do not tell their conditions"):
        em.bench(em.BenchLogRequest(logs=[tmp_path / "a.txt"]), files=em.ResultFiles(history=tmp_path / "h"))
    missing = em.bench(em.BenchLogRequest(logs=[tmp_path / "none.txt"]))
    assert "no such file" in missing.failures[0].error
