"""What a session on a phone of the Developer Device Platform brought back: launches, and on which phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.errors import DeviceLostError
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3_android_bench.benchmark_model.era import dated, later_evidence
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.ddp.scripts import Outputs, launch_name
from edge_mnv3_android_bench.device.file_names import safe_file_name
from edge_mnv3_android_bench.device.state import parse_device_info
from edge_mnv3_android_bench.measuring.launch_script import parse_launch_output
from edge_mnv3_android_bench.measuring.launching import ClockRule, RawLaunch, read_launch, write_raw_log
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.schedule import Cell
from edge_mnv3_android_bench.measuring.session import ReadyBinary
from edge_mnv3_android_bench.transport.device import ShellOutput


class CloudReading(NamedTuple):
    """What the launches of a session are read with."""

    info: DeviceInfo
    builds: tuple[ReadyBinary, ...]
    plan: MeasurementPlan
    registry: BinaryRegistry
    reporter: Reporter


def read_session(reading: CloudReading, outputs: Outputs, order: Sequence[Cell]) -> None:
    """Enters the launches of a session into their cells.

    Raises:
        DeviceLostError: The session ran on another phone than the one that was asked.
        OutputError: A raw log cannot be written.
    """
    serial, reporter = reading.info.serial, reading.reporter
    info = parse_device_info(serial, outputs.text("info.out"))
    first = reading.info
    if _kind_of(info) != _kind_of(first):
        raise DeviceLostError(
            f"device {serial}: the second session ran on another kind of phone",
            f"{info.model}, {info.build_fingerprint}",
            f"{first.model}, {first.build_fingerprint}",
        )
    if info.hardware_serial is None:  # another session may get another phone: they must not pass for one
        info = replace(info, serial=f"{serial}#{outputs.token[:8]}")
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


def _date(reading: CloudReading, cell: Cell, log_text: str) -> None:
    """Notes what a launch says of its build's version and time."""
    ready = next(b for b in reading.builds if b.binary.name == cell.conditions.binary.name)
    confirmed = reading.registry.confirm(
        ready.binary.name, ready.binary.abi, help_text=ready.help_text, log_text=log_text
    )
    flags, version = ready.known_flags, confirmed.version
    evidence = later_evidence(known_flags=flags, version=version, log_text=log_text)
    binary = dated(replace(cell.conditions.binary, version=version), flags, evidence)
    cell.conditions = replace(cell.conditions, binary=binary)
