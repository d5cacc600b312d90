"""What stages of a run need of the machine: looked for before the first one runs."""

from __future__ import annotations

import contextlib
from importlib.metadata import distributions
from pathlib import Path

from edge_mnv3.core.errors import EdgeMnv3Error, RuntimeUnavailableError
from edge_mnv3.packaging.arm import arm_folder, find_arm_runner
from edge_mnv3.stages.run_plan import RunPlan, StagePlan
from edge_mnv3_android_bench.instructions.llvm import find_llvm
from edge_mnv3_quantization.plotting import check_plot


def check_tools(plan: RunPlan) -> None:
    """Looks for the programs and packages without which a stage of the run would fail.

    Raises:
        EdgeMnv3Error: One is missing, or is another one; the text begins with the stage's table.
    """
    for stage in plan.stages:
        try:
            _check(stage)
        except EdgeMnv3Error as error:
            what = f"{plan.config}: [{stage.name}]: {error.what}"
            raise type(error)(what, error.got, error.expected, error.next_step) from error


def _check(stage: StagePlan) -> None:
    if stage.name == "cost":
        find_arm_runner()
        find_llvm()
    plot = stage.text("plot")
    if stage.name == "diagnose" and plot is not None:
        check_plot(Path(plot))


def arm_versions() -> dict[str, str | None]:
    """What counts instructions and models cycles: the folder, the packages in it, and LLVM's version.

    Returns:
        Name to version; of LLVM None where there is none.
    """
    folder = arm_folder()
    found: dict[str, str | None] = {"folder": str(folder), "llvm": None}
    with contextlib.suppress(RuntimeUnavailableError):  # cost says so
        llvm = find_llvm()
        found["llvm"] = None if llvm is None else llvm.version
    for each in distributions(path=[str(folder / "site")]):
        found[each.name] = each.version
    return found
