"""Measurements as a benchmark suite of pyperf, whose `show`, `stats`, `hist` and `compare_to` read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult
from edge_mnv3_android_bench.comparison.export import Exported
from edge_mnv3_android_bench.measuring.launch_statistics import launch_figures_us

_VERSION = "1.0"  # of the form


def as_pyperf(entries: Sequence[Exported]) -> str:
    """A suite with a benchmark for every measurement that has a figure, in seconds.

    Each launch that counts is a run with one value, its median or average; pyperf then shows means and
    deviations of these. A measurement of this machine is one run, whose values are the medians of its blocks
    or rounds.
    """
    benchmarks = [
        {"metadata": _metadata(entry), "runs": _runs(entry.result)}
        for entry in entries
        if entry.median_us is not None
    ]
    suite = {"benchmarks": benchmarks, "metadata": {"unit": "second"}, "version": _VERSION}
    return json.dumps(suite, indent=2, allow_nan=False) + "\n"


def _runs(result: DeviceBenchResult | HostBenchResult) -> list[dict[str, Any]]:
    if isinstance(result, HostBenchResult):
        return [{"values": [us / 1e6 for us in result.block_medians_us]}]
    runs = []
    for launch in result.launches:
        if launch.timings is not None and not launch.problems:
            (figure_us,) = launch_figures_us([launch.timings], result.statistic)
            metadata = {"date": launch.started_at, "duration": launch.duration_s}
            runs.append({"metadata": metadata, "values": [figure_us / 1e6]})
    return runs


def _metadata(entry: Exported) -> dict[str, str | int]:
    """What pyperf shows of a benchmark with `--metadata`; it takes no empty text."""
    result, conditions = entry.result, entry.result.conditions
    told: dict[str, str | int] = {
        "name": entry.name,
        "model_sha256": conditions.model_sha256,
        "kernels": conditions.protocol.kernels,
        "threads": conditions.protocol.num_threads,
        "cpu_mask": conditions.cpu_mask,
    }
    if isinstance(result, HostBenchResult):
        return told | {"value_of": "median of a block of runs", "runtime": result.conditions.runtime}
    device, binary = result.conditions.device, result.conditions.binary
    more = {
        "value_of": f"{result.statistic} of a launch",
        "device": device.model,
        "android": device.android_version or "",
        "system": device.system,
        "build_fingerprint": device.build_fingerprint,
        "benchmark_model": binary.name,
        "benchmark_model_sha256": binary.sha256,
        "delegate": result.conditions.delegate,
        "accepted": "; ".join(result.accepted),
    }
    return told | {name: text for name, text in more.items() if text.strip()}
