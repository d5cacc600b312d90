"""What `bench` is asked for on devices, and whether its outputs can be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from edge_mnv3.core.choices import ACCELERATORS, CURRENT_BINARY, Accelerator
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.input_range import stated_range
from edge_mnv3.core.requests import AnyPath, Request
from edge_mnv3.stages.bench_files import ResultFiles
from edge_mnv3.stages.variant_files import VariantFilesRequest
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.plan import (
    BenchLogRequest,
    CoolDown,
    HostBenchRequest,
    HostTurnsRequest,
)
from edge_mnv3_android_bench.measuring.protocols import (
    NO_SWEEP,
    PUBLISHED,
    Protocol,
    Sweep,
    check_protocol,
    swept,
)
from edge_mnv3_android_bench.measuring.sustained import check_minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBenchRequest(Request):
    """What to measure, on which devices and how.

    Attributes:
        models: `.tflite` files.
        variants: Networks whose files are found or made and measured as well; None for none.
        serials: Serials, or addresses such as `192.168.0.7:5555`, boards `ssh:HOST`, phones of the Developer
            Device Platform `ddp:MODEL`, or `all`; empty for the only phone that adb lists.
        binaries: Files, or names in the registry.
        protocol: How each launch measures, and how many there are.
        sweep: Threads and cores to go through in turn; what a device does not have is told of.
        adb: The adb binary; None for the one that `find_adb` finds.
        fixed_performance: Hold sustainable clocks, which are lower: for comparing files.
        profile: Launch each file once more with the profiler on.
        check_outputs: Compare each file's outputs with this machine's.
        input_range: What float inputs are fed then, as `parse_input_range` reads it; None for what each file
            tells.
        log_folder: For raw logs; None for a new folder in the cache.
        fresh: Forget the launches of an unfinished run.
        cool_down: How long to wait after a launch that does not count.
        acceptance: How narrow the interval must be, and what is taken nevertheless.
        litert_by_xnnpack: Measure LiteRT's builds under XNNPACK, whatever the protocol says; else they are
            refused where it says something else.
        stay_awake: Keep the screen on while the phone has power.
        accelerators: Where to measure, each once: `cpu`, `gpu`, `npu`.
        npu_libraries: Folder of the libraries that LiteRT's builds need for an NPU; None for none.
        sustained_minutes: Put one file under load for so long, and measure nothing else; None for the usual
            launches.
    """

    models: Sequence[AnyPath] = ()
    variants: VariantFilesRequest | None = None
    serials: Sequence[str] = ()
    binaries: Sequence[AnyPath] = (CURRENT_BINARY,)
    protocol: Protocol = PUBLISHED
    sweep: Sweep = NO_SWEEP
    adb: AnyPath | None = None
    fixed_performance: bool = False
    profile: bool = False
    check_outputs: bool = False
    input_range: str | None = None
    log_folder: AnyPath | None = None
    fresh: bool = False
    cool_down: CoolDown = field(default_factory=CoolDown)
    acceptance: Acceptance = field(default_factory=Acceptance)
    litert_by_xnnpack: bool = False
    stay_awake: bool = True
    accelerators: Sequence[Accelerator] = ("cpu",)
    npu_libraries: AnyPath | None = None
    sustained_minutes: float | None = None

    def check(self) -> None:
        """Refuses a request without files, a protocol that no launch can follow, a range that none reads.

        Raises:
            ArgumentError: There is no file, a value of the protocol is out of range, `input_range` is none,
                or stated for nothing, or an accelerator is unknown, given twice, or asked for what only the
                CPU has; or something is asked for beside a sustained measurement, or that is too short.
        """
        if not self.models and not (self.variants and self.variants.variants):
            raise ArgumentError(
                "DeviceBenchRequest: models", "none", "at least one .tflite file, or variants"
            )
        check_protocol(self.protocol)
        swept(self.protocol, self.sweep)
        stated_range(self.input_range)
        if self.input_range is not None and not self.check_outputs:
            raise ArgumentError("--input-range", self.input_range, "none without --check-outputs")
        self._check_accelerators()
        if self.sustained_minutes is not None:
            check_minutes(self.sustained_minutes, self.protocol)
            self._check_alone()

    def _check_alone(self) -> None:
        """A second measurement would begin on a phone that the first one has warmed."""
        several = {
            "files": len(self.models) + (len(self.variants.variants) if self.variants else 0),
            "builds": len(self.binaries),
            "accelerators": len(self.accelerators),
            "threads or cores": len(swept(self.protocol, self.sweep)),
        }
        for what, count in several.items():
            if count > 1:
                raise ArgumentError(
                    "--sustained", f"{count} {what}", "one: the phone is warm after the first"
                )
        if self.variants and self.variants.variants:
            raise ArgumentError("--sustained", "--variant", "one FILE.tflite")
        if self.profile or self.check_outputs:
            raise ArgumentError("--sustained", "--profile or --check-outputs", "none of them")

    def _check_accelerators(self) -> None:
        given = tuple(self.accelerators)
        known = [name for name in given if name in ACCELERATORS]
        if not given or len(set(known)) != len(given):
            told = ",".join(map(str, given)) or "none"
            raise ArgumentError("--accelerator", told, f"each of {', '.join(ACCELERATORS)} once at most")
        if self.npu_libraries is not None and "npu" not in given:
            raise ArgumentError("--npu-libraries", str(self.npu_libraries), "none without --accelerator npu")
        if given == ("cpu",):
            return
        for option, asked in (("--profile", self.profile), ("--check-outputs", self.check_outputs)):
            if asked:
                raise ArgumentError(
                    "--accelerator", ",".join(given), f"cpu alone with {option}, which looks at the CPU"
                )


BenchRequest: TypeAlias = HostBenchRequest | HostTurnsRequest | DeviceBenchRequest | BenchLogRequest


def check_files(request: BenchRequest, files: ResultFiles) -> None:
    """Refuses outputs that cannot be written, or would be written over one another or over what is read.

    Raises:
        OutputError: As `ResultFiles.check_output` raises.
    """
    if isinstance(request, DeviceBenchRequest):
        files.check_output(
            over_unfinished=True,
            inputs=(*request.models, *request.binaries),
            folders={"raw logs": request.log_folder, "models": _made_in(request)},
        )
    elif isinstance(request, BenchLogRequest):
        files.check_output(inputs=(*request.logs, *request.result_files))
    else:
        files.check_output(
            inputs=(request.model,) if isinstance(request, HostBenchRequest) else request.models
        )


def _made_in(request: DeviceBenchRequest) -> AnyPath | None:
    return request.variants.models_dir if request.variants and request.variants.variants else None
