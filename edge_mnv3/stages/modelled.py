"""The stage `reproduce --modelled`: published latencies against modelled cycles, as ratios within a phone.

A model knows neither clock nor phone, so each source and phone has one factor, by which its float rows are
right on average: the ratio of the geometric means. int8 rows have no part in it.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_mnv3.core.modelled import ModelledCost, ModelledCosts, read_modelled
from edge_mnv3.core.published import ONE_THREAD, Figure, Published, Source, read_published
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import Request, check_call
from edge_mnv3.core.results.modelled import (
    MEASURES,
    Measure,
    MeasureErrors,
    ModelledPhone,
    ModelledResult,
    ModelledRow,
)

OTHER_FORM = "without the fused h-swish"  # of the paper's; today's graph has the fused one
_MIN_FLOAT_ROWS = 2  # one row alone is right by its own factor
_Known = Mapping[tuple[str, float, str, str, str], ModelledCost]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledRequest(Request):
    """Nothing is chosen: all published latencies are held against the packaged costs."""


def modelled(request: ModelledRequest, reporter: Reporter = SILENT) -> ModelledResult:
    """Holds the packaged modelled costs against the published latencies; nothing is measured."""
    check_call("modelled", (ModelledRequest,), request, reporter)
    reporter.step("holding modelled costs against published latencies")
    return hold_against(read_published(), read_modelled())


def hold_against(published: Published, costs: ModelledCosts) -> ModelledResult:
    """Holds modelled costs against published latencies, by source and phone."""
    known = {(row.variant, row.alpha, row.precision, row.processor, row.kernels): row for row in costs.costs}
    groups: dict[tuple[str, str], list[tuple[Figure, float, ModelledCost]]] = {}
    left_out: Counter[str] = Counter()
    for figure in published.figures:
        if figure.device is None or figure.latency_ms is None:
            continue
        source = published.sources[figure.source]
        cost = _cost(figure, source, costs.phones, known)
        if isinstance(cost, str):
            left_out[cost] += 1
        else:
            groups.setdefault((figure.source, figure.device), []).append((figure, figure.latency_ms, cost))
    for key, rows in list(groups.items()):
        if sum(figure.precision == "float" for figure, *_ in rows) < _MIN_FLOAT_ROWS:
            left_out["no second float network of the same source and phone"] += len(groups.pop(key))
    return ModelledResult(
        runtime=costs.runtime,
        cycle_model=costs.cycle_model,
        phones=tuple(
            _phone(phone, published.sources[source].kernels, rows) for (source, phone), rows in groups.items()
        ),
        left_out=dict(left_out),
    )


def _cost(figure: Figure, source: Source, phones: Mapping[str, str], known: _Known) -> ModelledCost | str:
    """Finds what was modelled for a latency, or why nothing was."""
    if source.threads != ONE_THREAD:
        return "several threads, or a number that is not stated"
    if source.graph is not None:
        return "networks of another definition"
    if figure.conditions == OTHER_FORM:
        return "another form of hard-swish"
    processor = phones.get(figure.device or "")
    if processor is None:
        return "a processor that is not modelled"
    cost = known.get((figure.variant, figure.alpha, figure.precision, processor, source.kernels))
    return cost or "a network that is not modelled"


def _phone(phone: str, kernels: str, rows: Sequence[tuple[Figure, float, ModelledCost]]) -> ModelledPhone:
    latencies = [latency for _, latency, _ in rows]
    is_float = [figure.precision == "float" for figure, _, _ in rows]
    fits = {
        measure: _Fit(latencies, [_value(cost, measure) for *_, cost in rows], is_float)
        for measure in MEASURES
    }
    best = fits["cycles_high"]
    return ModelledPhone(
        phone=phone,
        source=rows[0][0].source,
        kernels=kernels,
        processor=rows[0][2].processor,
        rows=tuple(
            ModelledRow(
                variant=figure.variant,
                alpha=figure.alpha,
                precision=figure.precision,
                conditions=figure.conditions,
                published_ms=latency,
                published_ratio=latency / best.mean_latency(),
                modelled_ratio=cost.cycles_high / best.mean_value(),
                error_percent=best.error_percent(number),
                left_out_error_percent=best.left_out_percent(number),
            )
            for number, (figure, latency, cost) in enumerate(rows)
        ),
        errors=tuple(fit.errors(measure) for measure, fit in fits.items()),
    )


def _value(cost: ModelledCost, measure: Measure) -> float:
    return float(getattr(cost, measure))


@dataclass(frozen=True, slots=True)
class _Fit:
    """A measure against latencies; `is_float` marks the rows that the factor is made of."""

    latencies: Sequence[float]
    values: Sequence[float]
    is_float: Sequence[bool]

    def mean_latency(self, without: int | None = None) -> float:
        return self._mean(self.latencies, without)

    def mean_value(self, without: int | None = None) -> float:
        return self._mean(self.values, without)

    def error_percent(self, number: int, without: int | None = None) -> float:
        """By how much a row's ratio exceeds the published one."""
        ratio = self.values[number] / self.mean_value(without)
        return 100.0 * (ratio * self.mean_latency(without) / self.latencies[number] - 1.0)

    def left_out_percent(self, number: int) -> float | None:
        """The same by the other rows; None where there are none."""
        has_others = any(each for other, each in enumerate(self.is_float) if other != number)
        return self.error_percent(number, number) if has_others else None

    def errors(self, measure: Measure) -> MeasureErrors:
        own = [number for number, each in enumerate(self.is_float) if each]
        sizes = [abs(self.error_percent(number)) for number in own]
        left_out = [abs(each) for number in own if (each := self.left_out_percent(number)) is not None]
        pairs = [
            (a, b)
            for a, b in itertools.combinations(range(len(self.latencies)), 2)
            if self.latencies[a] != self.latencies[b]
        ]
        swapped = sum(
            (self.latencies[a] < self.latencies[b]) != (self.values[a] < self.values[b]) for a, b in pairs
        )
        return MeasureErrors(
            measure=measure,
            mean_error_percent=statistics.fmean(sizes),
            worst_error_percent=max(sizes),
            left_out_mean_percent=statistics.fmean(left_out) if left_out else None,
            swapped_pairs=swapped,
            pairs=len(pairs),
        )

    def _mean(self, numbers: Sequence[float], without: int | None) -> float:
        return statistics.geometric_mean(
            number
            for place, (number, each) in enumerate(zip(numbers, self.is_float, strict=True))
            if each and place != without
        )
