"""One launch of `benchmark_model` on a device: nothing of it is left running, whatever happens."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge_mnv3.core.cache import cache_folder
from edge_mnv3.core.errors import (
    BenchmarkLogError,
    DeviceError,
    DeviceFileError,
    DeviceLostError,
    DeviceTimeoutError,
    DeviceUnavailableError,
    OutputError,
)
from edge_mnv3.core.outputs import write_text
from edge_mnv3.core.results.bench import LaunchRecord, LaunchTimings
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3_android_bench.benchmark_model.accelerators import delegation_problem
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.result_file import contradiction
from edge_mnv3_android_bench.benchmark_model.told_flags import check_told_flags
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask
from edge_mnv3_android_bench.measuring.launch_script import (
    NO_FOLDER_EXIT_CODE,
    OUTPUT_FILES,
    LaunchCommand,
    LaunchOutput,
    launch_script,
    parse_launch_output,
)
from edge_mnv3_android_bench.measuring.launch_statistics import launch_problems
from edge_mnv3_android_bench.measuring.process_tree import PROCESS_TREE
from edge_mnv3_android_bench.measuring.throttling import SETTLE_S, watched_cpus
from edge_mnv3_android_bench.transport.device import ShellOutput
from edge_mnv3_android_bench.transport.files import LOST_LOCK_EXIT_CODE, DeviceFolder, lock_guard

LOADING_ALLOWANCE_S = 20.0  # for loading a model, beside the time that the protocol allows
_STATES_ALLOWANCE_S = 40.0  # for reading the device's state before and after
_LIMIT_FACTOR = 1.5  # the device counts time in naps, each a little longer than asked for
_KILL_TIMEOUT_S = 10.0
_NOT_STARTED = (126, 127)  # exit codes of a shell for a program that it cannot run or find
# Kinds of thermal zone that tell the processor's temperature, best first; then what is near it.
_ZONES = ("gold|big|cpu.*[4-9]", "cpu", "tsens|soc", "battery")
FIND_ZONES = """for z in /sys/class/thermal/thermal_zone*
do { read -r t <$z/type && read -r v <$z/temp; } 2>/dev/null && echo "$z/temp $t"
done; true"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRule:
    """Which clocks are held against a launch.

    Attributes:
        fixed_performance: They are held below the highest, and compared with the highest seen.
        accepted: None are.
        heat_accepted: Nor is the thermal status.
    """

    fixed_performance: bool = False
    accepted: bool = False
    heat_accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLaunch:
    """One launch before its log is read.

    Attributes:
        command: What was run.
        started_at: ISO 8601, UTC.
        duration_s: Wall time on the host, the reading of the device's state included.
        log_path: Where everything that the device printed was written.
    """

    command: LaunchCommand
    started_at: str
    duration_s: float
    log_path: Path
    output: LaunchOutput


def find_temperature_file(folder: DeviceFolder) -> str | None:
    """Finds the file with the processor's temperature, or with one near it; None where all are unreadable.

    Raises:
        DeviceError: `Device.shell` failed.
    """
    return pick_temperature_file(folder.device.shell(FIND_ZONES).stdout)


def pick_temperature_file(text: str) -> str | None:
    """Picks the file from what `FIND_ZONES` prints."""
    rows = [line.split(maxsplit=1) for line in text.splitlines()]
    zones = [(row[0], row[1]) for row in rows if len(row) == 2]
    for kind in _ZONES:
        for path, name in zones:
            if re.search(kind, name, re.IGNORECASE):
                return path
    return None


def run_launch(
    folder: DeviceFolder, command: LaunchCommand, log_path: Path, *, stop: threading.Event | None = None
) -> RawLaunch:
    """Runs `benchmark_model` once; what the device prints is written to a file before anything reads it.

    Args:
        folder: The tool's folder on the device.
        command: What to run.
        log_path: Where to write the raw log.
        stop: Ends the call when it is set, as in `process.run`.

    Raises:
        DeviceTimeoutError: The device did not answer in time.
        DeviceFileError: The folder is not there any more.
        DeviceUnavailableError: Somebody else has taken over the device's lock: the launch gives no result.
        DeviceError: `Device.shell` failed. The program was killed, if the device could still be reached;
            if not, it ends by itself.
        OutputError: The log cannot be written.
        KeyboardInterrupt: `stop` was set; the program was killed, if the device could still be reached.
    """
    started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    start = time.monotonic()
    name = command.program.rpartition("/")[2]
    try:
        timeout_s = _LIMIT_FACTOR * command.limit_s + _STATES_ALLOWANCE_S
        shell = folder.device.attempt(launch_script(command), timeout_s=timeout_s, stop=stop)
    except BaseException:
        with contextlib.suppress(DeviceError):
            kill_program(folder, name)
        raise
    duration_s = time.monotonic() - start
    write_raw_log(log_path, folder.device.serial, started_at, command, shell)
    output = parse_launch_output(shell.stdout, command.watched or command.cpus) if shell.complete else None
    if output is None and shell.exit_code == LOST_LOCK_EXIT_CODE:
        raise lost_lock(folder.device.serial, shell).with_log(log_path)
    if output is None:
        with contextlib.suppress(DeviceError):
            kill_program(folder, name)
        raise (shell.failure or _incomplete(folder, command, shell)).with_log(log_path)
    return RawLaunch(
        command=command, started_at=started_at, duration_s=duration_s, log_path=log_path, output=output
    )


def read_launch(
    raw: RawLaunch,
    number: int,
    info: DeviceInfo,
    *,
    expected_runs: int,
    clocks: ClockRule = ClockRule(),
    accelerator: str = "cpu",
) -> LaunchRecord:
    """Reads the log of a launch and says whether the launch counts.

    Args:
        raw: The launch.
        number: Number of the launch, from 1 on.
        info: The device.
        expected_runs: Timed inferences that were asked for.
        clocks: Which clocks are held against it.
        accelerator: Where it was asked to run. Cores that wait for a GPU or an NPU may clock down: their
            clocks are held against nothing.
    """
    output, problems = raw.output, []
    timings: LaunchTimings | None = None
    if output.exit_code is None:
        problems.append(f"it did not end within {raw.command.limit_s:g} s and was killed")
    elif output.exit_code in _NOT_STARTED:
        lines = (output.stderr.strip() or output.stdout.strip()).splitlines()
        problems.append(f"it did not start: {lines[-1] if lines else f'exit code {output.exit_code}'}")
    else:
        try:
            timings = parse_benchmark_log(
                output.stdout, output.stderr, output.exit_code, expected_runs=expected_runs
            )
            check_told_flags(output.stdout, output.stderr, raw.command.flags)
            check_result_file(output.result, timings)
        except BenchmarkLogError as error:
            timings = None
            problems.append(str(error))
    record = LaunchRecord(
        number=number,
        started_at=raw.started_at,
        duration_s=round(raw.duration_s, 3),
        timings=timings,
        before=output.before,
        after=output.after,
        samples=output.samples,
        mask_verified=_mask_verified(output, raw.command.cpus),
        log_path=str(raw.log_path),
        problems=(),
    )
    max_khz = {cpu: cluster.max_khz for cluster in info.clusters for cpu in cluster.cpus}
    if clocks.fixed_performance:
        watched = watched_cpus(raw.command.cpus, max_khz)
        sampled = {cpu: [s.khz[i] for s in output.samples] for i, cpu in enumerate(watched)}
        max_khz = {cpu: max((khz for khz in seen if khz), default=None) for cpu, seen in sampled.items()}
    if timings is not None and (elsewhere := delegation_problem(timings, accelerator)):
        problems.append(elsewhere)
    elif not problems:
        any_clock = clocks.accepted or accelerator != "cpu"
        problems += launch_problems(
            record,
            cpus=raw.command.cpus,
            max_khz=max_khz,
            accept_clock=any_clock,
            accept_heat=clocks.heat_accepted,
        )
    return dataclasses.replace(record, problems=tuple(problems))


def check_result_file(content: bytes | None, timings: LaunchTimings) -> None:
    """Refuses a launch whose result file and text say different things; a launch without one is not held to.

    Raises:
        BenchmarkLogError: They differ; the text says in what.
    """
    problem = contradiction(content, timings) if content is not None else None
    if problem is not None:
        raise BenchmarkLogError(
            "output of benchmark_model", problem, "one result in both", "the raw log tells what happened"
        )


def stored_output(log_path: Path, cpus: Sequence[int]) -> str:
    """Returns what the program of an earlier launch wrote, both streams; empty where its raw log is gone."""
    try:
        text = log_path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    output = parse_launch_output(text, cpus)
    return f"{output.stdout}\n{output.stderr}" if output else ""


def keep_log(name: str, text: str) -> Path:
    """Keeps what a program printed that failed outside of a measurement; the last one of each name is kept.

    Raises:
        OutputError: The cache cannot be written to.
    """
    path = cache_folder() / "bench" / "logs" / name
    write_text(path, text, force=True)
    return path


def kill_program(folder: DeviceFolder, name: str) -> None:
    """Kills all processes of a program in the tool's folder, and what they started; removes a launch's files.

    Args:
        folder: The tool's folder on the device.
        name: The program's name in it.

    Raises:
        DeviceTimeoutError: It is still there after it was killed.
        DeviceUnavailableError: Somebody else has taken over the lock; nothing of theirs is killed.
        DeviceError: `Device.shell` failed.
    """
    quoted = shlex.quote(name)
    # A process found by its number may be another one by now: its command line must name the folder.
    script = f"""cd {shlex.quote(folder.path)} || exit 0
{lock_guard(folder.lock_token)}
{PROCESS_TREE}
for q in $(pidof {quoted}) $(cat run*.pid); do
case $(cat /proc/$q/cmdline) in *{shlex.quote(folder.path)}*) kill -9 $(tree $q);; esac
done 2>/dev/null
rm -f {OUTPUT_FILES}
for i in 1 2 3 4 5 6 7 8 9 10; do pidof {quoted} >/dev/null 2>&1 || exit 0; sleep 0.1; done
exit 1"""
    done = folder.device.shell(script, timeout_s=_KILL_TIMEOUT_S)
    if done.exit_code == LOST_LOCK_EXIT_CODE:
        raise lost_lock(folder.device.serial, done)
    if done.exit_code != 0:
        raise DeviceTimeoutError(
            f"device {folder.device.serial}: {name}",
            "a process that outlives being killed",
            next_step="restart it",
        )


def lost_lock(serial: str, shell: ShellOutput) -> DeviceUnavailableError:
    """Says that the lock is not ours any more, from what a script with `lock_guard` printed."""
    text = (shell.stdout if shell.merged else shell.stderr).strip().splitlines()
    owner = re.search(r'"owner": "([^"]+)"', text[-1] if text else "")
    return DeviceUnavailableError(
        f"device {serial} was taken over in a measurement",
        owner[1] if owner else "no lock any more",
        "a phone that nobody else measures on",
        "give the command again when they are done: what is finished is kept",
    )


def _mask_verified(output: LaunchOutput, cpus: Sequence[int]) -> bool:
    """The running program was seen with the demanded mask, and with no other once it had started."""
    if not cpus:
        return False
    wanted = int(cpu_mask(cpus), 16)
    settled = [
        mask for mask, sample in zip(output.masks, output.samples, strict=True) if sample.time_s >= SETTLE_S
    ]
    return wanted in output.masks and all(mask == wanted for mask in settled)


def write_raw_log(
    path: Path, serial: str, started_at: str, command: LaunchCommand, shell: ShellOutput
) -> None:
    """Writes everything that a launch printed.

    Raises:
        OutputError: It cannot be written.
    """
    end = "complete" if shell.complete else f"not complete: {shell.failure}"
    head = f"# device {serial}\n# started {started_at}\n# {shlex.join(command.argv)}\n"
    text = f"{head}{shell.stdout}\n# errors of the shell\n{shell.stderr}\n# {end}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"raw log {path}: {error.strerror}") from error


def _incomplete(folder: DeviceFolder, command: LaunchCommand, shell: ShellOutput) -> DeviceError:
    serial = folder.device.serial
    if shell.exit_code == NO_FOLDER_EXIT_CODE:
        return DeviceFileError(f"device {serial}: {command.folder}", "no such folder any more")
    lines = shell.stderr.strip().splitlines()
    got = f"exit code {shell.exit_code}" + (f" ({lines[-1]})" if lines else "")
    return DeviceLostError(f"device {serial}: the launch was broken off", got, next_step="run it again")
