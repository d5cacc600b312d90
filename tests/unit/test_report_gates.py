"""The gates of a run on the page."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.run import RunGate, RunOutput, RunResult, RunStage
from edge_mnv3.html_report.gathered import gather
from edge_mnv3.html_report.sections.gates import gates
from edge_mnv3.html_report.sections.verdict import verdict
from html_outline import Outline
from report_runs import OTHER, found, gathered, page, quantized, with_interval

MADE = quantized()
GOOD = with_interval(-0.2, -0.6, 0.2, findings=(), gate=None)
PASSED = RunGate(name="int8_checks", stage="quantize", limit=0.0, value=0.0, passed=True, detail="")
DROP = RunGate(name="max_drop_points", stage="validate", limit=1.0, value=2.345, passed=False, detail="")
SIZE = dataclasses.replace(DROP, name="max_int8_bytes", stage="quantize", limit=3e6, value=3_085_944.0)


def stage(name: Any, status: Any = "ran", *outputs: RunOutput, reason: str = "") -> RunStage:
    return RunStage(name=name, status=status, seconds=1.0, reason=reason, outputs=outputs, warnings=())


MADE_HERE = stage("quantize", "ran", RunOutput(path="q.tflite", sha256=MADE.int8_sha256))


def run(*every: RunGate, stages: tuple[RunStage, ...] = (MADE_HERE,)) -> RunResult:
    passed = all(gate.passed for gate in every)
    return RunResult(
        folder="out", config="c.toml", finished=True, passed=passed, stages=stages, gates=every, versions={}
    )


def test_a_failed_gate_is_the_verdict() -> None:
    told = verdict(gathered(MADE, GOOD, run(PASSED, DROP)))
    assert told.tone == "bad"
    assert told.text == (
        "A gate of the run failed: drop of accuracy from float to int8 is 2.35 points, allowed is at most "
        "1.00 point."
    )
    several = verdict(gathered(MADE, GOOD, run(PASSED, DROP, SIZE)))
    assert several.text.startswith("2 gates of the run failed: drop of")
    assert several.text.endswith(
        "size of the int8 file is 3,085,944 bytes, allowed is at most 3,000,000 bytes."
    )
    assert verdict(gathered(MADE, GOOD, run(PASSED))).tone == "good"


def test_each_gate_is_shown_in_words() -> None:
    warned = RunGate(
        name="bench_quotable", stage="bench", limit=0.0, value=0.0, passed=True, detail="warned: unstable"
    )
    without = dataclasses.replace(DROP, name="min_top1_percent", value=None, detail="there is no such figure")
    unknown = dataclasses.replace(DROP, name="of_a_later_release", detail="too much")
    result = run(PASSED, warned, DROP, without, unknown)
    (section,) = gates(gathered(MADE, GOOD, result))
    rows = [[cell.text for cell in row] for row in section.blocks[-1].rows]  # type: ignore[union-attr]
    assert [row[1] for row in rows] == ["passed", "passed, warned", "failed", "failed", "failed"]
    assert rows[0][2:4] == ["0", "at most 0"]
    assert rows[1][:4] == ["Latencies that can be quoted", "passed, warned", "", ""]
    assert rows[3][2] == "\N{EN DASH}"
    assert rows[4][0] == "of_a_later_release"
    text = page(gathered(MADE, GOOD, result))
    outline = Outline(text)
    assert outline.problems == []
    assert "3 of 5 gates failed: max_drop_points, min_top1_percent and of_a_later_release" in text
    assert "min_top1_percent: there is no such figure; of_a_later_release: too much." in text
    assert 'id="gates"' in text


def test_all_passed_and_none() -> None:
    assert "All 2 passed" in page(gathered(MADE, GOOD, run(PASSED, dataclasses.replace(SIZE, passed=True))))
    assert "its config sets no limits" in page(gathered(MADE, GOOD, run()))
    assert gates(gathered(MADE, GOOD)) == ()


def test_stages_that_had_no_turn_are_told() -> None:
    stages = (
        MADE_HERE,
        stage("bench", "skipped", reason="the gate max_drop_points failed"),
        stage("package", "failed", reason="no labels"),
        stage("report", "skipped", reason="package failed"),
    )
    text = page(gathered(MADE, GOOD, run(DROP, stages=stages)))
    assert "bench was skipped: the gate max_drop_points failed." in text
    assert "package failed: no labels." in text
    assert "report was skipped" not in text


def test_the_page_is_the_same_before_and_after_the_run_ends() -> None:
    before = dataclasses.replace(run(PASSED), finished=False, passed=False)
    after = run(PASSED, stages=(dataclasses.replace(MADE_HERE, status="kept", seconds=0.0), stage("report")))
    assert page(gathered(MADE, GOOD, before)) == page(gathered(MADE, GOOD, after))


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (RunOutput(path="q.tflite", sha256=OTHER), "its gates are of another int8 file"),
        (RunOutput(path="0.json", sha256=OTHER), "its gates are of an earlier validate"),
    ],
)
def test_a_run_of_other_results_is_left_out_or_refused(output: RunOutput, reason: str) -> None:
    other = run(DROP, stages=(stage("validate", "ran", output),))
    pair = gathered(MADE, GOOD, other)
    assert (pair.run, [each.reason for each in pair.left_out]) == (None, [f"left out: {reason}"])
    assert verdict(pair).tone == "good"
    with pytest.raises(InputFileError, match=reason):
        gather([found(MADE, name="0.json"), found(other, name="run.json", named=True)])


def test_a_run_without_quantize_is_known_by_its_results() -> None:
    """`found` gives each result the hash 00…."""
    validated = stage("validate", "ran", RunOutput(path="1.json", sha256="0" * 64))
    assert gathered(MADE, GOOD, run(DROP, stages=(validated,))).run is not None
