"""A device made ready: who it is, its folder, the builds and models on it, the cores to use."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import Cores
from edge_mnv3.core.cores import big_cores
from edge_mnv3.core.errors import BenchmarkBinaryError, DeviceUnavailableError
from edge_mnv3.core.results.binaries import LITERT, TENSORFLOW_LITE, UNKNOWN_ERA, BenchmarkBinary, BinaryInfo
from edge_mnv3.core.results.device import DeviceInfo, DeviceState
from edge_mnv3_android_bench.benchmark_model.era import dated, later_evidence
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry, help_fingerprint
from edge_mnv3_android_bench.device.cpu_topology import list_cores
from edge_mnv3_android_bench.device.state import read_device_info
from edge_mnv3_android_bench.measuring.guard import PROGRAM_PREFIX
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand
from edge_mnv3_android_bench.measuring.launching import (
    LOADING_ALLOWANCE_S,
    find_temperature_file,
    kill_program,
)
from edge_mnv3_android_bench.measuring.protocols import is_litert, read_known_flags
from edge_mnv3_android_bench.measuring.throttling import watched_cpus
from edge_mnv3_android_bench.transport.device import Device
from edge_mnv3_android_bench.transport.files import DeviceFolder

# Builds that do not know --help print their usage when a flag's value cannot be read.
WAYS_TO_ASK_FOR_HELP = ("--help", "--num_runs=?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBinary:
    """A build on the device.

    Attributes:
        binary: The locked build.
        program: Its path on the device.
        help_text: What it prints about its flags.
        known_flags: Their names.
        info: What results say of it, its era among that.
    """

    binary: BenchmarkBinary
    program: str
    help_text: str
    known_flags: frozenset[str]
    info: BinaryInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSession:
    """A device that is ready to be measured.

    Attributes:
        folder: The tool's folder on it.
        info: What it is.
        temperature_file: File on it with a temperature to sample; None where none can be read.
    """

    folder: DeviceFolder
    info: DeviceInfo
    temperature_file: str | None

    @property
    def serial(self) -> str:
        """Name under which adb knows the device."""
        return self.info.serial

    def check_cores(self, cores: Cores, state: DeviceState) -> None:
        """Refuses cores of a name that the device does not tell for certain.

        Args:
            cores: Which are asked for.
            state: The device just now.

        Raises:
            DeviceUnavailableError: It tells no clocks, or the fastest cores may be among those that are
                switched off.
        """
        check_cores(self.info, cores, state)

    def command(
        self, program: str, flags: Sequence[str], cpus: tuple[int, ...], max_secs: float
    ) -> LaunchCommand:
        """Returns a launch of a program on these cores; the sampler gets the others.

        Args:
            program: Path on the device.
            flags: Its arguments.
            cpus: The cores to pin it to; none for all.
            max_secs: The protocol's; the time for loading the model is added.
        """
        place = LaunchPlace(self.folder.path, self.temperature_file, self.folder.lock_token)
        return launch_command(self.info, place, (program, *flags), cpus, max_secs)


class LaunchPlace(NamedTuple):
    """Where on a device launches run.

    Attributes:
        folder: The tool's folder.
        temperature_file: File with a temperature to sample; None where none can be read.
        lock_token: As in `DeviceFolder`.
    """

    folder: str
    temperature_file: str | None
    lock_token: str = ""


def launch_command(
    info: DeviceInfo, place: LaunchPlace, argv: Sequence[str], cpus: tuple[int, ...], max_secs: float
) -> LaunchCommand:
    """Returns a launch, as `DeviceSession.command` does; the program is the first of `argv`."""
    every = {cpu for cluster in info.clusters for cpu in cluster.cpus} | {*info.present_cpus}
    return LaunchCommand(
        folder=place.folder,
        program=argv[0],
        flags=tuple(argv[1:]),
        cpus=cpus,
        other_cpus=tuple(sorted(every - set(cpus))) if cpus else (),
        temperature_file=place.temperature_file,
        watched=watched_cpus(cpus, {cpu: c.max_khz for c in info.clusters for cpu in c.cpus}),
        limit_s=max_secs + LOADING_ALLOWANCE_S,
        lock_token=place.lock_token,
    )


def check_cores(info: DeviceInfo, cores: Cores, state: DeviceState) -> None:
    """As `DeviceSession.check_cores`, of a device that is not open.

    Raises:
        DeviceUnavailableError: As there.
    """
    if cores == "all":
        return
    unknown = info.cpus_of_unknown_clock
    off = [cpu for cpu in unknown if state.online_cpus and cpu not in state.online_cpus]
    if off and len(unknown) < len(info.present_cpus):
        raise DeviceUnavailableError(
            f"device {info.serial}: its {cores} cores",
            f"{list_cores(off)} switched off, of unknown clock",
            "all cores switched on: these may be the fastest",
            "wake the phone, end its power saving and try again, or use a protocol on all cores",
        )
    if not big_cores(info.clusters):
        raise DeviceUnavailableError(
            f"device {info.serial}: its {cores} cores",
            "no readable cpufreq/cpuinfo_max_freq",
            next_step="use a protocol on all cores",
        )


def open_session(device: Device) -> DeviceSession:
    """Reads what a device is.

    Raises:
        DeviceError: `Device.shell` failed.
    """
    folder = DeviceFolder(device)
    return DeviceSession(
        folder=folder, info=read_device_info(device), temperature_file=find_temperature_file(folder)
    )


def place_binary(
    session: DeviceSession, registry: BinaryRegistry, name: str, *, stop: threading.Event | None = None
) -> ReadyBinary:
    """Brings a build to the device, and compares what it says about itself with the lock.

    What an earlier run may have left running of it is killed first.

    Raises:
        BenchmarkBinaryError: It is not in the registry for this device, does not run, or has changed.
        DeviceError: `DeviceFolder.ensure` failed.
    """
    binary = registry.for_device(name, session.info.abis)
    remote = PROGRAM_PREFIX + name
    kill_program(session.folder, remote)
    session.folder.ensure(registry.path(name, binary.abi), remote, executable=True, stop=stop)
    program = session.folder.file(remote)
    return told_binary(registry, binary, program, _read_help(session, program, binary))


def told_binary(
    registry: BinaryRegistry, binary: BenchmarkBinary, program: str, help_text: str
) -> ReadyBinary:
    """Compares what a build says about itself with the lock.

    Args:
        registry: The builds.
        binary: The locked build.
        program: Its path on the device.
        help_text: What it printed there about its flags.

    Raises:
        BenchmarkBinaryError: It lists no flags, or others than before.
    """
    name = binary.name
    confirmed = registry.confirm(name, binary.abi, help_text=help_text)
    flags = read_known_flags(help_text)
    evidence = later_evidence(
        known_flags=flags, version=confirmed.version, file=registry.path(name, binary.abi)
    )
    unknown = BinaryInfo(
        name=confirmed.name,
        sha256=confirmed.sha256,
        version=confirmed.version,
        runtime=LITERT if is_litert(flags) else TENSORFLOW_LITE,
        era=UNKNOWN_ERA,
        era_evidence=(),
    )
    return ReadyBinary(
        binary=confirmed,
        program=program,
        help_text=help_text,
        known_flags=flags,
        info=dated(unknown, flags, evidence),
    )


def place_model(
    session: DeviceSession, model: Path, sha256: str, *, stop: threading.Event | None = None
) -> str:
    """Brings a model to the device; returns its path there.

    Raises:
        DeviceError: `DeviceFolder.ensure` failed.
    """
    name = f"{sha256[:16]}.tflite"
    session.folder.ensure(model, name, stop=stop)
    return session.folder.file(name)


def _read_help(session: DeviceSession, program: str, binary: BenchmarkBinary) -> str:
    last_lines, code = ["no output"], None
    for flag in WAYS_TO_ASK_FOR_HELP:
        output = session.folder.device.shell([program, flag])
        text = f"{output.stdout}\n{output.stderr}"
        if help_fingerprint(text) is not None:
            return text
        last_lines, code = text.strip().splitlines()[-1:] or ["no output"], output.exit_code
    raise BenchmarkBinaryError(
        f"benchmark binary '{binary.name}' does not run on device {session.info.serial}",
        f"exit code {code}: {last_lines[0]}",
        f"a program for {', '.join(session.info.abis)} that lists its flags",
    )
