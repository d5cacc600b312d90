"""Compares costs: a file with another one, and a result with an earlier one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath

from edge_mnv3.core.errors import ConditionsDifferError
from edge_mnv3.core.results.cost import (
    CostGate,
    CostResult,
    FileCost,
    GateLine,
    ProcessorCost,
    RelativeCost,
)


def against(file: FileCost, reference: FileCost) -> FileCost:
    """Adds the comparison with another file, which was counted on the same processors.

    Instructions are compared only where the data types are one: int8 takes other instructions than float,
    which are not worth the same.
    """
    others = {each.cpu: each for each in reference.cpus}

    def compared(cost: ProcessorCost) -> ProcessorCost:
        other = others[cost.cpu]
        is_alike = file.data_type == reference.data_type
        relative = RelativeCost(
            path=reference.path,
            data_type=reference.data_type,
            instructions_percent=_percent(cost.instructions.total, other.instructions.total)
            if is_alike
            else None,
            cycles_low_percent=_percent(cost.cycles.low, other.cycles.low),
            cycles_high_percent=_percent(cost.cycles.high, other.cycles.high),
        )
        return replace(cost, against=relative)

    return replace(file, cpus=tuple(map(compared, file.cpus)))


def gate(result: CostResult, baseline: CostResult, *, name: str, max_percent: float) -> CostGate:
    """Holds instructions against those of an earlier result.

    Files are matched by name; a single one with a single one, whatever they are called.

    Args:
        result: What was counted now.
        baseline: The earlier result.
        name: What errors call the earlier result.
        max_percent: Largest growth allowed, in percent.

    Raises:
        ConditionsDifferError: A file, processor or kind of kernels is not in the baseline, or the data type
            or the runtime differ.
    """

    def refused(what: str, now: str, then: str) -> ConditionsDifferError:
        return ConditionsDifferError(
            f"baseline {name} cannot be compared: {what}", then, now, "make a new baseline with --json"
        )

    if (result.runtime, result.library_sha256) != (baseline.runtime, baseline.library_sha256):
        raise refused("runtime", _runtime(result), _runtime(baseline))
    lines = []
    for file, earlier in _pairs(result, baseline, refused):
        if file.data_type != earlier.data_type:
            raise refused(f"data type of {file.path}", file.data_type, earlier.data_type)
        known = {(each.cpu, each.kernels): each.instructions.total for each in earlier.cpus}
        for cost in file.cpus:
            if (cost.cpu, cost.kernels) not in known:
                there = ", ".join(f"{cpu} with {kernels}" for cpu, kernels in known)
                raise refused(f"processor of {file.path}", f"{cost.cpu} with {cost.kernels}", there)
            then, now = known[cost.cpu, cost.kernels], cost.instructions.total
            change = 100.0 * (now - then) / then
            lines.append(
                GateLine(
                    path=file.path,
                    cpu=cost.cpu,
                    baseline=then,
                    instructions=now,
                    change_percent=change,
                    passed=change <= max_percent,
                )
            )
    return CostGate(
        baseline=name,
        max_percent=max_percent,
        lines=tuple(lines),
        passed=all(line.passed for line in lines),
    )


def _pairs(
    result: CostResult, baseline: CostResult, refused: Callable[[str, str, str], ConditionsDifferError]
) -> list[tuple[FileCost, FileCost]]:
    if len(result.files) == len(baseline.files) == 1:
        return [(result.files[0], baseline.files[0])]
    names = [PurePath(each.path).name for each in (*result.files, *baseline.files)]
    several = [name for name, count in Counter(names).items() if count > 2]
    earlier = {PurePath(each.path).name: each for each in baseline.files}
    if several or len(earlier) != len(baseline.files):
        raise refused("names of files", "each name once", "a name several times")
    missing = [each.path for each in result.files if PurePath(each.path).name not in earlier]
    if missing:
        raise refused("files", PurePath(missing[0]).name, ", ".join(sorted(earlier)))
    return [(each, earlier[PurePath(each.path).name]) for each in result.files]


def _percent(now: float | None, then: float | None) -> float | None:
    return None if now is None or not then else 100.0 * (now - then) / then


def _runtime(result: CostResult) -> str:
    return f"{result.runtime}, library {result.library_sha256[:12]}"
