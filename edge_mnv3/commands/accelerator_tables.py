"""Latencies of a file on CPU, GPU and NPU side by side, and what really ran there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from edge_mnv3.core.choices import ACCELERATORS

if TYPE_CHECKING:
    from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult

_NO_FIGURE = "no figure"


def where(conditions: DeviceBenchConditions) -> str:
    """What follows a build's name where it ran, or was to run, on something else than the CPU."""
    return "" if conditions.accelerator == "cpu" else f" on the {conditions.accelerator}"


def build_name(conditions: DeviceBenchConditions) -> str:
    """The build, and where it ran."""
    return conditions.binary.name + where(conditions)


def accelerator_lines(results: Sequence[DeviceBenchResult]) -> list[str]:
    """Writes a column for each accelerator that was asked for; nothing where that was the CPU alone.

    Args:
        results: Of one device.
    """
    asked = [name for name in ACCELERATORS if any(r.conditions.accelerator == name for r in results)]
    if asked in (["cpu"], []):
        return []
    rows: dict[tuple[str, str, int, str], dict[str, DeviceBenchResult]] = {}
    for result in results:
        conditions, threads = result.conditions, result.conditions.protocol.num_threads
        key = (conditions.model_path, conditions.binary.name, threads, conditions.cpu_mask)
        rows.setdefault(key, {})[conditions.accelerator] = result
    swept = len({key[2:] for key in rows}) > 1
    table = [("file", "binary", *(f"{name} ms" for name in asked))]
    notes = []
    for (path, build, threads, mask), by_accelerator in rows.items():
        file = PurePath(path).name
        binary = f"{build}, {threads} threads, mask {mask}" if swept else build
        table.append((file, binary, *(_cell(by_accelerator.get(name)) for name in asked)))
        notes += [
            f"  {file} with '{binary}' on the {name}: {_what_ran(result)}"
            for name, result in by_accelerator.items()
            if name != "cpu"
        ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return ["", *lines, *notes]


def _cell(result: DeviceBenchResult | None) -> str:
    if result is None:
        return ""
    return _NO_FIGURE if result.median_us is None else f"{result.median_us / 1e3:.3f}"


def _what_ran(result: DeviceBenchResult) -> str:
    told = [result.delegated.text] if result.delegated else []
    return "; ".join([*told, *result.problems])
