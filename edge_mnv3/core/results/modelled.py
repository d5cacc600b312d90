"""Modelled costs held against published latencies; nothing in it was measured here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from edge_mnv3.core.results.formats import Format

Measure = Literal["multiply_adds", "instructions", "cycles_low", "cycles_high"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledRow:
    """One published latency against the model.

    Attributes:
        variant: Such as `small_minimalistic`.
        alpha: Width multiplier, > 0.
        precision: `float` or `int8`.
        conditions: What sets the published row apart from its source's others.
        published_ms: The published latency, in milliseconds.
        published_ratio: It, relative to the geometric mean of the source's float networks on this phone.
        modelled_ratio: Modelled cycles with what the second cache misses, relative to the same mean.
        error_percent: By how much the modelled ratio exceeds the published one.
        left_out_error_percent: The same, where this row has no part in the means; None where no other has.
    """

    variant: str
    alpha: float
    precision: str
    conditions: str | None
    published_ms: float
    published_ratio: float
    modelled_ratio: float
    error_percent: float
    left_out_error_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureErrors:
    """How well one measure follows a source's float rows on a phone, after one factor.

    Attributes:
        measure: `multiply_adds`, `instructions`, `cycles_low`, or `cycles_high`, which has what the second
            cache misses.
        mean_error_percent: Mean of the errors' sizes.
        worst_error_percent: The largest one.
        left_out_mean_percent: The mean where each row is predicted by the others; None where there are none.
        swapped_pairs: Pairs of rows, of any precision, of which the measure has the slower one as the faster.
        pairs: Pairs whose published latencies differ.
    """

    measure: Measure
    mean_error_percent: float
    worst_error_percent: float
    left_out_mean_percent: float | None
    swapped_pairs: int
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledPhone:
    """A source's latencies of one phone against the model.

    Attributes:
        phone: As the source calls it.
        source: Key of the published figures' sources.
        kernels: `builtin` or `xnnpack`.
        processor: The core that was modelled.
        rows: Its published rows of networks that were modelled.
        errors: One for each measure.
    """

    phone: str
    source: str
    kernels: str
    processor: str
    rows: tuple[ModelledRow, ...]
    errors: tuple[MeasureErrors, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledResult:
    """Modelled costs against all published latencies that they can be held against.

    Attributes:
        is_measurement: Always False.
        runtime: Name and version of the runtime that was emulated.
        cycle_model: What modelled the cycles.
        phones: One for each source and phone.
        left_out: Published latencies that have no part, by reason.
    """

    FORMAT: ClassVar[Format] = Format("reproduce --modelled")
    schema_version: int = FORMAT.version
    is_measurement: bool = False
    runtime: str
    cycle_model: str
    phones: tuple[ModelledPhone, ...]
    left_out: dict[str, int]
