"""The tables of `sweep`, at most 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from edge_mnv3.core.choices import DEFAULT_TARGET
from edge_mnv3.core.counts import count
from edge_mnv3.core.results.sweep import Spread, SweepPlan, SweepResult, SweepRow

_WIDTH = 80
_COST_COLUMNS = {"instructions": "M instr.", "modelled_cycles": "M cycles"}
_COSTS = {
    "instructions": "cost: {method}, {processor}; one inference, one thread. Not a time.",
    "modelled_cycles": "cost: {method}, {processor}; modelled, not counted, and not a time.",
}


def plan_table(plan: SweepPlan) -> str:
    """Lists the points of a plan."""
    lines = [f"{'done' if point.done else 'to make':<9}{point.name}" for point in plan.points]
    done = sum(point.done for point in plan.points)
    lines.append(f"{count(len(plan.points), 'point')} in {plan.folder}, {done} of them done")
    if plan.held_out is not None:
        samples = "" if plan.samples is None else f"{plan.samples} calibration images a point, "
        lines.append(f"{samples}{plan.held_out} held out from all")
    return "\n".join((*lines, *(line for remark in plan.remarks for line in _wrapped(remark))))


def sweep_table(result: SweepResult) -> str:
    """Writes a result for people: a table, the recommendation, and how to read them."""
    lines = []
    for model, target in dict.fromkeys((row.model, row.target) for row in result.rows):
        title = model if target == DEFAULT_TARGET else f"{model}, target {target}"
        rows = [row for row in result.rows if (row.model, row.target) == (model, target)]
        lines += [*_model(result, title, rows), ""]
    return "\n".join((*lines, *_not_to_ship(result), *_recommended(result), "", *_legend(result)))


def _model(result: SweepResult, model: str, rows: list[SweepRow]) -> Iterator[str]:
    floats = next((row.float_percent for row in rows if row.float_percent is not None), None)
    yield model if floats is None else f"{model}: float {floats.mean:.2f} %"
    seeds = any(len(row.points) > 1 for row in rows)
    columns = _columns(result, seeds)
    yield "  " + f"{'recipe':<14}" + "".join(f"{title:>{width}}" for title, width in columns)
    for row in rows:
        mark = ">" if row.name == result.recommendation.row else "*" if row.on_front else " "
        mark = "!" if row.ship_problems else mark
        cells = _cells(result, row, seeds)
        name = f"{row.recipe} {row.budget_percent:g}"
        yield (
            f"{mark} {name:<14}"
            + "".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, columns, strict=True))
        ).rstrip()
        yield from _remarks(row)


def _columns(result: SweepResult, seeds: bool) -> list[tuple[str, int]]:
    wide = 12 if seeds else 8
    columns = []
    if result.data is not None:
        columns += [("int8 %", wide), ("drop", 12 if seeds else 22)]
    columns.append(("alike %", wide))
    if result.quality == "held_out_snr_db":
        columns.append(("dB", wide))
    return [*columns, ("MB", 6), (_COST_COLUMNS[result.cost.kind], 10)]


def _cells(result: SweepResult, row: SweepRow, seeds: bool) -> list[str]:
    cells = []
    if result.data is not None:
        cells += [_spread(row.int8_percent, seeds), _drop(row, seeds)]
    cells.append(_spread(row.agreement_percent, seeds, digits=1))
    if result.quality == "held_out_snr_db":
        cells.append(_spread(row.snr_db, seeds))
    size = "-" if row.size_bytes is None else f"{row.size_bytes.mean / 1e6:.2f}"
    cost = "-" if row.cost is None else f"{row.cost.mean / 1e6:.2f}"
    return [*cells, size, cost]


def _drop(row: SweepRow, seeds: bool) -> str:
    """Float less int8: of one seed with its interval, of several with its spread."""
    if row.difference_points is None:
        return "-"
    if seeds or row.ci95_points is None:
        spread = row.difference_points
        return _spread(Spread(mean=-spread.mean, sd=spread.sd), seeds)
    drop, (low, high) = -row.difference_points.mean + 0.0, row.ci95_points
    return f"{drop:.2f} ({-high:.2f}..{-low:.2f})"


def _spread(value: Spread | None, seeds: bool, digits: int = 2) -> str:
    if value is None:
        return "-"
    mean = f"{value.mean + 0.0:.{digits}f}"
    if not seeds:
        return mean
    return f"{mean} ±{value.sd:.{digits}f}" if value.sd is not None else f"{mean}{'':>{digits + 4}}"


def _remarks(row: SweepRow) -> Iterator[str]:
    if row.failed:
        count = len(row.failed) + len(row.points)
        yield f"    FAILED: {len(row.failed)} of {count} points"


def _not_to_ship(result: SweepResult) -> Iterator[str]:
    """What speaks against points, once for all of them: the figures in it are those of the first."""
    found: dict[str, dict[int, str]] = {}
    for number, point in enumerate(result.points, start=1):
        for problem in point.ship_problems:
            found.setdefault(problem.partition(": ")[0], {}).setdefault(number, problem)
    for numbers in found.values():
        first = next(iter(numbers))
        same = len({*numbers.values()}) == 1
        which = f"point {first}" if len(numbers) == 1 else f"points {_ranges([*numbers])}"
        yield from _wrapped(f"do not ship {which}: {numbers[first]}{'' if same else f' (of point {first})'}")
    if found:
        yield ""


def _ranges(numbers: list[int]) -> str:
    """Writes ascending numbers, three or more in a row by the first and last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _recommended(result: SweepResult) -> Iterator[str]:
    found = result.recommendation
    if found.row is None:
        yield from _wrapped(f"recommended: none, {found.reason}")
        return
    point = next(point for point in result.points if point.name == found.point)
    yield f"recommended: {found.row}"
    yield f"  {point.int8_path}"
    yield from _wrapped(f"{found.reason[0].upper()}{found.reason[1:]}.")
    unit = "dB" if result.quality == "held_out_snr_db" else "points"
    alike = [
        f"{each.row} ({each.difference:+.2f} {unit}, {each.ci95[0]:+.2f} to {each.ci95[1]:+.2f})"
        for each in found.differences
        if not each.told_apart
    ]
    if alike:
        yield from _wrapped(f"not told apart from it: {'; '.join(alike)}")
    for failed in (point for point in result.points if point.state == "failed"):
        yield from _wrapped(f"FAILED {failed.name}: {failed.failure}")


def _legend(result: SweepResult) -> Iterator[str]:
    marks = "> recommended, * on the Pareto front"
    if any(len(row.points) > 1 for row in result.rows):
        marks += "; ± is the standard deviation over seeds"
    if any(row.ship_problems for row in result.rows):
        marks += "; ! not to be shipped"
    yield from _wrapped(marks)
    if len({point.seed for point in result.points}) == 1:
        yield "one seed: how much another draw of calibration images would change is not known"
    if result.quality == "held_out_snr_db":
        n = next((point.held_out.n for point in result.points if point.held_out), 0)
        yield from _wrapped(
            f"compared by dB: signal to noise of the logits, on {n:,} images of {result.held_out} that no "
            "point is calibrated on"
        )
    else:
        yield from _wrapped(f"compared by int8 accuracy on {result.data}")
    if result.data is not None:
        labelled = next((point.labelled for point in result.points if point.labelled), None)
        if labelled is not None:
            yield from _wrapped(
                f"int8, drop in points (95 % interval) and alike: {labelled.measure} on {labelled.n:,} "
                f"images of {result.data}"
            )
    yield from _wrapped(
        _COSTS[result.cost.kind].format(method=result.cost.method, processor=result.cost.processor)
    )


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
