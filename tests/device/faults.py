"""The table of faults: what happens, the exit code, what is said. `test_faults.py` runs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from device.bench_setup import ABI, FOLDER
from device.command_setup import Bench
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, foreign_binary

DONE, FAILED, UNSTABLE = 0, 1, 3
FIRST, SECOND = 2, 3  # launches of the program; the very first one is --help
MEDIAN_US = 20_000


class Stage(NamedTuple):
    """Where a fault happens.

    Attributes:
        bench: The command line.
        phone: Not connected yet.
        model: What is measured.
        binary: What measures it.
    """

    bench: Bench
    phone: Phone
    model: Path
    binary: Path


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: Heading in the documentation.
        what: In words.
        arrange: Makes it happen; may return further arguments of the command.
        code: Exit code.
        says: Part of what the command prints: the error, warning or problem; empty where all is well.
        connected: The phone is connected before the command begins.
        reachable: The phone can be asked afterwards without anybody's doing.
    """

    kind: str
    what: str
    arrange: Callable[[Stage], tuple[str | Path, ...] | None]
    code: int
    says: str = ""
    connected: bool = True
    reachable: bool = True


def _set(**values: object) -> Callable[[Stage], None]:
    """Assigns to fields of the phone's faults, cable or conditions, whichever has them."""

    def arrange(stage: Stage) -> None:
        for name, value in values.items():
            holders = (stage.phone.faults, stage.phone.cable, stage.phone.conditions)
            setattr(next(holder for holder in holders if hasattr(holder, name)), name, value)

    return arrange


def _program(behaviour: Behaviour, *arguments: str) -> Callable[[Stage], tuple[str, ...]]:
    """Each launch of the program but its --help behaves so."""

    def arrange(stage: Stage) -> tuple[str, ...]:
        stage.phone.next_launches = [None, *[behaviour] * 20]
        return arguments

    return arrange


def _at(
    launch: int, action: Callable[[Stage], None], *, later_s: float = 0.2
) -> Callable[[Stage], tuple[str, ...]]:
    """Does something in the middle of a launch, of two that are demanded."""

    def arrange(stage: Stage) -> tuple[str, ...]:
        phone = stage.phone
        phone.at_launch(launch, lambda: phone.after(later_s, lambda: action(stage)))
        return ("--launches", "2")

    return arrange


def _without(*commands: str) -> Callable[[Stage], None]:
    def arrange(stage: Stage) -> None:
        for command in commands:
            stage.phone.remove_command(command)

    return arrange


def _hot_once(stage: Stage) -> tuple[str, ...]:
    phone = stage.phone

    def heat() -> None:
        phone.throttle()
        phone.cool(after_s=1.6)

    phone.at_launch(FIRST, heat)
    return ("--launches", "1", "--max-cool-down", "2")


def _busy_once(stage: Stage) -> tuple[str, ...]:
    conditions = stage.phone.conditions

    def load() -> None:
        conditions.loaded_cpus = frozenset({7})

    def unload() -> None:
        conditions.loaded_cpus = frozenset()

    stage.phone.at_launch(FIRST, load)
    stage.phone.at_launch(SECOND, unload)
    return ("--launches", "2")


def _changed_on_the_phone(stage: Stage) -> None:
    assert stage.bench.measure(stage.phone, *_files(stage)).exit_code == DONE
    for path in stage.phone.files(FOLDER):
        if path.endswith(".tflite"):
            file = stage.phone.host_path(path)
            file.write_bytes(file.read_bytes()[:-1] + b"?")


def _changed_in_the_cache(stage: Stage) -> tuple[str | Path, ...]:
    bench = stage.bench
    assert bench.run("benchmark-binary", "add", "mine", stage.binary, "--abi", ABI).exit_code == DONE
    (cached,) = (bench.folder / "cache").rglob("mine/benchmark_model")
    cached.write_bytes(cached.read_bytes() + b"#")
    return ("--benchmark-binary", "mine")


def _no_model(stage: Stage) -> None:
    stage.model.write_bytes(b"no model")


def _cut_model(stage: Stage) -> None:
    stage.model.write_bytes(stage.model.read_bytes()[:-200])


def _of_another_processor(stage: Stage) -> None:
    header = bytearray(foreign_binary())
    header[18] = 62
    stage.binary.write_bytes(bytes(header))


def _two_answers(stage: Stage) -> tuple[str | Path, ...]:
    """Another file under a name that is locked."""
    bench = stage.bench
    assert bench.run("benchmark-binary", "add", "mine", stage.binary, "--abi", ABI).exit_code == DONE
    assert bench.measure(stage.phone, stage.model, "--benchmark-binary", "mine").exit_code == DONE
    stage.phone.behaviour = Behaviour(build="2.3")
    return ("--benchmark-binary", "mine")


def _old_build(stage: Stage) -> tuple[str, ...]:
    stage.bench.binary(Behaviour(build="1.13"))
    return ("--kernels", "xnnpack")


def _always(behaviour: Behaviour) -> Callable[[Stage], None]:
    """The program behaves so, at its --help too."""

    def arrange(stage: Stage) -> None:
        stage.phone.behaviour = behaviour

    return arrange


def _files(stage: Stage) -> tuple[Path | str, ...]:
    return (stage.model, "--benchmark-binary", stage.binary, "--launches", "1")


CABLE, FILES, PROGRAM, PHONE, INPUT = (
    "Cable and adb",
    "Files on the phone",
    "The program",
    "The phone",
    "What is given",
)
FAULTS = (
    Fault(
        kind=CABLE,
        what="the phone is not there",
        arrange=lambda stage: stage.phone.unplug(),
        code=FAILED,
        says="cannot be connected",
        connected=False,
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="unplugged in the push",
        arrange=_set(cut_after_push_bytes=100),
        code=FAILED,
        says="the connection broke",
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="unplugged in the output of a launch",
        arrange=_at(FIRST, lambda stage: setattr(stage.phone.cable, "cut_after_shell_bytes", 60)),
        code=FAILED,
        says="the connection broke",
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="unplugged in a launch, after another one",
        arrange=_at(SECOND, lambda stage: stage.phone.unplug()),
        code=FAILED,
        says="the connection broke",
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="frozen from the start",
        arrange=lambda stage: stage.phone.freeze(),
        code=FAILED,
        says="no end within",
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="frozen in a launch",
        arrange=_at(FIRST, lambda stage: stage.phone.freeze()),
        code=FAILED,
        says="no end within",
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="it reboots in a launch",
        arrange=_at(FIRST, lambda stage: stage.phone.reboot(seconds=0.2)),
        code=FAILED,
        says="the connection broke",
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="a slow link",
        arrange=_set(bytes_per_second=100_000.0),
        code=DONE,
    ),
    Fault(
        kind=CABLE,
        what="USB debugging is not allowed yet",
        arrange=lambda stage: stage.phone.ask_for_key(),
        code=FAILED,
        says="accept the question about USB debugging",
        connected=False,
        reachable=False,
    ),
    Fault(
        kind=CABLE,
        what="the adb binary does not exist",
        arrange=lambda stage: ("--adb", "no/adb"),
        code=FAILED,
        says="adb no/adb of --adb: got no such file",
    ),
    Fault(
        kind=CABLE,
        what="adb without `shell_v2` (Android before 7)",
        arrange=_set(shell_v2=False),
        code=DONE,
        connected=False,
    ),
    Fault(
        kind=CABLE,
        what="lines that end in CR LF",
        arrange=_set(shell_v2=False, crlf=True),
        code=DONE,
        connected=False,
    ),
    Fault(
        kind=FILES,
        what="no space",
        arrange=lambda stage: stage.phone.fill_up(free_bytes=2_000),
        code=FAILED,
        says="no space for",
    ),
    Fault(
        kind=FILES,
        what="a read-only file system",
        arrange=_set(read_only=True),
        code=FAILED,
        says="read-only",
    ),
    Fault(
        kind=FILES,
        what="nothing may be run there (noexec)",
        arrange=_set(no_execution=True),
        code=FAILED,
        says="mounted noexec",
    ),
    Fault(
        kind=FILES,
        what="a byte is wrong in what was pushed",
        arrange=_set(corrupt_pushes=1),
        code=FAILED,
        says="other content on the device than in the file",
    ),
    Fault(kind=FILES, what="no `sha256sum` (Android before 8)", arrange=_without("sha256sum"), code=DONE),
    Fault(
        kind=FILES,
        what="neither `sha256sum` nor `md5sum`",
        arrange=_without("sha256sum", "md5sum"),
        code=DONE,
    ),
    Fault(
        kind=FILES,
        what="a pushed file has changed since the last run",
        arrange=_changed_on_the_phone,
        code=DONE,
    ),
    Fault(
        kind=FILES,
        what="the tool's folder is removed in a launch",
        arrange=_at(FIRST, lambda stage: shutil.rmtree(stage.phone.host_path(FOLDER))),
        code=FAILED,
        says="no such folder any more",
    ),
    Fault(
        kind=PROGRAM,
        what="it aborts",
        arrange=_program(Behaviour(fault="abort")),
        code=UNSTABLE,
        says="death by SIGABRT",
    ),
    Fault(
        kind=PROGRAM,
        what="it crashes",
        arrange=_program(Behaviour(fault="segfault")),
        code=UNSTABLE,
        says="death by SIGSEGV",
    ),
    Fault(
        kind=PROGRAM,
        what="Android kills it for memory",
        arrange=_program(Behaviour(fault="kill", fault_after_runs=3)),
        code=UNSTABLE,
        says="death by SIGKILL",
    ),
    Fault(
        kind=PROGRAM,
        what="it hangs",
        arrange=_program(Behaviour(fault="hang"), "--max-secs", "0.7"),
        code=UNSTABLE,
        says="and was killed",
    ),
    Fault(
        kind=PROGRAM,
        what="its output is cut",
        arrange=_program(Behaviour(cut_output_bytes=300)),
        code=UNSTABLE,
        says="death by SIGKILL",
    ),
    Fault(
        kind=PROGRAM,
        what="it ends before all runs are done",
        arrange=_program(Behaviour(at_most_runs=4)),
        code=UNSTABLE,
        says="4 runs",
    ),
    Fault(
        kind=PROGRAM,
        what="it aborts once, and then no more",
        arrange=lambda stage: setattr(stage.phone, "next_launches", [None, Behaviour(fault="abort")]),
        code=DONE,
        says="launch 1 does not count: ",
    ),
    Fault(
        kind=PROGRAM,
        what="it is a program for another processor than its header says",
        arrange=_always(Behaviour(fault="abi")),
        code=FAILED,
        says="does not run on device",
    ),
    Fault(
        kind=PROGRAM,
        what="a library that it needs is missing",
        arrange=_always(Behaviour(fault="linker")),
        code=FAILED,
        says="does not run on device",
    ),
    Fault(
        kind=PROGRAM,
        what="it does not know XNNPACK, which is demanded",
        arrange=_old_build,
        code=FAILED,
        says="a build without --use_xnnpack",
    ),
    Fault(
        kind=PROGRAM,
        what="its file in the cache has changed",
        arrange=_changed_in_the_cache,
        code=FAILED,
        says="'mine' for arm64-v8a has changed",
    ),
    Fault(
        kind=PROGRAM,
        what="it has other flags than at its first run",
        arrange=_two_answers,
        code=FAILED,
        says="got other flags or defaults",
    ),
    Fault(
        kind=PHONE,
        what="it is hot and stays so",
        arrange=lambda stage: stage.phone.throttle(),
        code=UNSTABLE,
        says="thermal status 3 before it, 0 is demanded",
    ),
    Fault(
        kind=PHONE,
        what="it gets hot in a launch, and cools down",
        arrange=_hot_once,
        code=DONE,
        says="thermal status 3",
    ),
    Fault(
        kind=PHONE,
        what="clocks are held down without heat",
        arrange=_set(clock_fraction=0.8),
        code=UNSTABLE,
        says="core 4 ran at 1920 of 2400 MHz",
    ),
    Fault(
        kind=PHONE,
        what="another process takes the core for one launch",
        arrange=_busy_once,
        code=DONE,
        says="it belongs to a set of launches that vary by",
    ),
    Fault(
        kind=PHONE,
        what="`taskset` does nothing",
        arrange=_set(taskset_ignored=True),
        code=UNSTABLE,
        says="the core mask of the running program was not seen",
    ),
    Fault(
        kind=PHONE,
        what="there is no `taskset`",
        arrange=_without("taskset"),
        code=UNSTABLE,
        says="it did not start: ",
    ),
    Fault(
        kind=PHONE,
        what="clocks cannot be read",
        arrange=_set(unreadable_clocks=frozenset(range(8))),
        code=DONE,
        says="the device does not tell its clocks",
    ),
    Fault(
        kind=PHONE,
        what="damaged properties",
        arrange=_set(garbled_properties=True),
        code=FAILED,
        says="no Android version or ABI",
    ),
    Fault(
        kind=INPUT,
        what="the file is no model",
        arrange=_no_model,
        code=FAILED,
        says="no valid TFLite flatbuffer",
    ),
    Fault(
        kind=INPUT,
        what="the model file is cut",
        arrange=_cut_model,
        code=FAILED,
        says="expected a whole .tflite file",
    ),
    Fault(
        kind=INPUT,
        what="the binary is a program for another kind of device",
        arrange=_of_another_processor,
        code=FAILED,
        says="got a program for x86_64, expected one for arm64-v8a",
    ),
    Fault(
        kind=INPUT,
        what="the result file exists already",
        arrange=lambda stage: ("-o", stage.model),
        code=FAILED,
        says="use --force to overwrite it",
    ),
)
