"""Costs compared, held against a baseline, and shown; and what the command says where it cannot count."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.commands.cost import table
from edge_mnv3.core.errors import ArgumentError, ConditionsDifferError
from edge_mnv3.core.result_files import read_result
from edge_mnv3.core.results.cost import CostResult, CycleRange, FileCost, InstructionCounts
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.stages.cost import CostRequest
from edge_mnv3_android_bench.instructions.comparison import against, gate

PATH = Path(__file__).parents[1] / "golden" / "formats" / "cost-v1.json"
RESULT = read_result(CostResult, PATH, command="cost")
(FILE,) = RESULT.files
(COST,) = FILE.cpus


def counted(total: int, **changes: Any) -> CostResult:
    """The result of one file with other instructions in all."""
    cost = replace(COST, instructions=InstructionCounts(total=total, by_class=COST.instructions.by_class))
    return replace(RESULT, files=(replace(FILE, cpus=(cost,)),), **changes)


def of_file(result: CostResult, **changes: Any) -> CostResult:
    return replace(result, files=(replace(result.files[0], **changes),))


def test_results_are_read_whole() -> None:
    assert json.loads(to_json(RESULT)) == json.loads(PATH.read_text())
    assert sum(row.instructions.total for row in COST.operators) == COST.instructions.total
    assert sum(COST.instructions.by_class.values()) == COST.instructions.total


@pytest.mark.parametrize(("now", "passed"), [(1005, True), (1006, False), (900, True)])
def test_gate(now: int, passed: bool) -> None:
    result = gate(counted(now), counted(1000), name="base.json", max_percent=0.5)
    (line,) = result.lines
    assert (result.passed, line.passed, line.baseline, line.instructions) == (passed, passed, 1000, now)
    assert line.change_percent == pytest.approx((now - 1000) / 10)


def of_cpu(result: CostResult, **changes: Any) -> CostResult:
    return of_file(result, cpus=(replace(result.files[0].cpus[0], **changes),))


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        (replace(RESULT, runtime="litert 2.2.0"), "runtime: got litert 2.2.0, library"),
        (replace(RESULT, library_sha256="0" * 64), "library 000000000000, expected litert"),
        (of_file(RESULT, data_type="float32"), "data type of tiny.tflite: got float32, expected int8"),
        (of_cpu(RESULT, cpu="a73"), "got a73 with xnnpack, expected a76 with xnnpack"),
        (of_cpu(RESULT, kernels="builtin"), "got a76 with builtin, expected a76 with xnnpack"),
        (replace(RESULT, files=(FILE, FILE)), "names of files: got a name several times"),
        (
            replace(RESULT, files=(replace(FILE, path="a.tflite"), replace(FILE, path="b.tflite"))),
            "files: got a.tflite, b.tflite, expected tiny.tflite",
        ),
    ],
)
def test_other_conditions_are_refused(baseline: CostResult, said: str) -> None:
    with pytest.raises(ConditionsDifferError) as raised:
        gate(RESULT, baseline, name="base.json", max_percent=0.5)
    assert said in str(raised.value)
    assert str(raised.value).startswith("baseline base.json cannot be compared: ")


def test_files_are_matched_by_name() -> None:
    """A single file is matched with a single one, such as the same model before and after."""
    other = of_file(counted(2000), path="other.tflite")
    assert gate(other, counted(2000), name="", max_percent=0).passed
    both = replace(RESULT, files=(*other.files, *counted(1000).files))
    earlier = replace(
        RESULT, files=(*counted(1000).files, *of_file(counted(1900), path="x/other.tflite").files)
    )
    lines = gate(both, earlier, name="", max_percent=0.5).lines
    assert [(line.baseline, line.instructions, line.passed) for line in lines] == [
        (1900, 2000, False),
        (1000, 1000, True),
    ]


def files_against(data_type: str, low: float | None) -> FileCost:
    other = of_cpu(of_file(counted(1000), data_type=data_type, path="other.tflite"), cycles=cycles(low))
    now = of_cpu(counted(1500), cycles=cycles(500.0))
    return against(now.files[0], other.files[0])


def cycles(low: float | None) -> CycleRange:
    return CycleRange(low=low, high=None if low is None else 2 * low)


def test_instructions_of_two_data_types_are_not_compared() -> None:
    alike = files_against("int8", None).cpus[0].against
    assert alike is not None
    assert (alike.instructions_percent, alike.cycles_low_percent) == (50.0, None)
    mixed = files_against("float32", 400.0).cpus[0].against
    assert mixed is not None
    assert (mixed.instructions_percent, mixed.cycles_low_percent, mixed.cycles_high_percent) == (None, 25, 25)
    shown = table(replace(RESULT, files=(files_against("float32", None),)))
    assert (
        "not compared with other.tflite: instructions of int8 and of float32 are not worth the same" in shown
    )
    assert "+50.00 % instructions against other.tflite" in table(
        replace(RESULT, files=(files_against("int8", None),))
    )


def test_cycles_are_shown_as_a_range() -> None:
    shown = table(
        replace(RESULT, files=(files_against("float32", 400.0),), cycle_model="llvm-mca 19"),
        show_operators=True,
    )
    assert "modelled: 0.00 million cycles, 0.00 with what the second cache misses" in shown
    assert "+25.0 % modelled cycles against other.tflite, +25.0 % with what the second cache misses" in shown
    assert "cycles by llvm-mca 19; a model, not a measurement" in shown
    assert "? to ?" in shown
    assert "modelled" not in table(RESULT)


def test_what_people_see() -> None:
    shown = table(RESULT, show_operators=True)
    total = COST.instructions.total
    assert f"a76, xnnpack: {total:,} instructions" in shown
    assert "instructions inside the runtime's library, counted; not a time" in shown
    for row in COST.operators:
        assert f"{row.instructions.total:,}" in shown
    failed = replace(RESULT, gate=gate(counted(1006), counted(1000), name="b.json", max_percent=0.5))
    assert table(failed).endswith("gate FAILED: at most 0.5 % more instructions than b.json")


@pytest.mark.parametrize(
    ("request_fields", "said"),
    [
        ({"files": ()}, "files: got none, expected at least one .tflite file"),
        ({"files": ("a",), "cpus": ()}, "cpus: got none"),
        ({"files": ("a",), "cpus": ("m1",)}, "got 'm1', expected 'kryo', 'a73', 'a76' or 'x3'"),
        ({"files": ("a",), "baseline": "b"}, "got one of them, expected both or neither"),
        ({"files": ("a",), "max_instructions_percent": -1.0}, "at least 0"),
    ],
)
def test_wrong_requests(request_fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        CostRequest(**request_fields)
    assert said in str(raised.value)


def test_no_emulator_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = PATH.with_name("unfinished-launches-v1.tflite")
    monkeypatch.setenv("EDGE_MNV3_ARM", str(tmp_path))
    done = CliRunner().invoke(main, ["cost", str(model)])
    assert (done.exit_code, done.stderr.count("\n"), done.stdout) == (1, 1, "")
    assert done.stderr.startswith(
        f"error: cost needs an emulated Arm processor: got no {tmp_path}/sysroot/usr/"
    )
    assert "arm_sysroot.sh' makes it" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["no.tflite"], 1, "error: model no.tflite: got no such file"),
        (["no.tflite", "--baseline", "b.json"], 1, "got one of them, expected both or neither"),
        (
            ["no.tflite", "--baseline", "b.json", "--max-instructions-percent", "1"],
            1,
            "error: result b.json: ",
        ),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["cost", *arguments])
    assert done.exit_code == code
    assert said in done.stderr
