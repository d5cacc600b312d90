"""Latency of a `.tflite` file on this machine's processor."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import HostBenchConditions, HostBenchResult, HostProtocol
from edge_mnv3.core.runtime import LoadedModel, open_model
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask
from edge_mnv3_android_bench.measuring.plan import HostBenchRequest

UNSTABLE_SPREAD = 0.10  # (p95 - p5) / median above which a result is called unstable
BLOCKS = 10  # of consecutive runs: enough for an interval over them, each still a median of 20 by default
_SEED = 0


def bench_host(request: HostBenchRequest, reporter: Reporter = SILENT) -> HostBenchResult:
    """Measures single inferences on random pixels, input and output not copied in the timed part.

    Args:
        request: What to measure.
        reporter: Told of each run, between inferences.

    Raises:
        ModelFileError: The file is invalid or does not load under these kernels.
        RuntimeUnavailableError: The runtime cannot be used.
    """
    path = Path(request.model)
    started = time.perf_counter()
    model = open_model(
        path, kernels=request.kernels, runtime=request.runtime, num_threads=request.num_threads
    )
    init_us = (time.perf_counter() - started) * 1e6
    times_us = _time_runs(model, request, reporter)
    p5, median, p95 = (float(value) for value in np.percentile(times_us, (5, 50, 95)))
    spread = (p95 - p5) / median
    warnings = []
    if spread > UNSTABLE_SPREAD:
        warnings.append(
            f"unstable: p5 to p95 spread over {100 * spread:.0f} % of the median; compare in one run"
        )
    return HostBenchResult(
        conditions=HostBenchConditions(
            device=_processor(),
            platform=platform.platform(),
            runtime=model.runtime,
            protocol=HostProtocol(
                kernels=request.kernels,
                num_threads=request.num_threads,
                num_runs=request.num_runs,
                warmup_runs=request.warmup_runs,
            ),
            cpu_mask=_cpu_mask(),
            model_path=str(path),
            model_sha256=sha256_file(path),
        ),
        median_us=median,
        block_medians_us=block_medians(times_us),
        p5_us=p5,
        p95_us=p95,
        min_us=min(times_us),
        max_us=max(times_us),
        mean_us=statistics.fmean(times_us),
        std_us=statistics.pstdev(times_us),
        init_us=init_us,
        warnings=tuple(warnings),
    )


def _time_runs(model: LoadedModel, request: HostBenchRequest, reporter: Reporter) -> list[float]:
    """Runs a model on random pixels; returns the time of each run in microseconds."""
    pixels = np.random.default_rng(_SEED).integers(0, 256, model.inputs[0].shape[1:], dtype=np.uint8)
    model.set_input(pixels)
    for _ in range(request.warmup_runs):
        model.invoke()
    times_us = []
    for run in range(request.num_runs):
        start = time.perf_counter_ns()
        model.invoke()
        times_us.append((time.perf_counter_ns() - start) / 1e3)
        reporter.progress(run + 1, request.num_runs)
    return times_us


def block_medians(times_us: Sequence[float]) -> tuple[float, ...]:
    """Medians of `BLOCKS` blocks of consecutive runs, equal but for one run; fewer runs are blocks of one."""
    blocks = np.array_split(np.asarray(times_us, dtype=np.float64), min(BLOCKS, len(times_us)))
    return tuple(float(np.median(block)) for block in blocks)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cpu_mask() -> str:
    if not hasattr(os, "sched_getaffinity"):
        return "unknown"
    return cpu_mask(os.sched_getaffinity(0))
