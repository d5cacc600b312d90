"""What is to be measured, on this machine or on each device, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edge_mnv3.core.choices import DEFAULT_KERNELS, DEFAULT_RUNTIME, Accelerator, Kernels, RuntimeName
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.requests import AnyPath, AtLeast, Count, Request, Seconds
from edge_mnv3_android_bench.measuring.acceptance import DEFAULT_ACCEPTANCE, Acceptance
from edge_mnv3_android_bench.measuring.protocols import NO_SWEEP, Protocol, Sweep, swept


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBenchRequest(Request):
    """What to measure on this machine, and how.

    Attributes:
        model: A `.tflite` file with one image input of fixed shape.
        kernels: `xnnpack` or `builtin`.
        runtime: Which runtime to use.
        num_threads: Threads of one inference, at least 1.
        num_runs: Timed inferences, at least 1.
        warmup_runs: Untimed inferences before them.
    """

    model: AnyPath
    kernels: Kernels = DEFAULT_KERNELS
    runtime: RuntimeName = DEFAULT_RUNTIME
    num_threads: Count = 1
    num_runs: Count = 200
    warmup_runs: Annotated[int, AtLeast(0)] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTurnsRequest(Request):
    """Which files to measure in turns on this machine, and how.

    Attributes:
        models: `.tflite` files, two at least, each with one image input of fixed shape.
        kernels: `xnnpack` or `builtin`.
        runtime: Which runtime to use.
        num_threads: Threads of one inference, at least 1.
        num_runs: Timed inferences of each file, shared out to the rounds; at least one for each.
        warmup_runs: Untimed inferences in each round.
        rounds: How often each file is loaded and timed, in turn with the others; at least 6, since fewer
            rounds have no 95 % interval.
    """

    models: Sequence[AnyPath]
    kernels: Kernels = DEFAULT_KERNELS
    runtime: RuntimeName = DEFAULT_RUNTIME
    num_threads: Count = 1
    num_runs: Count = 200
    warmup_runs: Annotated[int, AtLeast(0)] = 3
    rounds: Annotated[int, AtLeast(6)] = 20

    def check(self) -> None:
        """Refuses fewer than two files, and fewer runs than rounds.

        Raises:
            ArgumentError: It is so.
        """
        if len(self.models) < 2:
            raise ArgumentError("HostTurnsRequest: models", f"{len(self.models)} file", "two at least")
        if self.num_runs < self.rounds:
            raise ArgumentError(
                "HostTurnsRequest: num_runs",
                str(self.num_runs),
                f"{self.rounds} at least, one for each round",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown(Request):
    """How long to wait after a launch that does not count.

    Attributes:
        min_s: First wait; it doubles after each further such launch, up to `max_s`.
        max_s: Longest wait; then the next launch is tried, cool or not.
        poll_s: Time between looks at the thermal status.
        waits: So many times as long as the longest wait is waited on a device in all; then launches follow
            each other without waiting, until there are too many that do not count.
    """

    min_s: Seconds = 10.0
    max_s: Seconds = 180.0
    poll_s: Seconds = 5.0
    waits: Count = 20

    @property
    def total_s(self) -> float:
        """Longest time that is waited on a device in all."""
        return self.waits * self.max_s

    def at_most(self, max_s: float) -> CoolDown:
        """Returns waits of which none is longer than `max_s` seconds."""
        return CoolDown(
            min_s=min(self.min_s, max_s), max_s=max_s, poll_s=max(min(self.poll_s, max_s / 2), 0.05)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NpuLibraries:
    """Libraries of a phone's maker, without which LiteRT's builds cannot use its NPU.

    Attributes:
        files: They, by name.
        sha256: SHA-256 over their names and contents.
    """

    files: tuple[Path, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementPlan:
    """What to measure, on each device.

    Attributes:
        models: `.tflite` files.
        binaries: Names of builds in the registry.
        protocol: How to measure.
        sweep: Threads and cores to go through; empty for those of the protocol alone.
        log_folder: Folder for the raw logs.
        resume_path: Where finished launches are kept until all are; None keeps none.
        acceptance: How narrow the interval must be, and what is taken nevertheless.
        fixed_performance: Hold sustainable clocks, which are lower: for comparing, not for published figures.
        stay_awake: Keep the screen on while the device has power.
        cool_down: Waits between a launch that does not count and the next.
        litert_by_xnnpack: LiteRT's builds, which know no other kernels, are measured under XNNPACK whatever
            the protocol says; else they are refused where it says something else.
        later_flags: Names of flags that are needed once all launches are done, such as for a profile: a build
            that lacks one is refused before the first launch.
        accelerators: Where to measure: each model under each build on each of them.
        npu_libraries: What an NPU's maker has for LiteRT's builds; None for none.
    """

    models: tuple[Path, ...]
    binaries: tuple[str, ...]
    protocol: Protocol
    log_folder: Path
    sweep: Sweep = NO_SWEEP
    resume_path: Path | None = None
    acceptance: Acceptance = DEFAULT_ACCEPTANCE
    fixed_performance: bool = False
    stay_awake: bool = True
    cool_down: CoolDown = CoolDown()
    litert_by_xnnpack: bool = False
    later_flags: tuple[str, ...] = ()
    accelerators: tuple[Accelerator, ...] = ("cpu",)
    npu_libraries: NpuLibraries | None = None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocol with all threads and cores of the sweep."""
        return swept(self.protocol, self.sweep)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchLogRequest(Request):
    """Which logs to read.

    Attributes:
        logs: Files of one launch each: what `benchmark_model` wrote, its streams merged or standard output
            alone, or a raw log of this tool.
        result_files: What the same launches wrote with `--result_file_path`, one for each log, in order;
            empty where they wrote none. Text and file must agree.
    """

    logs: Sequence[AnyPath]
    result_files: Sequence[AnyPath] = ()

    def check(self) -> None:
        """Refuses a request without logs, and result files that are not one for each log.

        Raises:
            ArgumentError: It is so.
        """
        if self.result_files and len(self.result_files) != len(self.logs):
            raise ArgumentError(
                "BenchLogRequest: result_files",
                f"{len(self.result_files)}",
                f"{len(self.logs)}, one for each log",
            )
        if not self.logs:
            raise ArgumentError("BenchLogRequest: logs", "none", "at least one log")
