"""A run as JUnit XML: its structure, its counts, and text that XML has no form for."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge_mnv3.core.errors import OutputError
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.run import RunGate, RunOutput, RunResult, RunStage
from edge_mnv3.stages.run_junit import check_junit, gate_words, junit, write_junit, write_junit_error

RUN = RunResult(
    folder="out",
    config="run.toml",
    finished=True,
    passed=False,
    stages=(
        RunStage(
            name="quantize",
            status="ran",
            seconds=1.25,
            reason="",
            outputs=(RunOutput(path="a.tflite", sha256="0" * 64),),
            warnings=("odd",),
        ),
        RunStage(
            name="validate", status="kept", seconds=0.0, reason="nothing has changed", outputs=(), warnings=()
        ),
        RunStage(
            name="cost",
            status="failed",
            seconds=0.5,
            reason='no <file> "a\x00b" & more',
            outputs=(),
            warnings=(),
        ),
        RunStage(
            name="bench",
            status="skipped",
            seconds=0.0,
            reason="cost failed",
            outputs=(),
            warnings=(),
        ),
    ),
    gates=(
        RunGate(name="int8_checks", stage="quantize", limit=0.0, value=0.0, passed=True, detail=""),
        RunGate(name="max_drop_points", stage="validate", limit=1.0, value=2.5, passed=False, detail="x"),
        RunGate(name="min_top1_percent", stage="validate", limit=1.0, value=None, passed=False, detail=""),
    ),
    versions={"python": "3"},
)


def test_every_stage_and_gate_is_a_case() -> None:
    root = ElementTree.fromstring(junit(RUN))
    assert root.tag == "testsuites"
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped", "time")} == {
        **{"tests": "7", "failures": "2", "errors": "1", "skipped": "1", "time": "1.750"}
    }
    stages, gates = root.findall("testsuite")
    assert (stages.get("name"), stages.get("tests"), stages.get("errors")) == ("stages", "4", "1")
    assert (gates.get("name"), gates.get("tests"), gates.get("failures")) == ("gates", "3", "2")
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(set(names)) == len(names) == 7
    assert names[0] == ("edge-mnv3.stages", "quantize")
    assert all(case.get("time") is not None for case in root.iter("testcase"))
    (error,) = root.iter("error")
    assert error.get("message") == error.text == 'no <file> "a\ufffdb" & more'
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "cost failed"
    assert [each.get("message") for each in root.iter("failure")] == [
        "2.5 points, limit 1 point; x",
        "no figure, limit 1 %",
    ]
    assert [each.text for each in root.iter("system-out")] == [
        *("warning: odd", "nothing has changed", "0 problems, limit 0 problems")
    ]


def test_it_replaces_its_own_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a" / "junit.xml"
    check_junit(path)
    write_junit(path, RUN)
    check_junit(path)
    write_junit(path, RUN)
    assert path.read_text(encoding="utf-8").startswith("<?xml")
    path.write_text("")
    check_junit(path)
    path.write_text("<testsuites/>")
    with pytest.raises(OutputError, match="another file of that name"):
        check_junit(path)
    with pytest.raises(OutputError, match="a folder of that name"):
        check_junit(tmp_path)


def test_a_run_that_cannot_begin_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit(path, RUN)
    write_junit_error(path, "no <file>")
    root = ElementTree.parse(path).getroot()
    assert (root.get("tests"), root.get("errors"), root.get("failures")) == ("1", "1", "0")
    assert [each.get("message") for each in root.iter("error")] == ["no <file>"]
    check_junit(path)
    path.write_text("mine")
    with pytest.raises(OutputError, match="another file of that name"):
        write_junit_error(path, "no file")
    assert path.read_text() == "mine"


def test_round_trip() -> None:
    assert from_json(RunResult, to_json(RUN)) == RUN


@pytest.mark.parametrize(
    ("name", "value", "detail", "words"),
    [
        ("max_int8_bytes", 614584.0, "", "614,584 bytes, limit 500,000 bytes"),
        ("min_agreement_percent", 95.25, "", "95.25 %, limit 500,000 %"),
        ("max_instructions_percent", -0.5, "x", "-0.5 %, limit 500,000 %; x"),
        ("max_instructions", 16600000.0, "", "16,600,000 instructions, limit 500,000 instructions"),
        ("bench_quotable", 0.0, "", "every latency can be quoted"),
        ("bench_quotable", 0.0, "warned: a: unstable", "a: unstable"),
        ("bench_quotable", None, "a latency is not to be quoted", "a latency is not to be quoted"),
    ],
)
def test_figures_of_gates_have_their_unit(name: str, value: float | None, detail: str, words: str) -> None:
    gate = RunGate(name=name, stage="bench", limit=500000.0, value=value, passed=True, detail=detail)
    assert gate_words(gate) == words
