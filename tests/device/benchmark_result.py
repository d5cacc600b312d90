"""The result file that newer builds of `benchmark_model` write: a message of `benchmark_result.proto`."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence


def result_file(runs_us: Sequence[int], warmup_us: Sequence[int], init_us: int) -> bytes:
    """The file of a launch with these runs, at least one of each kind."""
    count, ordered = len(runs_us), sorted(runs_us)
    average = sum(runs_us) / count
    variance = sum(run * run for run in runs_us) / count - average * average
    p5, median, p95 = (ordered[count * percent // 100] for percent in (5, 50, 95))
    latencies_us = (average, ordered[0], ordered[-1], int(math.sqrt(max(0.0, variance))), median, p5, p95)
    more_us = (init_us, warmup_us[0], sum(warmup_us) / len(warmup_us))
    latency = b"".join(_float(field, us / 1e3) for field, us in enumerate((*latencies_us, *more_us), start=1))
    memory = _count(1, 4096) + _count(2, 7240) + _float(3, 9.5)
    misc = _float(1, 0.25) + _count(2, count) + _count(3, len(warmup_us)) + _float(4, 197.5)
    return _message(2, latency) + _message(3, memory) + _message(4, misc)


def closing_block(runs_us: Sequence[int], warmup_us: Sequence[int], init_us: int) -> list[str]:
    """What LiteRT's tool logs at the end, line by line."""
    average, warmup = sum(runs_us) / len(runs_us), sum(warmup_us) / len(warmup_us)
    return [
        "\n========== BENCHMARK RESULTS ==========",
        f"Model initialization: {init_us / 1e3:.2f} ms",
        f"Warmup (first):       {warmup_us[0] / 1e3:.2f} ms",
        f"Warmup (avg):         {warmup / 1e3:.2f} ms ({len(warmup_us)} runs)",
        f"Inference (avg):      {average / 1e3:.2f} ms ({len(runs_us)} runs)",
        f"Inference (min):      {min(runs_us) / 1e3:.2f} ms",
        f"Inference (max):      {max(runs_us) / 1e3:.2f} ms",
        "Inference (std):      0.02",
        "Throughput:           197.97 MB/s",
        "\nMemory Usage:",
        "Init footprint:       4.06 MB",
        "Overall footprint:    7.07 MB",
        "Peak memory:          9.50 MB",
        "======================================\n",
    ]


def _float(field: int, value: float) -> bytes:
    return bytes([field << 3 | 5]) + struct.pack("<f", value)


def _count(field: int, value: int) -> bytes:
    return bytes([field << 3]) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low]) if not high else bytes([low | 0x80]) + _varint(high)
