"""The published latencies measured again: files found or made, one phone, a verdict on each figure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_mnv3.core.choices import CURRENT_BINARY
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.published import read_published
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Count, Request, check_call, check_kind, optional_path
from edge_mnv3.core.results.bench_report import DeviceFailure
from edge_mnv3.core.results.verdicts import ERA_PREFIX, ReproduceResult
from edge_mnv3.stages.bench import bench, measured_file
from edge_mnv3.stages.bench_files import NO_FILES, ResultFiles
from edge_mnv3.stages.bench_requests import DeviceBenchRequest
from edge_mnv3.stages.cloud_bench import split_clouds
from edge_mnv3.stages.variant_files import VariantFilesRequest, variant_files
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.ddp.cloud import find_gcloud
from edge_mnv3_android_bench.device.selection import ALL_DEVICES, find_devices
from edge_mnv3_android_bench.device.state import read_device_info
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.cloud_runs import CLOUD_ABI
from edge_mnv3_android_bench.measuring.plan import CoolDown
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, Protocol, custom_protocol, renamed
from edge_mnv3_android_bench.published import reproduction

_LITERT_NAME = re.compile(r"litert-(\d+(?:\.\d+)*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceRequest(Request):
    """What to reproduce, and on which phone.

    Attributes:
        files: Which networks' files.
        serial: The phone; None for the only one.
        era_binary: File or name of a build of the published figures' time; None for the first of the registry
            whose name begins with `era`, if there is one.
        current_binary: File or name of today's build.
        litert_binary: File or name of a build of LiteRT 2, which is measured under XNNPACK; None for the
            newest of the registry whose name is `litert-VERSION`, if there is one.
        launches: As in `Protocol`; None for the usual number.
        runs: Timed inferences of a launch; None for the usual number.
        adb: The adb binary; None for the one that `find_adb` finds.
        log_folder: For raw logs; None for a new folder in the cache.
        fresh: Forget the launches of an unfinished run.
        cool_down: How long to wait after a launch that does not count.
        acceptance: How narrow the interval must be, and what is taken nevertheless.
        stay_awake: Keep the screen on while the phone has power.
    """

    files: VariantFilesRequest
    serial: str | None = None
    era_binary: AnyPath | None = None
    current_binary: AnyPath = CURRENT_BINARY
    litert_binary: AnyPath | None = None
    launches: Count | None = None
    runs: Count | None = None
    adb: AnyPath | None = None
    log_folder: AnyPath | None = None
    fresh: bool = False
    cool_down: CoolDown = field(default_factory=CoolDown)
    acceptance: Acceptance = field(default_factory=Acceptance)
    stay_awake: bool = True

    @property
    def protocol(self) -> Protocol:
        """That of the published figures; another number of runs or launches does not change its verdicts."""
        return renamed(custom_protocol(PUBLISHED, num_runs=self.runs, launches=self.launches), PUBLISHED.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceReport:
    """What came of measuring the published latencies again.

    Attributes:
        result: The verdicts; None where no file was measured.
        failures: Why the phone was not measured to the end; empty where it was.
    """

    result: ReproduceResult | None
    failures: tuple[DeviceFailure, ...]


def reproduce(
    request: ReproduceRequest, reporter: Reporter = SILENT, files: ResultFiles = NO_FILES
) -> ReproduceReport:
    """Measures the files of the published networks, and says of each figure whether it is reproduced.

    Args:
        request: Which networks, and which phone.
        reporter: Told of steps and progress, and warned of what must be known of the figures.
        files: Where the result is written where the phone was measured to the end, and which history it goes
            into.

    Raises:
        ArgumentError: All phones are asked for.
        EdgeMnv3Error: As `variant_files` and `bench` raise.
    """
    check_call("reproduce", (ReproduceRequest,), request, reporter)
    check_kind("reproduce: files", files, ResultFiles)
    given = (request.era_binary, request.current_binary, request.litert_binary)
    files.check_output(
        inputs=[binary for binary in given if binary is not None],
        folders={"raw logs": request.log_folder, "models": request.files.models_dir},
    )
    if request.serial == ALL_DEVICES:
        raise ArgumentError("--device of reproduce", ALL_DEVICES, "one phone: its verdicts are its own")
    serials = (request.serial,) if request.serial else ()
    # Making files takes minutes: that there is a phone is seen before.
    binaries = _binaries(request, _abis(request, serials), reporter)
    measurable = {str(file.path): file for file in variant_files(request.files, reporter)}
    report = bench(
        DeviceBenchRequest(
            models=tuple(file.path for file in measurable.values()),
            serials=serials,
            binaries=binaries,
            protocol=request.protocol,
            adb=request.adb,
            log_folder=request.log_folder,
            fresh=request.fresh,
            cool_down=request.cool_down,
            acceptance=request.acceptance,
            litert_by_xnnpack=True,
            stay_awake=request.stay_awake,
        ),
        reporter,
    )
    if not report.results:
        return ReproduceReport(result=None, failures=report.failures)
    measured = [measured_file(measurable[result.conditions.model_path], result) for result in report.results]
    device = report.results[0].conditions.device
    result = reproduction.reproduce(read_published(), device, measured)
    for warning in result.warnings:
        reporter.warn(warning)
    if not report.failures or split_clouds(serials)[0]:  # on a phone at hand the same command goes on
        files.write(result, (result,), reporter)
    return ReproduceReport(result=result, failures=report.failures)


def _abis(request: ReproduceRequest, serials: tuple[str, ...]) -> tuple[str, ...]:
    """Kinds of processor of the phone, which is seen to be there; in the cloud, that there is a way to it."""
    if split_clouds(serials)[0]:
        find_gcloud()
        return (CLOUD_ABI,)
    (device,) = find_devices(optional_path(request.adb), serials)
    return read_device_info(device).abis


def _binaries(request: ReproduceRequest, abis: Sequence[str], reporter: Reporter) -> tuple[str, ...]:
    """The build that is meant to be of the published figures' time, if there is one, today's, and LiteRT's.

    Of which time a build is, and whose, is seen by the build itself, once it runs.
    """
    registry = BinaryRegistry()
    locked = [binary.name for binary in registry.locked() if binary.abi in abis]
    era = optional_name(request.era_binary) or next(
        (name for name in locked if name.startswith(ERA_PREFIX)), None
    )
    litert = optional_name(request.litert_binary) or newest_litert(locked)
    if litert is None:
        reporter.warn(
            "no build of LiteRT is here, so that its column is missing: 'edge-mnv3 benchmark-binary fetch "
            "litert-2.2.0 --device SERIAL' downloads one"
        )
    names = (era, str(request.current_binary), litert)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def optional_name(binary: AnyPath | None) -> str | None:
    """The text of a file or a name; None stays None."""
    return None if binary is None else str(binary)


def newest_litert(names: Sequence[str]) -> str | None:
    """The name of LiteRT's newest version, such as `litert-2.10.0`; None where there is none."""
    versions = {
        name: tuple(map(int, match[1].split(".")))
        for name in names
        if (match := _LITERT_NAME.fullmatch(name))
    }
    return max(versions, key=lambda name: versions[name], default=None)
