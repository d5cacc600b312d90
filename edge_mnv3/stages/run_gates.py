"""The gates of a run: limits on what its stages measured. What was not measured does not pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.result_files import read_quantize_result, read_result
from edge_mnv3.core.results.cost import CostResult
from edge_mnv3.core.results.run import RunGate, StageName
from edge_mnv3.core.results.validate import ValidateResult


class GateKind(NamedTuple):
    """A gate of the table `[gates]`.

    Attributes:
        stage: The stage that measures it.
        option: The command's own gate that it becomes; empty where the result is looked at.
        least: The least limit.
        most: The largest limit.
        says: What it does, as help texts do.
    """

    stage: StageName
    option: str
    least: float
    most: float
    says: str


BASELINE = "baseline"
QUOTABLE, WARNED = "bench_quotable", "warned:"  # it has no figures, but what it says
SIZE = "max_int8_bytes"  # the one gate that any stage with the int8 file can measure
GATES: Mapping[str, GateKind] = {
    "max_drop_points": GateKind(
        "validate",
        "max_drop_points",
        -100,
        100,
        "Fail if accuracy drops by more points from float to int8, or answers make no sense.",
    ),
    "min_top1_percent": GateKind("validate", "", 0, 100, "Fail if the int8 file's top-1 is lower."),
    "min_agreement_percent": GateKind(
        "validate", "", 0, 100, "Fail if fewer answers of the float and the int8 file are the same."
    ),
    SIZE: GateKind("quantize", "", 1, math.inf, "Fail if the int8 file is larger."),
    "max_instructions": GateKind(
        "cost", "", 1, math.inf, "Fail if a file takes more instructions on an Arm processor."
    ),
    "max_instructions_percent": GateKind(
        "cost",
        "max_instructions_percent",
        0,
        math.inf,
        "Fail if instructions grew by more than this since the baseline.",
    ),
}


def stage_gates(
    stage: StageName,
    code: int,
    limits: Mapping[str, float | str],
    result: Path,
    warnings: Sequence[str] = (),
) -> tuple[RunGate, ...]:
    """Holds what a stage measured against its limits.

    Args:
        stage: The stage.
        code: Exit code of its command.
        limits: Those of the table `[gates]`.
        result: Its JSON.
        warnings: What its command warned of.

    Raises:
        InputFileError: The result is damaged.
    """
    of_stage: Mapping[StageName, Callable[[Path, Mapping[str, float | str]], list[RunGate]]] = {
        "quantize": _of_quantize,
        "validate": _of_validate,
        "cost": _of_cost,
    }
    gates = of_stage[stage](result, limits) if stage in of_stage else []
    if stage == "bench":
        gates.append(_quotable(code, warnings))
    return tuple(gates)


def size_gate(stage: StageName, limits: Mapping[str, float | str], int8: Path) -> RunGate:
    """Holds the size of the int8 file against its limit.

    Args:
        stage: The first stage that has the file.
        limits: With `SIZE`.
        int8: The file.

    Raises:
        OSError: It is not there.
    """
    return _most(SIZE, stage, limits, float(int8.stat().st_size))


def _quotable(code: int, warnings: Sequence[str]) -> RunGate:
    """Of phones it fails where a figure is not given; on this machine noise is told, and fails nothing."""
    if code:
        return _gate(QUOTABLE, "bench", 0.0, None, False, "a latency is not to be quoted")
    unstable = [each for each in warnings if "unstable" in each]
    return _gate(QUOTABLE, "bench", 0.0, 0.0, True, f"{WARNED} {first_of(unstable)}" if unstable else "")


def first_of(texts: Sequence[str]) -> str:
    """The first of several texts, and how many more there are."""
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    return f"{texts[0]}{more}" if texts else ""


def _of_quantize(result: Path, _: Mapping[str, float | str]) -> list[RunGate]:
    checks = read_quantize_result(result).checks
    problems = tuple(checks.problems)
    return [
        _gate("int8_checks", "quantize", 0.0, float(len(problems)), checks.passed, first_of(problems)),
    ]


def _of_validate(result: Path, limits: Mapping[str, float | str]) -> list[RunGate]:
    found = read_result(ValidateResult, result, command="validate")
    gates = []
    if found.gate is not None:
        gate = found.gate
        detail = first_of(gate.problems)
        gates.append(
            _gate("max_drop_points", "validate", gate.max_drop_points, gate.drop_points, gate.passed, detail)
        )
    top1 = found.int8.top1_percent
    # Of several outputs the one that is least alike decides.
    alike = [each.agreement_percent for each in found.outputs if each.agreement_percent is not None]
    agreement = min(alike, default=found.agreement_percent)
    for name, value in (("min_top1_percent", top1), ("min_agreement_percent", agreement)):
        if name in limits:
            gates.append(_checked(name, "validate", limits, value, lambda value, limit: value >= limit))
    return gates


def _of_cost(result: Path, limits: Mapping[str, float | str]) -> list[RunGate]:
    found = read_result(CostResult, result, command="cost")
    gates = []
    if found.gate is not None:
        gate = found.gate
        worst = max((line.change_percent for line in gate.lines), default=None)
        failed = [f"{line.path} on {line.cpu}" for line in gate.lines if not line.passed]
        name = "max_instructions_percent"
        gates.append(_gate(name, "cost", gate.max_percent, worst, gate.passed, ", ".join(failed)))
    if "max_instructions" in limits:
        counts = [each.instructions.total for file in found.files for each in file.cpus]
        gates.append(_most("max_instructions", "cost", limits, float(max(counts)) if counts else None))
    return gates


def _most(name: str, stage: StageName, limits: Mapping[str, float | str], value: float | None) -> RunGate:
    return _checked(name, stage, limits, value, lambda value, limit: value <= limit)


def _checked(
    name: str,
    stage: StageName,
    limits: Mapping[str, float | str],
    value: float | None,
    passes: Callable[[float, float], bool],
) -> RunGate:
    limit = float(limits[name])
    if value is None:
        return _gate(name, stage, limit, None, False, "there is no such figure")
    return _gate(name, stage, limit, value, passes(value, limit), "")


def _gate(
    name: str, stage: StageName, limit: float, value: float | None, passed: bool, detail: str
) -> RunGate:
    if value is not None and not math.isfinite(value):  # has no JSON form, and never passes
        value, passed, detail = None, False, detail or "the figure is no number"
    value = None if value is None else value + 0.0  # no minus before a zero
    return RunGate(name=name, stage=stage, limit=limit, value=value, passed=passed, detail=detail)
