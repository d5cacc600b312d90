"""Measured files looked at more closely on their phones: operator profiles, and outputs compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import EdgeMnv3Error, ModelFileError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.device import PhoneOutputs
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.profile import DeviceProfileResult
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.tflite.input_facts import DecidedInput, decide_inputs, read_input
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.device.file_names import safe_file_name
from edge_mnv3_android_bench.device.settings import changed_settings
from edge_mnv3_android_bench.measuring.fleet import FailedDevice, Fleet
from edge_mnv3_android_bench.measuring.phone_outputs import (
    OUTPUT_FLAGS,
    Feed,
    check_comparable,
    check_phone_outputs,
    seeded_pixels,
)
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.profiling import PROFILE_FLAGS, profile_model
from edge_mnv3_android_bench.measuring.session import DeviceSession, ReadyBinary, place_binary

OUTPUT_IMAGES = 8  # of noise, from coarse to fine; see `seeded_pixels`


@dataclass(slots=True, kw_only=True)
class PhoneChecks:
    """What was seen on phones beside latencies."""

    profiles: list[DeviceProfileResult] = field(default_factory=list)
    outputs: list[PhoneOutputs] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCheckRequest:
    """What to look at, beside the plan by which the files were measured.

    Attributes:
        profile: Launch each file once more with the profiler on.
        check_outputs: Compare each file's outputs with this machine's.
        input_range: What float inputs are fed then; None for what each file tells.
    """

    plan: MeasurementPlan
    profile: bool
    check_outputs: bool
    input_range: InputRange | None = None


def check_before(
    models: Sequence[Path], kernels: Kernels, input_range: InputRange | None, reporter: Reporter = SILENT
) -> None:
    """Refuses files whose outputs could not be compared once they are measured.

    Args:
        models: `.tflite` files.
        kernels: Kind of kernels on both sides.
        input_range: What float inputs are fed; None for what each file tells.
        reporter: Warned of a file that tells another range than is stated.

    Raises:
        ModelFileError: A file's outputs could not be compared, or it does not tell its range.
        RuntimeUnavailableError: The runtime on this machine cannot be used.
    """
    for model in models:
        check_comparable(model, kernels)
        _image_shape(model, kernels)
        warning = _decided(model, input_range).warning
        if warning is not None:
            reporter.warn(warning)


def later_flags(*, profile: bool, check_outputs: bool) -> tuple[str, ...]:
    """Names the flags that a build must know for what is looked at after the measurement."""
    return (*(PROFILE_FLAGS if profile else ()), *(OUTPUT_FLAGS if check_outputs else ()))


def check_phones(
    fleet: Fleet,
    request: PhoneCheckRequest,
    results: Sequence[DeviceBenchResult],
    registry: BinaryRegistry,
    reporter: Reporter = SILENT,
) -> PhoneChecks:
    """Looks at all measured files on their devices; one that fails leaves the others alone.

    Failures are entered in the fleet's.

    Raises:
        KeyboardInterrupt: Ctrl-C, as in `Fleet.on_each`.
    """
    measured = {result.conditions.device.serial for result in results}
    sessions = [session for session in fleet.sessions if session.serial in measured]
    checks = PhoneChecks()
    if not (request.profile or request.check_outputs) or not sessions:
        return checks
    reporter.step("profiles and outputs")

    def look(session: DeviceSession) -> tuple[PhoneChecks, list[FailedDevice]]:
        mine = [result for result in results if result.conditions.device.serial == session.serial]
        return _look_at_all(fleet, session, request, mine, registry, reporter)

    for seen, failures in fleet.on_each(look, sessions):
        checks.profiles += seen.profiles
        checks.outputs += seen.outputs
        fleet.failures += failures
    return checks


def _look_at_all(
    fleet: Fleet,
    session: DeviceSession,
    request: PhoneCheckRequest,
    results: Sequence[DeviceBenchResult],
    registry: BinaryRegistry,
    reporter: Reporter,
) -> tuple[PhoneChecks, list[FailedDevice]]:
    """Looks at the files of one device."""
    checks, failures = PhoneChecks(), []
    with changed_settings(
        session.folder,
        fixed_performance=request.plan.fixed_performance,
        stay_awake=request.plan.stay_awake,
        sdk=session.info.sdk,
        reporter=reporter,
    ):
        compared: set[tuple[str, str]] = set()  # outputs do not depend on threads and cores
        for result in results:
            try:
                ready = place_binary(session, registry, result.conditions.binary.name, stop=fleet.stop)
                if request.profile:
                    checks.profiles.append(_profile(fleet, session, ready, result, request.plan.log_folder))
                what = (result.conditions.model_sha256, result.conditions.binary.sha256)
                if request.check_outputs and what not in compared:
                    compared.add(what)
                    checks.outputs.append(_compare_outputs(fleet, session, ready, result, request))
            except EdgeMnv3Error as error:
                failures.append(FailedDevice(session.serial, error))
    return checks, failures


def _profile(
    fleet: Fleet, session: DeviceSession, ready: ReadyBinary, result: DeviceBenchResult, log_folder: Path
) -> DeviceProfileResult:
    model = Path(result.conditions.model_path)
    conditions = result.conditions
    where = f"{conditions.protocol.num_threads}t_{conditions.cpu_mask}_{safe_file_name(session.serial)}"
    log = f"profile_{model.stem}_{ready.binary.name}_{where}.log"
    graph = read_file(model).main_graph
    return profile_model(session, ready, conditions, graph, log_folder / log, stop=fleet.stop)


def _compare_outputs(
    fleet: Fleet,
    session: DeviceSession,
    ready: ReadyBinary,
    result: DeviceBenchResult,
    request: PhoneCheckRequest,
) -> PhoneOutputs:
    model, kernels = Path(result.conditions.model_path), request.plan.protocol.kernels
    images = seeded_pixels(_image_shape(model, kernels), OUTPUT_IMAGES)
    feed = Feed(images, _decided(model, request.input_range).range)
    return check_phone_outputs(session, ready, model, feed, kernels=kernels, stop=fleet.stop)


def _decided(model: Path, input_range: InputRange | None) -> DecidedInput:
    """What a file alone is fed: that another file of the command is of the same network is not known."""
    return decide_inputs([read_input(model)], input_range)[0]


def _image_shape(model: Path, kernels: Kernels) -> ImageShape:
    dimensions = open_model(model, kernels=kernels).inputs[0].shape
    shape = ImageShape.of_input(dimensions)
    if shape is None:
        raise ModelFileError(f"model {model}", f"an input of shape {dimensions}", "one RGB or grey image")
    return shape
