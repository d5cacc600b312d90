"""The frozen results of `reproduce` and `compare`; `result_json` writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mnv3.bench_results import DeviceBenchResult
from edge_mnv3.device_results import DeviceInfo
from edge_mnv3.results import SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCell:
    """A measurement held against a published latency.

    Attributes:
        binary: Name of the `benchmark_model` that measured it.
        measured_ms: None where it is unstable or was not measured.
        ci95_ms: 95 % interval of `measured_ms`.
        ratio: Measured by published; None where one of the two is missing.
        ratio_ci95: 95 % interval of the ratio; the published figure has none of its own.
        verdict: `reproduced`, `faster`, `slower`, `unstable`, `conditions differ`, `not measured` or
            `no published figure`.
        reasons: What the verdict rests on, in words.
    """

    binary: str
    measured_ms: float | None
    ci95_ms: tuple[float, float] | None
    ratio: float | None
    ratio_ci95: tuple[float, float] | None
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceCell:
    """One latency of one source beside what was measured.

    Attributes:
        precision: `float` or `int8`.
        published_device: Phone that the source measured; None where no source has a figure.
        source: Key of the published figures' sources, or None likewise.
        published_ms: As the source gives it, or None likewise.
        published_conditions: What sets this figure apart from the source's others.
        measured: One for each binary.
    """

    variant: str
    alpha: float
    precision: str
    published_device: str | None
    source: str | None
    published_ms: float | None
    published_conditions: str | None
    measured: tuple[MeasuredCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Figures that sources give differently for the same network on the same phone.

    Attributes:
        published_ms: Source, with its conditions where it states some, to latency.
        spread_percent: Largest less smallest, of the smallest.
    """

    variant: str
    alpha: float
    precision: str
    device: str
    published_ms: dict[str, float]
    spread_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankOrder:
    """Whether a source and a measurement put the networks in the same order.

    Attributes:
        networks: Cells that have both figures.
        kendall_tau_b: 1 is the same order, -1 the reverse; None where fewer than two networks differ.
    """

    source: str
    binary: str
    networks: int
    kendall_tau_b: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelEraFactor:
    """How much faster or slower newer kernels are than those of the published figures' time, on one phone.

    Attributes:
        factor: Geometric median over networks of the time with `current` by the time with `reference`.
        ci95: 95 % bootstrap interval over networks; None with fewer than three.
        networks: Cells that have both.
        current: Name of the binary.
        reference: Name of the other binary, or of the source of published figures.
    """

    factor: float
    ci95: tuple[float, float] | None
    networks: int
    current: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestPixel:
    """The phone with published figures that is nearest to one without.

    Attributes:
        device: Such as `Pixel 3`.
        max_khz: Highest clock of its big cores.
        reason: By what it is nearest.
    """

    device: str
    max_khz: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceResult:
    """Published latencies against what one device measures.

    Attributes:
        published_device: The device's name in the published figures; None where it has none there.
        nearest: For devices without published figures; None where nothing can be said.
        cells: One for each network and source.
        contradictions: Where the sources differ among themselves.
        kernel_era: None where fewer than two networks have both figures.
        results: The measurements.
        warnings: What must be known before the figures are used; says so where the device is emulated.
    """

    schema_version: int = SCHEMA_VERSION
    device: DeviceInfo
    published_device: str | None
    nearest: NearestPixel | None
    cells: tuple[ReproduceCell, ...]
    contradictions: tuple[Contradiction, ...]
    rank_orders: tuple[RankOrder, ...]
    kernel_era: KernelEraFactor | None
    results: tuple[DeviceBenchResult, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionDifference:
    """A condition that two results do not share."""

    name: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two results of the same conditions, but for differences that were allowed.

    Attributes:
        ratio: Latency of B by that of A.
        ratio_ci95: 95 % bootstrap interval of the ratio, over the launches of both.
        differ: The interval excludes 1, and the ratio is further from 1 than what counts as a difference.
        differences: Conditions that differ, each allowed by the caller.
        text: The verdict in words.
    """

    model_a: str
    model_b: str
    median_a_us: float
    median_b_us: float
    ratio: float
    ratio_ci95: tuple[float, float]
    differ: bool
    differences: tuple[ConditionDifference, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """The results of one file against those of another.

    Attributes:
        a: The first file.
        b: The second file.
        unpaired: Results that only one file has, in words.
    """

    schema_version: int = SCHEMA_VERSION
    a: str
    b: str
    comparisons: tuple[Comparison, ...]
    unpaired: tuple[str, ...]
