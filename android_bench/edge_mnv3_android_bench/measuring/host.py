"""Latency of `.tflite` files on this machine's processor, of one or of several in turns."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import HostBenchConditions, HostBenchResult, HostProtocol
from edge_mnv3.core.runtime import LoadedModel, open_model
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask
from edge_mnv3_android_bench.measuring.plan import HostBenchRequest, HostTurnsRequest

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
    loaded = _load(Path(request.model), request)
    times_us = _time_runs(loaded, request.warmup_runs, request.num_runs, reporter)
    return _result(request, loaded, times_us, _Spread(block_medians(times_us), loaded.init_us))


def bench_in_turns(request: HostTurnsRequest, reporter: Reporter = SILENT) -> tuple[HostBenchResult, ...]:
    """Measures files in turns, each loaded anew in each round: A B, B A, A B, and so on.

    What slows this machine for longer than a round slows all files alike, so that their ratios in a round
    say more than two results of which one was measured after the other.

    Args:
        request: What to measure.
        reporter: Told of each turn.

    Returns:
        One result for each file, in the order given; its blocks are the rounds.

    Raises:
        ModelFileError: A file is invalid or does not load under these kernels.
        RuntimeUnavailableError: The runtime cannot be used.
    """
    paths = [Path(model) for model in request.models]
    loaded = [_load(path, request) for path in paths]
    times_us: list[list[list[float]]] = [[] for _ in paths]
    inits_us: list[list[float]] = [[] for _ in paths]
    shares = [len(share) for share in np.array_split(np.arange(request.num_runs), request.rounds)]
    for number, runs in enumerate(shares):
        order = range(len(paths)) if number % 2 == 0 else reversed(range(len(paths)))
        for turn, place in enumerate(order):
            loaded[place] = _load(paths[place], request)
            inits_us[place].append(loaded[place].init_us)
            times_us[place].append(_time_runs(loaded[place], request.warmup_runs, runs))
            reporter.progress(number * len(paths) + turn + 1, len(paths) * request.rounds)
    results = []
    for model, rounds_us, model_inits_us in zip(loaded, times_us, inits_us, strict=True):
        medians_us = tuple(statistics.median(times) for times in rounds_us)
        spread = _Spread(medians_us, statistics.median(model_inits_us), request.rounds)
        results.append(_result(request, model, [time for times in rounds_us for time in times], spread))
    return tuple(results)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A file that is ready to run, and how long that took."""

    path: Path
    model: LoadedModel
    init_us: float


@dataclass(frozen=True, slots=True)
class _Spread:
    """How the runs lie in time."""

    block_medians_us: tuple[float, ...]
    init_us: float
    rounds: int = 1


def _load(path: Path, request: HostBenchRequest | HostTurnsRequest) -> _Loaded:
    started = time.perf_counter()
    model = open_model(
        path, kernels=request.kernels, runtime=request.runtime, num_threads=request.num_threads
    )
    return _Loaded(path, model, (time.perf_counter() - started) * 1e6)


def _result(
    request: HostBenchRequest | HostTurnsRequest, loaded: _Loaded, times_us: Sequence[float], spread: _Spread
) -> HostBenchResult:
    p5, median, p95 = (float(value) for value in np.percentile(times_us, (5, 50, 95)))
    warnings = []
    spread_percent = 100 * (p95 - p5) / median
    if spread_percent > 100 * UNSTABLE_SPREAD:
        hint = "" if spread.rounds > 1 else "; to compare files, name them in one command"
        warnings.append(f"unstable: p5 to p95 spread over {spread_percent:.0f} % of the median{hint}")
    return HostBenchResult(
        conditions=HostBenchConditions(
            device=_processor(),
            platform=platform.platform(),
            runtime=loaded.model.runtime,
            protocol=HostProtocol(
                kernels=request.kernels,
                num_threads=request.num_threads,
                num_runs=request.num_runs,
                warmup_runs=request.warmup_runs,
                rounds=spread.rounds,
            ),
            cpu_mask=_cpu_mask(),
            model_path=str(loaded.path),
            model_sha256=sha256_file(loaded.path),
        ),
        median_us=median,
        block_medians_us=spread.block_medians_us,
        p5_us=p5,
        p95_us=p95,
        min_us=min(times_us),
        max_us=max(times_us),
        mean_us=statistics.fmean(times_us),
        std_us=statistics.pstdev(times_us),
        init_us=spread.init_us,
        warnings=tuple(warnings),
    )


def _time_runs(loaded: _Loaded, warmup_runs: int, num_runs: int, reporter: Reporter = SILENT) -> list[float]:
    """Runs a model on random pixels; returns the time of each run in microseconds."""
    shape = loaded.model.inputs[0].shape[1:]
    if min(shape, default=1) < 1:
        raise ModelFileError(
            f"model {loaded.path}", f"an input of open shape {shape}", "a fixed height and width"
        )
    loaded.model.set_input(np.random.default_rng(_SEED).integers(0, 256, shape, dtype=np.uint8))
    for _ in range(warmup_runs):
        loaded.model.invoke()
    times_us = []
    for run in range(num_runs):
        start = time.perf_counter_ns()
        loaded.model.invoke()
        times_us.append((time.perf_counter_ns() - start) / 1e3)
        reporter.progress(run + 1, num_runs)
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
