"""Models under builds on a phone of the Developer Device Platform: two sessions, the same launches.

The first session asks the phone who it is and the builds what flags they know. The second one runs all
launches, in turn as everywhere, by the same scripts, which record the conditions on the phone. As nobody can
look at an interval meanwhile, a reserve of launches runs; all that count are taken.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import Accelerator
from edge_mnv3.core.errors import BenchmarkBinaryError, DeviceLostError
from edge_mnv3.core.hashing import sha256_model
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import DeviceBenchConditions, DeviceBenchResult
from edge_mnv3.core.results.delegation import UNKNOWN_DELEGATE
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3_android_bench.benchmark_model.era import dated, later_evidence
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry, help_fingerprint
from edge_mnv3_android_bench.ddp.cloud import Cloud
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
from edge_mnv3_android_bench.device.state import (
    INFO_SCRIPT,
    STATE_SCRIPT,
    parse_device_info,
    parse_device_state,
)
from edge_mnv3_android_bench.measuring.accelerator_flags import accelerator_flags
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.guard import PROGRAM_PREFIX
from edge_mnv3_android_bench.measuring.launch_script import launch_script, parse_launch_output
from edge_mnv3_android_bench.measuring.launching import (
    FIND_ZONES,
    ClockRule,
    RawLaunch,
    pick_temperature_file,
    read_launch,
    write_raw_log,
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
from edge_mnv3_android_bench.measuring.sweep import Placement, place, words
from edge_mnv3_android_bench.transport.device import ShellOutput

RESERVE = 2  # so many times as many launches as are demanded
_ASKING_S = 300.0
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
        DeviceError: As `Cloud.run` and `Outputs` raise.
        BenchmarkBinaryError: A build does not run on the phone, or cannot measure as is asked.
        OutputError: A raw log cannot be written.
        KeyboardInterrupt: `cloud.stop` was set.
    """
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
        _read(_Reading(phone, plan, registry, reporter), outputs, order)
    return CloudMeasured(
        results=tuple(cell.result() for cell in cells if cell.launches),
        unreached=tuple(cell.label for cell in cells if not cell.launches),
    )


def _ask(
    cloud: Cloud, plan: MeasurementPlan, registry: BinaryRegistry, folder: Path, reporter: Reporter
) -> _Phone:
    binaries = [registry.for_device(name, (CLOUD_ABI,)) for name in plan.binaries]
    files = {PROGRAM_PREFIX + b.name: registry.path(b.name, b.abi) for b in binaries}
    script = tuple(files), ask_script(tuple(files), WAYS_TO_ASK_FOR_HELP, _ASKED)
    outputs = _session(cloud, folder / "ask", files, script, limit_s=_ASKING_S)
    info = parse_device_info(cloud.serial, outputs.text("info.out"))
    state = parse_device_state(outputs.text("state.out"))
    for cores in dict.fromkeys(protocol.cores for protocol in plan.protocols):
        check_cores(info, cores, state)
    placements = place(info, plan.protocols)
    for left_out in placements.left_out:
        reporter.warn(f"device {info.serial}: not measured: {left_out.what}: {left_out.why}")
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
        placements=placements.measured,
        temperature_file=pick_temperature_file(outputs.text("zones.out")),
        builds=tuple(builds),
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
    files = {
        f"{cell.conditions.model_sha256[:16]}.tflite": Path(cell.conditions.model_path) for cell in order
    }
    programs = {PROGRAM_PREFIX + name: registry.path(name, CLOUD_ABI) for name in plan.binaries}
    scripts = {}
    for number, cell in enumerate(order, start=1):
        script = folder / f"launch-{launch_name(number)}.sh"
        script.write_text(launch_script(cell.command), encoding="utf-8", newline="\n")
        scripts[script.name] = script
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
    sent = {**programs, **files, **scripts}
    limit_s = budget_s + each_s + _ALLOWANCE_S
    return _session(cloud, folder / "launches", sent, (tuple(programs), body), limit_s=limit_s)


def _session(
    cloud: Cloud,
    folder: Path,
    files: Mapping[str, Path],
    script: tuple[Sequence[str], str],
    *,
    limit_s: float,
) -> Outputs:
    """One session: files go there, a script runs, all that it wrote comes back, whole."""
    programs, body = script
    folder.mkdir()
    token = secrets.token_hex(8)
    # The platform's lists of files take no comma, which a user's path may have.
    sent = {name: folder / name for name in files}
    for name, file in files.items():
        shutil.copyfile(file, sent[name])
    main = folder / f"{token}.sh"
    text = session_script(tuple(sent), programs, body, token)
    main.write_text(text, encoding="utf-8", newline="\n")
    results = cloud.run(main, arrivals(sent), OUT, limit_s=limit_s, into=folder / "results")
    return Outputs(results, token, sent, serial=cloud.serial)


class _Reading(NamedTuple):
    """What the launches of a session are read with."""

    phone: _Phone
    plan: MeasurementPlan
    registry: BinaryRegistry
    reporter: Reporter


def _read(reading: _Reading, outputs: Outputs, order: Sequence[Cell]) -> None:
    """Enters the launches of a session into their cells.

    Raises:
        DeviceLostError: The session ran on another phone than the one that was asked.
        OutputError: A raw log cannot be written.
    """
    serial, reporter = reading.phone.info.serial, reading.reporter
    info = parse_device_info(serial, outputs.text("info.out"))
    first = reading.phone.info
    if _kind_of(info) != _kind_of(first):
        raise DeviceLostError(
            f"device {serial}: the second session ran on another kind of phone",
            f"{info.model}, {info.build_fingerprint}",
            f"{first.model}, {first.build_fingerprint}",
        )
    for cell in order:
        cell.conditions = replace(cell.conditions, device=info)
    begun = 0
    for number, cell in enumerate(order, start=1):
        raw = _raw_launch(reading.plan, outputs, number, cell)
        if raw is None:
            continue
        begun += 1
        record = read_launch(
            raw,
            len(cell.launches) + 1,
            info,
            expected_runs=cell.conditions.protocol.num_runs,
            clocks=ClockRule(accepted=reading.plan.acceptance.clock),
            accelerator=cell.conditions.accelerator,
        )
        if record.timings is not None:
            _date(reading, cell, f"{raw.output.stdout}\n{raw.output.stderr}")
        cell.add(record)
        for problem in record.problems[:1]:
            reporter.warn(
                f"device {serial}: {cell.label}: launch {record.number} does not count: {problem}; "
                f"see {record.log_path}"
            )
    if begun < len(order):
        reporter.warn(
            f"device {serial}: {len(order) - begun} of {len(order)} launches were broken off, or not reached "
            "in the time of a session"
        )


def _kind_of(info: DeviceInfo) -> tuple[object, ...]:
    """What decides which cores a launch is pinned to, and what runs."""
    cores = tuple((cluster.cpus, cluster.max_khz) for cluster in info.clusters)
    return cores, info.abis, info.model, info.build_fingerprint


def _raw_launch(plan: MeasurementPlan, outputs: Outputs, number: int, cell: Cell) -> RawLaunch | None:
    """A launch's output, which goes into its raw log; None where it was not begun, or was broken off."""
    name = launch_name(number)
    started_at = outputs.text(f"{name}.at").strip()
    code = outputs.text(f"{name}.code").strip()
    if not started_at or not code.isdigit():
        return None
    shell = ShellOutput(
        stdout=outputs.text(f"{name}.out"),
        stderr=outputs.text(f"{name}.err"),
        exit_code=int(code),
        merged=False,
    )
    conditions = cell.conditions
    stem = f"{Path(conditions.model_path).stem}_{conditions.model_sha256[:8]}_{conditions.binary.name}"
    log_path = plan.log_folder / safe_file_name(conditions.device.serial) / f"{stem}_{name}.log"
    write_raw_log(log_path, conditions.device.serial, started_at, cell.command, shell)
    output = parse_launch_output(shell.stdout, cell.command.watched or cell.command.cpus)
    uptimes = [float(word) for word in outputs.text(f"{name}.uptime").split()]
    if output is None or len(uptimes) != 2:
        return None
    return RawLaunch(
        command=cell.command,
        started_at=started_at,
        duration_s=round(uptimes[1] - uptimes[0], 3),
        log_path=log_path,
        output=output,
    )


def _date(reading: _Reading, cell: Cell, log_text: str) -> None:
    """Notes what a launch says of its build's version and time."""
    ready = next(b for b in reading.phone.builds if b.binary.name == cell.conditions.binary.name)
    confirmed = reading.registry.confirm(
        ready.binary.name, ready.binary.abi, help_text=ready.help_text, log_text=log_text
    )
    flags, version = ready.known_flags, confirmed.version
    evidence = later_evidence(known_flags=flags, version=version, log_text=log_text)
    binary = dated(replace(cell.conditions.binary, version=version), flags, evidence)
    cell.conditions = replace(cell.conditions, binary=binary)
