"""Measurements in the forms that other programs read; what is not to be quoted becomes no figure there.

Bencher's and github-action-benchmark's forms have no room for conditions: they stand in the name, so that a
series of one name is of one condition. A table of comma-separated values has a row for every result.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult, ProtocolSettings
from edge_mnv3.core.results.launch_figures import (
    FIRST_INFERENCE,
    LAUNCH_FIGURES,
    PEAK_MEMORY,
    START_UP,
)
from edge_mnv3_android_bench.comparison.latencies import AnyBenchResult
from edge_mnv3_android_bench.measuring.host import UNSTABLE_SPREAD
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED

_COLUMNS = (
    *("name", "file", "sha256", "device", "android", "runtime_or_build", "protocol", "kernels", "delegate"),
    *("threads", "cpu_mask", "median_us", "low_us", "high_us", "interval", "start_up_us"),
    *("first_inference_us", "peak_memory_mb", "launches", "emulated", "not_quotable", "accepted"),
    *("accelerator", "delegated"),
)
_OF_LAUNCHES = ("start_up_us", "first_inference_us", "peak_memory_mb")  # figures as the latency is


class Exported(NamedTuple):
    """A measurement as it is exported.

    Attributes:
        name: File, device and conditions in words.
        result: The measurement.
        median_us: None where it is not to be quoted.
        interval_us: 95 % interval of the median; None where there is none, as on this machine.
        why_not: Why there is no figure; empty where there is one.
    """

    name: str
    result: AnyBenchResult
    median_us: float | None
    interval_us: tuple[float, float] | None
    why_not: str


def exported(results: Sequence[AnyBenchResult]) -> tuple[Exported, ...]:
    """Names measurements, and tells which of them have a figure.

    Raises:
        InputFileError: Two of them have one name: one would hide the other.
    """
    found: dict[str, Exported] = {}
    for result in results:
        entry = _of_host(result) if isinstance(result, HostBenchResult) else _of_device(result)
        if entry.name in found:
            raise InputFileError(
                "results to export", f"two of {entry.name}", "each once", "leave one of the files out"
            )
        found[entry.name] = entry
    return tuple(found.values())


def as_csv(entries: Sequence[Exported]) -> str:
    """A table with a row for every measurement; empty where there is no figure."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        row = _host_row(entry.result) if isinstance(entry.result, HostBenchResult) else _row(entry.result)
        low, high = entry.interval_us or ("", "")
        shared = {
            "name": entry.name,
            "file": PurePath(entry.result.conditions.model_path).name,
            "sha256": entry.result.conditions.model_sha256,
            "cpu_mask": entry.result.conditions.cpu_mask,
            "median_us": "" if entry.median_us is None else entry.median_us,
            "low_us": low,
            "high_us": high,
            "interval": "95 % of the median" if entry.interval_us else "",
            "not_quotable": entry.why_not,
        }
        if entry.why_not:
            shared |= dict.fromkeys(_OF_LAUNCHES, "")
        writer.writerow({**row, **shared})
    return text.getvalue()


def as_bencher(entries: Sequence[Exported]) -> str:
    """Bencher's metric format: latencies in nanoseconds, as its built-in measure has them."""
    metrics: dict[str, Any] = {}
    for entry in entries:
        if entry.median_us is not None:
            bounds = entry.interval_us or ()
            names = ("lower_value", "upper_value")
            metrics[entry.name] = {
                "latency": {
                    "value": entry.median_us * 1e3,
                    **{name: us * 1e3 for name, us in zip(names, bounds, strict=False)},
                }
            }
    return json.dumps(metrics, indent=2, allow_nan=False) + "\n"


def as_github(entries: Sequence[Exported]) -> str:
    """github-action-benchmark's `customSmallerIsBetter`: milliseconds."""
    rows = []
    for entry in entries:
        if entry.median_us is None:
            continue
        row: dict[str, Any] = {"name": entry.name, "unit": "ms", "value": entry.median_us / 1e3}
        if entry.interval_us:
            low, high = entry.interval_us
            row["range"] = f"{low / 1e3:.3f} to {high / 1e3:.3f} (95 % interval)"
        row["extra"] = f"SHA-256 {entry.result.conditions.model_sha256}"
        rows.append(row)
    return json.dumps(rows, indent=2, allow_nan=False) + "\n"


def _of_host(result: HostBenchResult) -> Exported:
    conditions, protocol = result.conditions, result.conditions.protocol
    rounds = f" in {protocol.rounds} rounds" if protocol.rounds > 1 else ""
    parts = (
        PurePath(conditions.model_path).name,
        f"{conditions.device} (not a phone)",
        conditions.runtime,
        f"{protocol.kernels} kernels",
        _threads(protocol.num_threads),
        f"{protocol.num_runs} runs{rounds} after {protocol.warmup_runs}",
    )
    spread = (result.p95_us - result.p5_us) / result.median_us
    why_not = f"p5 to p95 spread over {100 * spread:.0f} % of the median" if spread > UNSTABLE_SPREAD else ""
    return Exported(", ".join(parts), result, None if why_not else result.median_us, None, why_not)


def _of_device(result: DeviceBenchResult) -> Exported:
    conditions, protocol, device = result.conditions, result.conditions.protocol, result.conditions.device
    parts = [
        PurePath(conditions.model_path).name,
        f"{device.model} {_short_hash(device.identity)}",
        f"protocol {protocol.name}",
        f"{protocol.kernels} kernels",
        _threads(protocol.num_threads),
        f"mask {conditions.cpu_mask}",
        f"{protocol.num_runs} runs after {protocol.warmup_runs}",
        conditions.binary.name,
    ]
    parts += _seconds(protocol)
    parts += [] if conditions.accelerator == "cpu" else [_accelerator(result)]
    parts += ["held clocks"] if conditions.fixed_performance else []
    parts += ["taken against the rules"] if result.accepted else []
    why_not = "emulated device, not a phone" if device.emulated else "; ".join(result.problems)
    if why_not:
        return Exported(", ".join(parts), result, None, None, why_not)
    return Exported(", ".join(parts), result, result.median_us, result.ci95_us, "")


def _accelerator(result: DeviceBenchResult) -> str:
    """The accelerator in the name of a series, and whether it ran all of the model."""
    taken = result.delegated
    return result.conditions.accelerator + (", in part" if taken and not taken.complete else "")


def _seconds(protocol: ProtocolSettings) -> list[str]:
    """How long a launch goes on, where that is not what benchmark_model does by itself."""
    usual = PUBLISHED.settings
    return [
        f"{words} {seconds:g} s"
        for words, seconds, of_usual in (
            ("at least", protocol.min_secs, usual.min_secs),
            ("at most", protocol.max_secs, usual.max_secs),
            ("warm-up", protocol.warmup_min_secs, usual.warmup_min_secs),
        )
        if seconds != of_usual
    ]


def _short_hash(identity: str) -> str:
    """Tells phones of one model apart without their serial numbers, which are nobody else's business."""
    return hashlib.sha256(identity.encode()).hexdigest()[:6]


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _host_row(result: HostBenchResult) -> Mapping[str, Any]:
    conditions = result.conditions
    return {
        "device": conditions.device,
        "runtime_or_build": conditions.runtime,
        "protocol": "host",
        "kernels": conditions.protocol.kernels,
        "threads": conditions.protocol.num_threads,
        "start_up_us": result.init_us,
        "emulated": "no",
    }


def _row(result: DeviceBenchResult) -> Mapping[str, Any]:
    conditions, device = result.conditions, result.conditions.device
    figures = {figure: figure.of_result(result) for figure in LAUNCH_FIGURES}
    medians = {figure: statistics.median(of) if of else "" for figure, of in figures.items()}
    return {
        "device": device.model,
        "android": device.android_version or "",
        "runtime_or_build": conditions.binary.name,
        "protocol": conditions.protocol.name,
        "kernels": conditions.protocol.kernels,
        "delegate": conditions.delegate,
        "accelerator": conditions.accelerator,
        "delegated": result.delegated.text if result.delegated else "",
        "threads": conditions.protocol.num_threads,
        "start_up_us": medians[START_UP],
        "first_inference_us": medians[FIRST_INFERENCE],
        "peak_memory_mb": medians[PEAK_MEMORY],
        "launches": sum(launch.timings is not None and not launch.problems for launch in result.launches),
        "emulated": "yes" if device.emulated else "no",
        "accepted": "; ".join(result.accepted),
    }
