"""Instructions of one inference, counted on an emulated Arm processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_mnv3.core.result_files import read_result
from edge_mnv3.core.results.cost import BETWEEN, CostResult, ProcessorCost
from edge_mnv3.packaging.arm import arm_folder
from edge_mnv3.stages.cost import CostRequest, cost
from edge_mnv3_android_bench.instructions.costing import NO_CYCLES
from tiny_models import write_classifier

GOLDEN = Path(__file__).parents[1] / "golden" / "formats" / "cost-v1.json"


def test_instructions_on_an_emulated_arm_processor(tmp_path: Path) -> None:
    """Where it runs the same library, the figures are those that another machine counted, to the last one."""
    if not arm_folder().is_dir():
        pytest.skip(f"no emulated Arm processor in {arm_folder()}; arm_sysroot.sh makes it")
    golden = read_result(CostResult, GOLDEN, command="cost")
    model = write_classifier(tmp_path / "tiny.tflite", "int8")
    result = cost(CostRequest(files=[model]))
    (counted,) = result.files[0].cpus
    assert result.files[0].sha256 == golden.files[0].sha256
    assert [row.name for row in counted.operators] == ["CONV_2D", "RESHAPE", BETWEEN]
    assert sum(row.instructions.total for row in counted.operators) == counted.instructions.total
    assert counted.instructions.by_class["dot"] > 0
    rows = [row.cycles for row in counted.operators]
    if result.cycle_model is None:
        assert {(row.low, row.high) for row in (*rows, counted.cycles)} == {(None, None)}
    else:
        assert sum(row.low or 0 for row in rows) == pytest.approx(counted.cycles.low)
        assert sum(row.high or 0 for row in rows) == pytest.approx(counted.cycles.high)
        assert counted.cycles.low is not None
        # A processor that begins eight instructions in a cycle at most waits for memory and for results.
        assert counted.instructions.total / 8 < counted.cycles.low < 4 * counted.instructions.total
    if result.library_sha256 == golden.library_sha256:
        assert (_without_cycles(counted),) == golden.files[0].cpus


def _without_cycles(cost: ProcessorCost) -> ProcessorCost:
    rows = tuple(replace(row, cycles=NO_CYCLES) for row in cost.operators)
    return replace(cost, cycles=NO_CYCLES, operators=rows)
