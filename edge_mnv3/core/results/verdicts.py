"""The frozen results of `reproduce` and `compare`; `json_format` writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.binaries import UNKNOWN_RUNTIME
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3.core.results.formats import Format

REPRODUCED, FASTER, SLOWER = "reproduced", "faster", "slower"
UNSTABLE, CONDITIONS_DIFFER, NOT_PUBLISHED = "unstable", "conditions differ", "no published figure"
EMULATED_REASON = "emulated device"
ERA_PREFIX = "era"  # of names under which builds of the published figures' time are looked for


def _add_time(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a cell of version 1, in which the name of the build told its time."""
    return {**data, "of_published_time": data["binary"].startswith(ERA_PREFIX)}


def _add_runtime(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a cell of version 2, which did not tell whose build it was."""
    return {**data, "runtime": UNKNOWN_RUNTIME}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCell:
    """A measurement held against a published latency.

    Attributes:
        binary: Name of the `benchmark_model` that measured it.
        of_published_time: It is a build of the published figures' time, as `BinaryInfo` says.
        runtime: Whose build it is, as `BinaryInfo` says.
        measured_ms: Measured latency; None where it is unstable or was not measured.
        ci95_ms: 95 % interval of `measured_ms`.
        ratio: Measured by published; None where one of the two is missing.
        ratio_ci95: 95 % interval of the ratio; the published figure has no interval.
        by_ratio: `reproduced`, `faster` or `slower`: what the ratio says, whatever the conditions; None
            without a ratio.
        verdict: `by_ratio` where the conditions are the published ones, as far as those are stated; else
            `conditions differ`, `unstable` or `no published figure`.
        reasons: Which conditions differ, why the result is unstable, that the interval crosses a limit.
    """

    FORMAT: ClassVar[Format] = Format("measured cell", (_add_time, _add_runtime), first_is_silent=True)
    schema_version: int = FORMAT.version
    binary: str
    of_published_time: bool
    runtime: str
    measured_ms: float | None
    ci95_ms: tuple[float, float] | None
    ratio: float | None
    ratio_ci95: tuple[float, float] | None
    by_ratio: str | None
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceCell:
    """One latency of one source beside what was measured.

    Attributes:
        variant: Name of the network, such as `small_minimalistic`.
        alpha: Width multiplier, > 0.
        precision: `float` or `int8`.
        recipe: Quantization recipe of the measured file; None for float files.
        published_device: Phone that the source measured; None where no source has a figure.
        source: Key of the published figures' sources; None where no source has a figure.
        published_ms: Latency that the source gives; None where no source has a figure.
        published_conditions: What sets this figure apart from the source's others.
        measured: What each binary measured.
    """

    variant: str
    alpha: float
    precision: str
    recipe: str | None
    published_device: str | None
    source: str | None
    published_ms: float | None
    published_conditions: str | None
    measured: tuple[MeasuredCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Figures that sources give differently for the same network on the same phone.

    Attributes:
        variant: Name of the network, such as `small_minimalistic`.
        alpha: Width multiplier, > 0.
        precision: `float` or `int8`.
        device: Phone that the sources measured.
        published_ms: Source, with its conditions where it states some, to latency.
        spread_percent: Largest less smallest latency, in percent of the smallest.
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
        source: Key of the published figures' sources.
        binary: Name of the `benchmark_model` that measured.
        recipe: Recipe of the int8 files among them; None where there are none.
        networks: Networks that have one figure from each. Those that the source gives twice are left out.
        kendall_tau_b: 1 is the same order, -1 the reverse; None with fewer than two different networks.
    """

    source: str
    binary: str
    recipe: str | None
    networks: int
    kendall_tau_b: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelEraFactor:
    """How today's kernels compare with those of the published figures' time, on one phone.

    Attributes:
        factor: Exponential of the median over networks of ln(time with `current` / time with `reference`):
            below 1 today's are faster.
        ci95: 95 % bootstrap interval over networks; None with fewer than three.
        networks: Networks, or files of them, that have both times.
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
    """The phone with published figures whose latencies are nearest to those of a phone without.

    Attributes:
        device: Name, such as `Pixel 3`: its median distance |ln(measured / published)| is the least.
        source: Source of the published figures: the one that has most of the measured networks.
        ratio: Exponential of the median of ln(measured / published).
        networks: Networks that have both figures.
    """

    device: str
    source: str
    ratio: float
    networks: int

    def __str__(self) -> str:
        return (
            f"nearest is {self.device}: {self.ratio:.2f} times its latencies of {self.source}, "
            f"median of {self.networks} networks"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceResult:
    """Published latencies against what one device measures.

    Attributes:
        device: The device that measured.
        published_device: The device's name in the published figures; None where it has none there.
        nearest: The nearest phone, for devices without published figures; None where nothing can be said.
        cells: One for each measured file and source.
        contradictions: Figures on which the sources differ.
        rank_orders: One for each source, binary and kind of file.
        kernel_era: Today's kernels against those of the published figures' time; None where no network has
            both times, and for emulated devices.
        results: The measurements.
        warnings: What must be known before the figures are used; says so where the device is emulated.
    """

    FORMAT: ClassVar[Format] = Format("reproduce")
    schema_version: int = FORMAT.version
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
    """A condition that two results do not share.

    Attributes:
        name: The condition.
        a: Its value in A.
        b: Its value in B.
    """

    name: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureComparison:
    """What launches give beside the latency, of two results.

    Attributes:
        name: `start-up`, `first inference` or `peak memory`: how far a launch raised the highest resident
            memory of the program.
        unit: Unit of the medians.
        median_a: Median over the launches of A.
        median_b: Median over the launches of B.
        ratio: B by A; None where A has 0.
        ratio_ci95: 95 % interval of the ratio, by bootstrap over the launches of both; None where one of the
            two has fewer launches than a latency needs to be quoted.
        differ: As in `Comparison`; None without an interval: there is no verdict.
        text: The verdict in words.
    """

    name: str
    unit: str
    median_a: float
    median_b: float
    ratio: float | None
    ratio_ci95: tuple[float, float] | None
    differ: bool | None
    text: str


def _add_launch_figures(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a comparison of version 1, which was of latencies alone."""
    return {**data, "measured": "", "launch_figures": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two results of the same conditions, but for differences that were allowed.

    Attributes:
        model_a: The model of A.
        model_b: The model of B.
        measured: What was measured in A, and on what; empty in results of earlier releases.
        median_a_us: Median latency of A.
        median_b_us: Median latency of B.
        ratio: Latency of B by that of A.
        ratio_ci95: 95 % interval of the ratio: by bootstrap over the launches of both, or, of files that this
            machine ran in turns, by the order of the rounds' ratios.
        differ: The interval excludes 1, and the ratio is further from 1 than what counts as a difference.
        differences: Conditions that differ, each allowed by the caller.
        launch_figures: What launches give beside the latency; empty in results of earlier releases.
        text: The verdict on the latency in words.
    """

    FORMAT: ClassVar[Format] = Format("comparison", (_add_launch_figures,), first_is_silent=True)
    schema_version: int = FORMAT.version
    model_a: str
    model_b: str
    measured: str
    median_a_us: float
    median_b_us: float
    ratio: float
    ratio_ci95: tuple[float, float]
    differ: bool
    differences: tuple[ConditionDifference, ...]
    launch_figures: tuple[FigureComparison, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """The results of one file against those of another.

    Attributes:
        a: The first file.
        b: The second file.
        comparisons: One for each pair of results under equal conditions.
        not_compared: Results without a partner under equal conditions, or without a figure, in words.
    """

    FORMAT: ClassVar[Format] = Format("compare")
    schema_version: int = FORMAT.version
    a: str
    b: str
    comparisons: tuple[Comparison, ...]
    not_compared: tuple[str, ...]
