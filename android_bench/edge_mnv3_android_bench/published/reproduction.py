"""Published latencies against those of one phone: the table, the rank order, the change of kernels."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.published import FIRST_FIGURES, Figure, Published, Source
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.binaries import LITERT, BinaryInfo
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3.core.results.verdicts import (
    ERA_PREFIX,
    Contradiction,
    KernelEraFactor,
    NearestPixel,
    RankOrder,
    ReproduceCell,
    ReproduceResult,
)
from edge_mnv3_android_bench.measuring.acceptance import bootstrap_interval
from edge_mnv3_android_bench.measuring.launch_statistics import EMULATED_WARNING
from edge_mnv3_android_bench.published.verdicts import differs_by_build_alone, judge

_MIN_NETWORKS_OF_INTERVAL = 3


class PublishedNetwork(NamedTuple):
    """The network that a published figure belongs to."""

    variant: str
    alpha: float
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFile:
    """A file that was measured with one binary.

    Attributes:
        recipe: Quantization recipe of the file; None for float files.
        differences: How its graph differs from the published network's, in words.
    """

    network: PublishedNetwork
    recipe: str | None
    result: DeviceBenchResult
    differences: tuple[str, ...] = ()


def reproduce(
    published: Published, device: DeviceInfo, measurements: Sequence[MeasuredFile]
) -> ReproduceResult:
    """Holds everything that was measured on a phone against everything that was published of it.

    Each source has a cell. A phone without published figures gets cells without them. One without figures
    that were measured as the first ones were gets the phone whose first figures are nearest.
    """
    phone = published.phone(device.model)
    figures = [f for f in published.figures if f.device is not None and f.latency_ms is not None]
    on_phone = [figure for figure in figures if figure.device == phone]
    first = [figure for figure in figures if published.sources[figure.source].is_of_first_figures]
    first_on_phone = [figure for figure in first if figure.device == phone]
    return ReproduceResult(
        device=device,
        published_device=phone,
        nearest=None if first_on_phone or device.emulated else nearest_pixel(first, measurements),
        cells=tuple(_cells(published, on_phone, measurements)),
        contradictions=contradictions(on_phone, published.sources),
        rank_orders=() if device.emulated else tuple(_rank_orders(on_phone, measurements)),
        kernel_era=None if device.emulated else kernel_era_factor(first_on_phone, measurements, phone),
        results=tuple(measurement.result for measurement in measurements),
        warnings=_warnings(device, measurements),
    )


def network_of(figure: Figure) -> PublishedNetwork:
    """Names the network of a figure."""
    return PublishedNetwork(figure.variant, figure.alpha, figure.precision)


def _cells(
    published: Published, on_phone: Sequence[Figure], measurements: Sequence[MeasuredFile]
) -> Iterable[ReproduceCell]:
    phone = on_phone[0].device if on_phone else None
    files: dict[tuple[PublishedNetwork, str | None], list[MeasuredFile]] = defaultdict(list)
    for measurement in measurements:
        files[measurement.network, measurement.recipe].append(measurement)
    for (network, recipe), measured in files.items():
        figures: list[Figure | None] = [figure for figure in on_phone if network_of(figure) == network]
        for figure in figures or [None]:
            latency_ms = figure.latency_ms if figure else None
            source = published.sources[figure.source] if figure else FIRST_FIGURES
            yield ReproduceCell(
                variant=network.variant,
                alpha=network.alpha,
                precision=network.precision,
                recipe=recipe,
                published_device=figure.device if figure else None,
                source=figure.source if figure else None,
                published_ms=latency_ms,
                published_conditions=figure.conditions if figure else None,
                measured=tuple(
                    judge(m.result, latency_ms, phone=phone, differences=m.differences, source=source)
                    for m in measured
                ),
            )


def contradictions(figures: Iterable[Figure], sources: Mapping[str, Source]) -> tuple[Contradiction, ...]:
    """Finds the networks for which sources, or editions of one, give different latencies of one phone.

    Sources that state different conditions do not contradict one another.
    """
    given: dict[tuple[PublishedNetwork, str, tuple[str | None, ...]], dict[str, float]] = defaultdict(dict)
    for figure in figures:
        if figure.device is not None and figure.latency_ms is not None:
            label = f"{figure.source} ({figure.conditions})" if figure.conditions else figure.source
            key = network_of(figure), figure.device, sources[figure.source].setting
            given[key][label] = figure.latency_ms
    return tuple(
        Contradiction(
            variant=network.variant,
            alpha=network.alpha,
            precision=network.precision,
            device=device,
            published_ms=latencies,
            spread_percent=100 * (max(latencies.values()) / min(latencies.values()) - 1),
        )
        for (network, device, _), latencies in given.items()
        if len(set(latencies.values())) > 1
    )


def kendall_tau_b(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's rank correlation with ties (tau-b); None where one of the two has no two different values."""
    both = only_a = only_b = 0
    for i, j in combinations(range(len(a)), 2):
        order_a = (a[i] > a[j]) - (a[i] < a[j])
        order_b = (b[i] > b[j]) - (b[i] < b[j])
        both += order_a * order_b
        only_a += order_a != 0
        only_b += order_b != 0
    return both / math.sqrt(only_a * only_b) if only_a and only_b else None


def _rank_orders(on_phone: Sequence[Figure], measurements: Sequence[MeasuredFile]) -> Iterable[RankOrder]:
    recipes: list[str | None] = list(dict.fromkeys(m.recipe for m in measurements if m.recipe is not None))
    for source, latencies in _by_source(on_phone).items():
        for binary in dict.fromkeys(m.result.conditions.binary.name for m in measurements):
            for recipe in recipes or [None]:
                measured = _measured_us(measurements, binary, recipe)
                shared = [network for network in measured if network in latencies]
                if not shared:
                    continue
                yield RankOrder(
                    source=source,
                    binary=binary,
                    recipe=recipe,
                    networks=len(shared),
                    kendall_tau_b=kendall_tau_b(
                        [latencies[network] for network in shared], [measured[network] for network in shared]
                    ),
                )


def _by_source(figures: Iterable[Figure]) -> dict[str, dict[PublishedNetwork, float]]:
    """Latencies in ms by source and network, without the networks of which a source gives several."""
    given: dict[str, dict[PublishedNetwork, list[float]]] = defaultdict(lambda: defaultdict(list))
    for figure in figures:
        if figure.latency_ms is not None:
            given[figure.source][network_of(figure)].append(figure.latency_ms)
    return {
        source: {network: values[0] for network, values in networks.items() if len(values) == 1}
        for source, networks in given.items()
    }


def _measured_us(
    measurements: Iterable[MeasuredFile], binary: str, recipe: str | None
) -> dict[PublishedNetwork, float]:
    """Stable figures of a binary: of float files, and of the int8 files of one recipe."""
    return {
        m.network: m.result.median_us
        for m in measurements
        if m.result.conditions.binary.name == binary
        and m.recipe in (None, recipe)
        and m.result.median_us is not None
    }


def kernel_era_factor(
    on_phone: Sequence[Figure], measurements: Sequence[MeasuredFile], phone: str | None
) -> KernelEraFactor | None:
    """Compares today's kernels with those of the published figures' time, over all files that have both.

    The reference is the same file measured with a build of their time. Without one it is the source that has
    most of the measured networks, and only measurements count that differ from it in nothing but the build.
    """
    binaries = _binaries(measurements)
    era = [binary.name for binary in binaries if binary.of_published_time]
    others = [binary for binary in binaries if not binary.of_published_time]
    current = [binary.name for binary in others if binary.runtime != LITERT]  # which runs other kernels
    if not current:
        return None
    if era:
        times = [_by_file(measurements, binary) for binary in (current[0], era[0])]
        pairs = [(times[0][file], times[1][file]) for file in times[0] if file in times[1]]
        return _factor(pairs, current[0], era[0])
    plain = [
        m for m in measurements if not m.differences and differs_by_build_alone(m.result.conditions, phone)
    ]
    measured = _measured_us(plain, current[0], next((m.recipe for m in plain if m.recipe), None))
    best = _fullest_source(_by_source(on_phone), measured)
    if best is None:
        return None
    source, latencies = best
    pairs = [(measured[n], 1e3 * latencies[n]) for n in measured if n in latencies]
    return _factor(pairs, current[0], source)


def _binaries(measurements: Iterable[MeasuredFile]) -> list[BinaryInfo]:
    """The builds, each file once."""
    by_hash: dict[str, BinaryInfo] = {}
    for measurement in measurements:
        binary = measurement.result.conditions.binary
        by_hash.setdefault(binary.sha256, binary)
    return list(by_hash.values())


def _by_file(measurements: Iterable[MeasuredFile], binary: str) -> dict[str, float]:
    return {
        m.result.conditions.model_sha256: m.result.median_us
        for m in measurements
        if m.result.conditions.binary.name == binary and m.result.median_us is not None
    }


def _factor(pairs: Sequence[tuple[float, float]], current: str, reference: str) -> KernelEraFactor | None:
    if not pairs:
        return None
    logs = [math.log(time / reference_time) for time, reference_time in pairs]
    interval = None
    if len(logs) >= _MIN_NETWORKS_OF_INTERVAL:
        interval = bootstrap_interval([logs], lambda drawn: np.exp(np.median(drawn, axis=1)))
    return KernelEraFactor(
        factor=math.exp(statistics.median(logs)),
        ci95=interval,
        networks=len(logs),
        current=current,
        reference=reference,
    )


def _fullest_source(
    sources: Mapping[str, Mapping[PublishedNetwork, float]], measured: Mapping[PublishedNetwork, float]
) -> tuple[str, Mapping[PublishedNetwork, float]] | None:
    """The source with most of the measured networks, the first of equals; None where none has any."""
    best = max(sources.items(), key=lambda item: len(item[1].keys() & measured.keys()), default=None)
    return best if best and best[1].keys() & measured.keys() else None


def nearest_pixel(figures: Sequence[Figure], measurements: Sequence[MeasuredFile]) -> NearestPixel | None:
    """Finds the published phone whose latencies are nearest to those measured; None without any in common.

    Latencies decide, not clocks: a chip of another year does other work in a cycle.
    """
    binaries = sorted(_binaries(measurements), key=lambda binary: not binary.of_published_time)
    if not binaries:
        return None
    recipe = next((m.recipe for m in measurements if m.recipe), None)
    measured = _measured_us(measurements, binaries[0].name, recipe)
    candidates = []
    for device in dict.fromkeys(figure.device for figure in figures if figure.device):
        best = _fullest_source(_by_source(f for f in figures if f.device == device), measured)
        if best is None:
            continue
        source, latencies = best
        logs = [math.log(measured[n] / (1e3 * latencies[n])) for n in measured if n in latencies]
        pixel = NearestPixel(
            device=device, source=source, ratio=math.exp(statistics.median(logs)), networks=len(logs)
        )
        candidates.append((statistics.median(abs(value) for value in logs), pixel))
    return min(candidates, key=lambda candidate: candidate[0])[1] if candidates else None


def _warnings(device: DeviceInfo, measurements: Sequence[MeasuredFile]) -> tuple[str, ...]:
    warnings = [EMULATED_WARNING] if device.emulated else []
    binaries = _binaries(measurements)
    warnings += [
        f"'{binary.name}' is no build of the published figures' time, whatever its name says: "
        f"{'; '.join(binary.era_evidence)}"
        for binary in binaries
        if binary.name.startswith(ERA_PREFIX) and not binary.of_published_time
    ]
    if not any(binary.of_published_time for binary in binaries):
        warnings.append(
            "no build of the published figures' time was measured: register one of TensorFlow 2.4 or before, "
            "to tell the kernels' part from the phone's"
        )
    return tuple(warnings)
