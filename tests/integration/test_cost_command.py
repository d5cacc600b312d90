"""Instructions of one inference, counted on an emulated Arm processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.result_files import read_result
from edge_mnv3.core.results.cost import BETWEEN, CostResult
from edge_mnv3.packaging.arm import arm_folder
from edge_mnv3.stages.cost import CostRequest, cost
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
    if result.library_sha256 == golden.library_sha256:
        assert (counted,) == golden.files[0].cpus
