"""Points of a sweep side by side: seeds in one row, the front, and the row that is recommended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_mnv3.core.image_marks import unpacked
from edge_mnv3.core.intervals import Z95
from edge_mnv3.core.results.sweep import (
    LabelledFigures,
    Quality,
    Recommendation,
    RowDifference,
    Spread,
    SweepPoint,
    SweepRow,
)
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.stages.sweep_request import row_name
from edge_mnv3_quantization.exploring.front import KNEE, Candidate, knee, pareto_front, shown_front
from edge_mnv3_quantization.exploring.told_apart import (
    METHOD,
    Difference,
    accuracy_difference,
    snr_difference,
)


def sweep_rows(points: Sequence[SweepPoint]) -> tuple[SweepRow, ...]:
    """Joins the points that differ in their seed alone; the front is not marked yet."""
    groups: dict[str, list[SweepPoint]] = {}
    for point in points:
        name = row_name(point.model, point.recipe, point.target, point.budget_percent)
        groups.setdefault(name, []).append(point)
    return tuple(_row(name, members) for name, members in groups.items())


def _row(name: str, members: Sequence[SweepPoint]) -> SweepRow:
    first, made = members[0], [point for point in members if point.state != "failed"]
    held_out = [point.held_out for point in made if point.held_out is not None]
    labelled = [point.labelled for point in made if point.labelled is not None]
    agreements = [each.agreement_percent for each in (labelled or held_out)]
    problems = dict.fromkeys(problem for point in made for problem in point.ship_problems)
    return SweepRow(
        name=name,
        model=first.model,
        recipe=first.recipe,
        target=first.target,
        budget_percent=first.budget_percent,
        points=tuple(point.name for point in made),
        failed=tuple(point.name for point in members if point.state == "failed"),
        ship_problems=tuple(problems),
        cost=spread([point.cost for point in made]),
        size_bytes=spread([point.int8_size_bytes for point in made]),
        float_percent=spread([each.float_percent for each in labelled]),
        int8_percent=spread([each.int8_percent for each in labelled]),
        difference_points=spread([each.difference_points for each in labelled]),
        ci95_points=labelled[0].ci95_points if len(labelled) == 1 else None,
        agreement_percent=spread(agreements),
        snr_db=spread([each.snr_db for each in held_out]),
        on_front=False,
    )


def spread(values: Sequence[float | None]) -> Spread | None:
    """Computes mean and sample standard deviation; None where there is no value, or one is not known."""
    known = [float(value) for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return Spread(mean=float(np.mean(known)), sd=float(np.std(known, ddof=1)) if len(known) > 1 else None)


def with_front(rows: Sequence[SweepRow], quality: Quality) -> tuple[SweepRow, ...]:
    """Marks the rows that no other one dominates; a row whose files must not be shipped is none of them."""
    candidates = _candidates(rows, quality)
    places = pareto_front([candidate for _, candidate in candidates])
    front = {candidates[place][0].name for place in places}
    return tuple(replace(row, on_front=row.name in front) for row in rows)


class Comparing:
    """Compares rows on the same images, and with the same seeds.

    Attributes:
        quality: What they are compared by.
    """

    def __init__(
        self, points: Sequence[SweepPoint], validated: Mapping[str, ValidateResult], quality: Quality
    ) -> None:
        """Takes all points, and the results of `validate` by the points' names."""
        self.quality = quality
        self._points = {point.name: point for point in points}
        self._validated = validated

    def difference(self, row: SweepRow, other: SweepRow) -> RowDifference:
        """By how much the quality of one row is higher than that of another."""
        pairs = self._pairs(row, other)
        found = (
            snr_difference(*(np.array([p.held_out.noise for p in side if p.held_out]) for side in pairs))
            if self.quality == "held_out_snr_db"
            else self._accuracy(*pairs)
        )
        return RowDifference(
            row=row.name,
            other=other.name,
            difference=found.mean,
            ci95=(found.low, found.high),
            told_apart=found.told_apart,
        )

    def _pairs(self, row: SweepRow, other: SweepRow) -> tuple[list[SweepPoint], list[SweepPoint]]:
        """Points of the seeds that both have."""
        one, two = ({p.seed: p for p in map(self._points.__getitem__, each.points)} for each in (row, other))
        seeds = [seed for seed in one if seed in two]
        return [one[seed] for seed in seeds], [two[seed] for seed in seeds]

    def _accuracy(self, one: Sequence[SweepPoint], two: Sequence[SweepPoint]) -> Difference:
        results = [self._validated.get(point.name) for point in (*one, *two)]
        answers = [None if result is None else result.image_answers for result in results]
        counts = {0 if result is None else result.n for result in results}
        if len(counts) == 1 and len({each.sha256 if each else "" for each in answers} | {""}) == 2:
            right = [unpacked(each.int8_right, max(counts)) for each in answers if each is not None]
            if len(right) == len(results):
                return accuracy_difference(np.array(right[: len(one)]), np.array(right[len(one) :]))
        return _unpaired([p.labelled for p in one if p.labelled], [p.labelled for p in two if p.labelled])


def _unpaired(one: Sequence[LabelledFigures], two: Sequence[LabelledFigures]) -> Difference:
    """Where it is not known which images are right: as if each row had other images, which says less."""
    shares = [np.mean([each.int8_percent / 100 for each in side]) for side in (one, two)]
    counts = [side[0].n for side in (one, two)]
    error = 100 * math.sqrt(sum((p * (1 - p) + 1 / n) / n for p, n in zip(shares, counts, strict=True)))
    mean = float(100 * (shares[0] - shares[1]))
    return Difference(mean, mean - Z95 * error, mean + Z95 * error)


def recommend(rows: Sequence[SweepRow], comparing: Comparing) -> Recommendation:
    """Recommends the knee of the front.

    Args:
        rows: With the front marked.
        comparing: What tells rows apart.
    """
    candidates = _candidates(rows, comparing.quality)
    if not candidates:
        return Recommendation(
            row=None,
            point=None,
            reason="no row has been measured that could be shipped",
            method=KNEE,
            shown=(),
            differences=(),
        )
    known = [candidate for _, candidate in candidates]

    def better(place: int, other: int) -> bool:
        found = comparing.difference(candidates[place][0], candidates[other][0])
        return found.told_apart and found.difference > 0

    shown = shown_front(_strict(pareto_front(known), known), better)
    found = knee(known, shown)
    row = candidates[found.place][0]
    return Recommendation(
        row=row.name,
        point=row.points[0],
        reason=_reason([candidates[place] for place in shown], shown.index(found.place), found.rise),
        method=f"{KNEE}; {METHOD}",
        shown=tuple(candidates[place][0].name for place in shown),
        differences=tuple(
            comparing.difference(other, row) for other, _ in candidates if other.name != row.name
        ),
    )


def _candidates(rows: Sequence[SweepRow], quality: Quality) -> list[tuple[SweepRow, Candidate]]:
    """The rows that may be recommended: measured with all seeds, and fit to be shipped."""
    found = []
    for row in rows:
        value = row.snr_db if quality == "held_out_snr_db" else row.int8_percent
        if value is not None and row.cost is not None and not row.failed and not row.ship_problems:
            found.append((row, Candidate(row.cost.mean, value.mean)))
    return found


def _strict(front: Sequence[int], candidates: Sequence[Candidate]) -> list[int]:
    """Of equal choices on a front the first."""
    firsts: dict[Candidate, int] = {}
    for place in front:
        firsts.setdefault(candidates[place], place)
    return list(firsts.values())


def _reason(shown: Sequence[tuple[SweepRow, Candidate]], place: int, rise: float) -> str:
    _, chosen = shown[place]
    if len(shown) == 1:
        return "it is the cheapest of the front, and no row that costs more is shown to be better"
    (first, cheapest), (last, dearest) = shown[0], shown[-1]
    if rise == 0:
        return (
            f"there is no knee: from {first.name} on, each further cost buys at least as much as the one "
            "before, and this row is shown to be better than those of the front that cost less"
        )
    gain, cost = chosen.quality - cheapest.quality, chosen.cost / cheapest.cost
    all_gain, all_cost = dearest.quality - cheapest.quality, dearest.cost / cheapest.cost
    return (
        f"it lies furthest above the chord from {first.name} to {last.name}: "
        f"{100 * gain / all_gain:.0f} % of what {last.name} gains, for {100 * (cost - 1):.1f} % more cost "
        f"instead of {100 * (all_cost - 1):.1f} %"
    )
