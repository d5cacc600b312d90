"""Logs in the formats of `benchmark_model`'s builds, written from given times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Build = Literal["1.12", "1.13", "1.15", "2.3", "2.10", "nightly", "litert2"]
# TensorFlow's; LiteRT 2 closes with a block in place of a summary.
BUILDS: tuple[Build, ...] = ("1.12", "1.13", "1.15", "2.3", "2.10", "nightly")


def statistics_line(times_us: Sequence[int], *, percentiles: bool) -> str:
    """The line of statistics of a series of runs."""
    count = len(times_us)
    line = f"count={count}"
    if count and min(times_us) == max(times_us):
        line += f" curr={times_us[-1]}" + ("(all same)" if count > 1 else "")
    elif count:
        mean = sum(times_us) / count
        variance = sum(float(time) * time for time in times_us) / count - mean * mean
        line += (
            f" first={times_us[0]} curr={times_us[-1]} min={min(times_us)} max={max(times_us)} avg={mean:g}"
            f" std={math.isqrt(max(0, int(variance)))}"
        )
    if percentiles:
        ordered = sorted(times_us)
        p5, median, p95 = (ordered[count * percent // 100] if count else 0 for percent in (5, 50, 95))
        line += f" p5={p5} median={median} p95={p95}"
    return line


@dataclass(frozen=True, kw_only=True)
class LogText:
    """What a launch is to print."""

    build: Build = "nightly"
    times_us: Sequence[int]
    warmup_us: Sequence[int] = (1500, 1100)
    init_us: int = 1356
    min_runs: int | None = None
    min_secs: float = 1.0
    warmup_secs: float = 0.5
    extra: Sequence[str] = ()

    def text(self) -> str:
        """All lines."""
        prefix = "INFO: " if self.build in ("2.10", "nightly", "litert2") else ""
        return "".join(f"{prefix if line else ''}{line}\n" for line in self._lines())

    def _lines(self) -> list[str]:
        percentiles = self.build in ("nightly", "litert2")
        runs = self.min_runs if self.min_runs is not None else len(self.times_us)
        dot = "" if self.build.startswith("1.") else "."
        return [
            "STARTING!",
            f"Min num runs: [{runs}]",
            "Graph: [/data/local/tmp/edge-mnv3/model.tflite]",
            "Loaded model /data/local/tmp/edge-mnv3/model.tflite",
            *self.extra,
            f"Initialized session in {self.init_us / 1e3:g}ms{dot}",
            self._announcement(min(1, len(self.warmup_us)), self.warmup_secs),
            statistics_line(self.warmup_us, percentiles=percentiles),
            "",
            self._announcement(runs, self.min_secs),
            statistics_line(self.times_us, percentiles=percentiles),
            "",
            *(self._block() if self.build == "litert2" else self._summary()),
        ]

    def _announcement(self, runs: int, seconds: float) -> str:
        if self.build == "1.12":
            return f"Running benchmark for {runs} iterations "
        line = f"Running benchmark for at least {runs} iterations and at least {seconds:g} seconds"
        return line if self.build == "1.13" else f"{line} but terminate if exceeding 150 seconds."

    def _block(self) -> list[str]:
        """LiteRT's results: its logger names the source's line, and the text may begin with a line break."""
        source = "[./litert/tools/benchmark_litert_model.h:72] "
        warmup, times = self.warmup_us, self.times_us
        return [
            source,
            "========== BENCHMARK RESULTS ==========",
            f"{source}Model initialization: {self.init_us / 1e3:.2f} ms",
            f"{source}Warmup (first):       {warmup[0] / 1e3:.2f} ms",
            f"{source}Warmup (avg):         {sum(warmup) / len(warmup) / 1e3:.2f} ms ({len(warmup)} runs)",
            f"{source}Inference (avg):      {sum(times) / len(times) / 1e3:.2f} ms ({len(times)} runs)",
            f"{source}Inference (min):      {min(times) / 1e3:.2f} ms",
            f"{source}Inference (max):      {max(times) / 1e3:.2f} ms",
            f"{source}Inference (std):      0.02",
            f"{source}Throughput:           197.97 MB/s",
            source,
            "Memory Usage:",
            f"{source}Init footprint:       4.06 MB",
            f"{source}Overall footprint:    7.07 MB",
            f"{source}Peak memory:          9.50 MB",
            f"{source}======================================",
        ]

    def _summary(self) -> list[str]:
        warmup = f"{sum(self.warmup_us) / len(self.warmup_us):g}" if self.warmup_us else "0"
        inference = f"{sum(self.times_us) / len(self.times_us):g}" if self.times_us else "0"
        if self.build.startswith("1."):
            name = "Inference" if self.build == "1.15" else "no stats"
            timings = f"Warmup: {warmup}, Init: {self.init_us}, {name}: {inference}"
            return [f"Average inference timings in us: {timings}"]
        first = self.warmup_us[0] if self.warmup_us else 0
        return [
            f"Inference timings in us: Init: {self.init_us}, First inference: {first}, "
            f"Warmup (avg): {warmup}, Inference (avg): {inference}",
            "Memory footprint delta from the start of the tool (MB): init=3.83203 overall=7.21484",
        ]
