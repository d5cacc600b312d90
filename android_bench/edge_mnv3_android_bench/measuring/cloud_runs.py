"""Models under builds on a phone of the Developer Device Platform: two sessions, the same launches.

The first session asks the phone who it is and the builds what flags they know. The second one runs all
launches, in turn as everywhere, by the same scripts, which record the conditions on the phone. As nobody can
look at an interval meanwhile, a reserve of launches runs; all that count are taken.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import Accelerator
from edge_mnv3.core.errors import (
    ArgumentError,
    BenchmarkBinaryError,
    DeviceUnavailableError,
    InputFileError,
)
from edge_mnv3.core.hashing import sha256_file, sha256_model
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult
from edge_mnv3.core.results.delegation import UNKNOWN_DELEGATE
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry, help_fingerprint
from edge_mnv3_android_bench.ddp.cloud import Cloud, parse_model
from edge_mnv3_android_bench.ddp.scripts import (
    FOLDER,
    OUT,
    Outputs,
    arrivals,
    ask_script,
    launch_name,
    launches_script,
    session_script,
)
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask
from edge_mnv3_android_bench.device.file_names import safe_file_name
from edge_mnv3_android_bench.device.sections import split_sections
from edge_mnv3_android_bench.device.state import (
    INFO_SCRIPT,
    STATE_SCRIPT,
    parse_device_info,
    parse_device_state,
    parse_properties,
)
from edge_mnv3_android_bench.measuring.accelerator_flags import accelerator_flags
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.cloud_reading import CloudReading, read_session
from edge_mnv3_android_bench.measuring.guard import PROGRAM_PREFIX
from edge_mnv3_android_bench.measuring.launch_script import launch_script
from edge_mnv3_android_bench.measuring.launching import (
    FIND_ZONES,
    pick_temperature_file,
)
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.protocols import (
    RESULT_FLAG,
    benchmark_flags,
    custom_protocol,
    is_litert,
)
from edge_mnv3_android_bench.measuring.schedule import Cell
from edge_mnv3_android_bench.measuring.session import (
    WAYS_TO_ASK_FOR_HELP,
    LaunchPlace,
    ReadyBinary,
    check_cores,
    launch_command,
    told_binary,
)
from edge_mnv3_android_bench.measuring.sweep import Placement, placed, words

RESERVE = 2  # so many times as many launches as are demanded
_ASKING_S = 300.0
_MOST_LAUNCHES = 300  # each is a file that is sent there
_LONGEST_S = 3300.0  # of launches in one session: what is not begun by then is left out
_BESIDE_A_LAUNCH_S = 30.0
_ALLOWANCE_S = 300.0
CLOUD_ABI = "arm64-v8a"  # of all of its phones
_ASKED = {"info": INFO_SCRIPT, "zones": FIND_ZONES, "state": STATE_SCRIPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phone:
    """What the first session told: the phone, which threads and cores of the plan it has, its builds."""

    info: DeviceInfo
    placements: tuple[Placement, ...]
    temperature_file: str | None
    builds: tuple[ReadyBinary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudMeasured:
    """What came of one phone.

    Attributes:
        results: One for each model, build, and kind of cores and threads that was launched at all.
        unreached: Labels of those of which no launch came back whole.
    """

    results: tuple[DeviceBenchResult, ...]
    unreached: tuple[str, ...]


def measure_in_cloud(
    cloud: Cloud, plan: MeasurementPlan, registry: BinaryRegistry, reporter: Reporter = SILENT
) -> CloudMeasured:
    """Measures on one phone of the cloud.

    Args:
        cloud: The phone's kind, and how it is reached.
        plan: What to measure; its builds are in the registry for `arm64-v8a`.
        registry: The builds.
        reporter: Told of the sessions, and warned of launches that do not count.

    Returns:
        What was measured, and what was not reached.

    Raises:
        ArgumentError: A launch may take longer than fits into a session.
        DeviceError: As `Cloud.run` and `Outputs` raise, or the phone is another one than was asked for.
        InputFileError: A file changed meanwhile.
        BenchmarkBinaryError: A build does not run on the phone, or cannot measure as is asked.
        OutputError: A raw log cannot be written.
        KeyboardInterrupt: `cloud.stop` was set.
    """
    _check_fits(cloud.serial, plan)
    longest_s = max(p.settings.max_secs for p in plan.protocols)
    if longest_s > _LONGEST_S / 2:
        raise ArgumentError(
            f"--max-secs with --device {cloud.serial}",
            f"{longest_s:g}",
            f"at most {_LONGEST_S / 2:g}: a session lasts {_LONGEST_S / 60:g} minutes",
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        reporter.step(f"{cloud.serial}: a session that asks the phone")
        phone = _ask(cloud, plan, registry, folder, reporter)
        hashes = {model: sha256_model(model) for model in plan.models}
        cells = _cells(phone, plan, hashes)
        counts = max(cell.needed for cell in cells) * RESERVE
        order = [cell for turn in range(counts) for cell in (cells if turn % 2 == 0 else cells[::-1])]
        reporter.step(f"{cloud.serial}: a session of {len(order)} launches")
        outputs = _launch(cloud, plan, registry, folder, order)
        read_session(CloudReading(phone.info, phone.builds, plan, registry, reporter), outputs, order)
    return CloudMeasured(
        results=tuple(cell.result() for cell in cells if cell.launches),
        unreached=tuple(cell.label for cell in cells if not cell.launches),
    )


def _check_fits(serial: str, plan: MeasurementPlan) -> None:
    """Refuses what no session has time for, before one is paid for.

    Raises:
        ArgumentError: The launches that are demanded take longer, each as short as can be.
    """
    columns = len(plan.models) * len(plan.binaries) * len(plan.accelerators)
    launches, least_s = 0, 0.0
    for protocol in plan.protocols:
        count = columns * plan.acceptance.launches_needed(protocol.launches)
        launches += count
        least_s += count * (protocol.settings.min_secs + protocol.settings.warmup_min_secs)
    if least_s > _LONGEST_S or launches > _MOST_LAUNCHES:
        raise ArgumentError(
            f"--device {serial}",
            f"{launches} launches of {least_s / 60:.0f} minutes at least",
            f"at most {_MOST_LAUNCHES} launches of {_LONGEST_S / 60:g} minutes in a session",
            "measure fewer files, builds or launches in one command",
        )


def _ask(
    cloud: Cloud, plan: MeasurementPlan, registry: BinaryRegistry, folder: Path, reporter: Reporter
) -> _Phone:
    binaries = [registry.for_device(name, (CLOUD_ABI,)) for name in plan.binaries]
    files = {PROGRAM_PREFIX + b.name: _Sent(registry.path(b.name, b.abi), b.sha256) for b in binaries}
    script = tuple(files), ask_script(tuple(files), WAYS_TO_ASK_FOR_HELP, _ASKED)
    outputs = _session(cloud, folder / "ask", files, script, logs=plan.log_folder, limit_s=_ASKING_S)
    info = parse_device_info(cloud.serial, outputs.text("info.out"))
    _check_api_level(info)
    _warn_of_another_name(cloud.serial, outputs.text("info.out"), reporter)
    state = parse_device_state(outputs.text("state.out"))
    for cores in dict.fromkeys(protocol.cores for protocol in plan.protocols):
        check_cores(info, cores, state)
    placements = placed(info, plan.protocols, reporter)
    builds = []
    for number, binary in enumerate(binaries):
        told = [outputs.text(f"help-{number}-{i}.out") for i in range(len(WAYS_TO_ASK_FOR_HELP))]
        text = next((text for text in told if help_fingerprint(text) is not None), None)
        if text is None:
            last = (told[0].strip().splitlines() or ["no output"])[-1]
            raise BenchmarkBinaryError(
                f"benchmark binary '{binary.name}' does not run on device {info.serial}",
                last,
                f"a program for {', '.join(info.abis)} that lists its flags",
            )
        program = f"{FOLDER}/{PROGRAM_PREFIX}{binary.name}"
        builds.append(told_binary(registry, binary, program, text))
    return _Phone(
        info=info,
        placements=placements,
        temperature_file=pick_temperature_file(outputs.text("zones.out")),
        builds=tuple(builds),
    )


def _check_api_level(info: DeviceInfo) -> None:
    """The platform's names of phones end in the API level of their Android."""
    asked = re.search(r"-(\d+)$", info.serial)
    if asked and int(asked[1]) != info.sdk:
        raise DeviceUnavailableError(
            f"device {info.serial}", f"a {info.model} of API level {info.sdk}", f"API level {asked[1]}"
        )


def _warn_of_another_name(serial: str, told: str, reporter: Reporter) -> None:
    """The platform's names of phones begin with the name that their makers have for them."""
    asked = parse_model(serial).rpartition("-")[0]
    name = parse_properties(split_sections(told).get("getprop", "")).get("ro.product.device", asked)
    if asked and name != asked:
        reporter.warn(
            f"device {serial}: the phone calls itself '{name}', not '{asked}': is it the one meant?"
        )


def _cells(phone: _Phone, plan: MeasurementPlan, hashes: dict[Path, str]) -> list[Cell]:
    return [
        _cell(
            phone,
            ready,
            _suited(placement, ready, plan),
            _Wanted(model, hashes[model], accelerator, plan.acceptance),
        )
        for model in plan.models
        for ready in phone.builds
        for placement in phone.placements
        for accelerator in plan.accelerators
    ]


def _suited(placement: Placement, ready: ReadyBinary, plan: MeasurementPlan) -> Placement:
    """The placement with XNNPACK for a build that knows no other kernels, where the plan lets it."""
    if not (plan.litert_by_xnnpack and is_litert(ready.known_flags)):
        return placement
    return placement._replace(protocol=custom_protocol(placement.protocol, kernels="xnnpack"))


class _Sent(NamedTuple):
    """A file for the phone, and the SHA-256 that it is known by."""

    file: Path
    sha256: str


class _Wanted(NamedTuple):
    """A file, and where it is measured."""

    model: Path
    sha256: str
    accelerator: Accelerator
    acceptance: Acceptance


def _name_of(sha256: str) -> str:
    """A model's name on the phone."""
    return f"{sha256[:16]}.tflite"


def _cell(phone: _Phone, ready: ReadyBinary, placement: Placement, wanted: _Wanted) -> Cell:
    settings, known = placement.protocol.settings, ready.known_flags
    asked = accelerator_flags(wanted.accelerator, known, f"benchmark binary '{ready.binary.name}'")
    flags = benchmark_flags(settings, graph=f"{FOLDER}/{_name_of(wanted.sha256)}", known=known, extra=asked)
    where = LaunchPlace(FOLDER, phone.temperature_file)
    command = launch_command(phone.info, where, (ready.program, *flags), placement.cpus, settings.max_secs)
    told = words(phone.info, placement)
    return Cell(
        label=f"{wanted.model.name} ({ready.binary.name}, {told}, {wanted.accelerator})",
        conditions=DeviceBenchConditions(
            device=phone.info,
            binary=ready.info,
            protocol=settings,
            delegate=UNKNOWN_DELEGATE,
            accelerator=wanted.accelerator,
            cpus=placement.cpus,
            cpu_mask=cpu_mask(placement.cpus) if placement.cpus else "all",
            fixed_performance=False,
            model_path=str(wanted.model),
            model_sha256=wanted.sha256,
        ),
        command=replace(command, writes_result=RESULT_FLAG in known),
        min_launches=placement.protocol.launches,
        acceptance=wanted.acceptance,
    )


def _launch(
    cloud: Cloud, plan: MeasurementPlan, registry: BinaryRegistry, folder: Path, order: Sequence[Cell]
) -> Outputs:
    """Runs all launches on one phone."""
    told = [cell.conditions for cell in order]
    models = {_name_of(c.model_sha256): _Sent(Path(c.model_path), c.model_sha256) for c in told}
    programs = {
        PROGRAM_PREFIX + c.binary.name: _Sent(registry.path(c.binary.name, CLOUD_ABI), c.binary.sha256)
        for c in told
    }
    scripts = {}
    for number, cell in enumerate(order, start=1):
        script = folder / f"launch-{launch_name(number)}.sh"
        script.write_text(launch_script(cell.command), encoding="utf-8", newline="\n")
        scripts[script.name] = _Sent(script, sha256_file(script))
    each_s = max(cell.command.limit_s for cell in order) + _BESIDE_A_LAUNCH_S
    budget_s = min(len(order) * each_s, _LONGEST_S - each_s)
    body = launches_script(
        len(order),
        budget_s=budget_s,
        cool_s=plan.cool_down.max_s,
        poll_s=plan.cool_down.poll_s,
        stay_awake=plan.stay_awake,
    )
    body = f"(\n{INFO_SCRIPT}\n) >out/info.out 2>/dev/null\n{body}"
    sent = {**programs, **models, **scripts}
    limit_s = budget_s + each_s + _ALLOWANCE_S
    main = tuple(programs), body
    return _session(cloud, folder / "launches", sent, main, logs=plan.log_folder, limit_s=limit_s)


def _session(
    cloud: Cloud,
    folder: Path,
    files: Mapping[str, _Sent],
    script: tuple[Sequence[str], str],
    *,
    logs: Path,
    limit_s: float,
) -> Outputs:
    """One session: files go there, a script runs, all that it wrote comes back whole, below `logs`."""
    programs, body = script
    folder.mkdir()
    token = secrets.token_hex(8)
    # The platform's lists of files take no comma, which a user's path may have.
    sent = {name: folder / name for name in files}
    for name, (file, sha256) in files.items():
        shutil.copyfile(file, sent[name])
        if sha256_file(sent[name]) != sha256:
            raise InputFileError(
                f"{file} for {cloud.serial}", "other content than before", "a file that nobody changes"
            )
    main = folder / f"{token}.sh"
    text = session_script(tuple(sent), programs, body, token)
    main.write_text(text, encoding="utf-8", newline="\n")
    into = logs / safe_file_name(cloud.serial) / f"session_{folder.name}_{token}"
    results = cloud.run(main, arrivals(sent), OUT, limit_s=limit_s, into=into)
    hashes = {name: sha256 for name, (_, sha256) in files.items()}
    return Outputs(results, token, hashes, serial=cloud.serial)
