"""What a fault is, and how each is made to happen on the emulated phone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from device.bench_setup import ABI, FOLDER
from device.command_setup import Bench
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, Figures, foreign_binary
from edge_mnv3_android_bench.benchmark_model import program_files
from edge_mnv3_android_bench.measuring import session
from tiny_models import write_classifier

PROGRAM = "The program"
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
        monkeypatch: For the time of the test.
    """

    bench: Bench
    phone: Phone
    model: Path
    binary: Path
    monkeypatch: pytest.MonkeyPatch


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: Heading in the documentation.
        what: What happens, in words.
        arrange: Makes it happen; may return further arguments of the command.
        code: Exit code.
        says: Part of what the command prints: the error, warning or problem; empty where all is well.
        says_too: What it prints beside that.
        connected: The phone is connected before the command begins.
        reachable: The phone can be asked afterwards without anybody's doing.
        measured: Something was launched; not where it can be known before that it would be in vain.
        to_quote: Only a result that may be quoted will do.
        locked: The phone belongs to another user afterwards: nothing of theirs is touched.
    """

    kind: str
    what: str
    arrange: Callable[[Stage], tuple[str | Path, ...] | None]
    code: int
    says: str = ""
    says_too: tuple[str, ...] = ()
    connected: bool = True
    reachable: bool = True
    measured: bool = True
    to_quote: bool = False
    locked: bool = False


def set_fields(**values: object) -> Callable[[Stage], None]:
    """Assigns to fields of the phone's faults, cable or conditions, whichever has them."""

    def arrange(stage: Stage) -> None:
        for name, value in values.items():
            holders = (stage.phone.faults, stage.phone.cable, stage.phone.conditions)
            setattr(next(holder for holder in holders if hasattr(holder, name)), name, value)

    return arrange


def program_behaves(behaviour: Behaviour, *arguments: str) -> Callable[[Stage], tuple[str, ...]]:
    """Each launch of the program but its --help behaves so."""

    def arrange(stage: Stage) -> tuple[str, ...]:
        stage.phone.next_launches = [None, *[behaviour] * 20]
        return arguments

    return arrange


def hangs(stage: Stage) -> tuple[str, ...]:
    """The program never ends; a model is not waited for as long as usual."""
    stage.monkeypatch.setattr(session, "LOADING_ALLOWANCE_S", 0.5)
    return program_behaves(Behaviour(fault="hang"))(stage)


def in_launch(launch: int, action: Callable[[Stage], None]) -> Callable[[Stage], tuple[str, ...]]:
    """Does something in the middle of a launch, of two that are demanded."""

    def arrange(stage: Stage) -> tuple[str, ...]:
        phone = stage.phone
        phone.in_launch(launch, lambda: action(stage))
        return ("--launches", "2")

    return arrange


def slow_on_all_cores(stage: Stage) -> tuple[str, ...]:
    """Protocol app, which pins to no cores."""
    stage.phone.throttle(clock_fraction=0.6, thermal_status=0)
    return ("--protocol", "app")


def slower_and_slower(stage: Stage) -> tuple[str, ...]:
    """Five launches under protocol app, of which an interval of any width would do."""
    stage.phone.figures = Figures(
        inference_us={"*": [[us] for us in (64_000, 70_000, 77_000, 84_000, 90_000)]}
    )
    return ("--protocol", "app", "--width", "100")


def npu_libraries_for_nnapi(stage: Stage) -> tuple[str | Path, ...]:
    folder = stage.bench.folder / "libraries"
    folder.mkdir()
    (folder / "libDispatch.so").write_bytes(b"1")
    return ("--accelerator", "npu", "--npu-libraries", folder)


def without_commands(*commands: str) -> Callable[[Stage], None]:
    def arrange(stage: Stage) -> None:
        for command in commands:
            stage.phone.remove_command(command)

    return arrange


def no_stay_awake(stage: Stage) -> tuple[str, ...]:
    stage.phone.remove_command("settings")
    return ("--no-stay-awake",)


def hot_once(stage: Stage) -> tuple[str, ...]:
    phone = stage.phone

    def heat() -> None:
        phone.throttle()
        phone.when_asked_again(phone.cool)

    phone.at_launch(FIRST, heat)
    return ("--launches", "1")


def busy_once(stage: Stage) -> tuple[str, ...]:
    conditions = stage.phone.conditions

    def load() -> None:
        conditions.loaded_cpus = frozenset({7})

    def unload() -> None:
        conditions.loaded_cpus = frozenset()

    stage.phone.at_launch(FIRST, load)
    stage.phone.at_launch(SECOND, unload)
    return ()


def held_by(told: dict[str, object], *, silent_s: float) -> Callable[[Stage], None]:
    """The phone's lock is somebody's, who gave the last sign of life so long ago."""

    def arrange(stage: Stage) -> None:
        phone = stage.phone
        phone.conditions.booted_at_s -= 2 * silent_s + 10
        lock = phone.host_path(f"{FOLDER}/lock")
        lock.mkdir(parents=True)
        uptime_s = time.monotonic() - phone.conditions.booted_at_s
        values = {
            "since": f"{uptime_s - 2 * silent_s:.2f}",
            "beat": f"{uptime_s - silent_s:.2f}",
            "holder": json.dumps(told),
            "token": "c0ffee",
        }
        for name, value in values.items():
            (lock / name).write_text(f"{value}\n")

    return arrange


def taken_over(stage: Stage) -> None:
    """Another tool takes the lock in the middle of a launch."""
    (stage.phone.host_path(f"{FOLDER}/lock") / "token").write_text("another\n")
    holder = json.dumps({"owner": "ben@other"})
    (stage.phone.host_path(f"{FOLDER}/lock") / "holder").write_text(f"{holder}\n")


def folder_is_removed(stage: Stage) -> None:
    """In one step: the launch goes on writing into it."""
    stage.phone.host_path(FOLDER).rename(stage.bench.folder / "removed")


def big_cores_tell_no_clock(*, switched_off: bool) -> Callable[[Stage], None]:
    def arrange(stage: Stage) -> None:
        folder = stage.phone.host_path("/sys/devices/system/cpu")
        for cpu in range(4, 8):
            (folder / f"cpu{cpu}/cpufreq").unlink()
        if switched_off:
            (folder / "online").chmod(0o644)
            (folder / "online").write_text("0-3\n")

    return arrange


def changed_on_the_phone(stage: Stage) -> None:
    assert stage.bench.measure(stage.phone, *given_files(stage)).exit_code == DONE
    for path in stage.phone.files(FOLDER):
        if path.endswith(".tflite"):
            file = stage.phone.host_path(path)
            file.write_bytes(file.read_bytes()[:-1] + b"?")


def changed_in_the_cache(stage: Stage) -> tuple[str | Path, ...]:
    bench = stage.bench
    assert bench.run("benchmark-binary", "add", "mine", stage.binary, "--abi", ABI).exit_code == DONE
    (cached,) = (bench.folder / "cache").rglob("mine/benchmark_model")
    cached.write_bytes(cached.read_bytes() + b"#")
    return ("--benchmark-binary", "mine")


def no_model(stage: Stage) -> None:
    stage.model.write_bytes(b"no model")


def of_unknown_range(stage: Stage) -> tuple[str, ...]:
    write_classifier(stage.model, "float32")
    return ("--check-outputs",)


def cut_model(stage: Stage) -> None:
    stage.model.write_bytes(stage.model.read_bytes()[:-200])


def of_another_processor(stage: Stage) -> None:
    header = bytearray(foreign_binary())
    header[18] = 62
    stage.binary.write_bytes(bytes(header))


def two_answers(stage: Stage) -> tuple[str | Path, ...]:
    """Another file under a name that is locked."""
    bench = stage.bench
    assert bench.run("benchmark-binary", "add", "mine", stage.binary, "--abi", ABI).exit_code == DONE
    assert bench.measure(stage.phone, stage.model, "--benchmark-binary", "mine").exit_code == DONE
    stage.phone.behaviour = Behaviour(build="2.3")
    return ("--benchmark-binary", "mine")


def another_script(stage: Stage) -> None:
    stage.binary.write_bytes(b"#!/bin/sh\necho hello\n")


def no_network(stage: Stage) -> tuple[str, ...]:
    """Nothing listens where builds of LiteRT lie."""
    stage.monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    stage.monkeypatch.setattr(program_files, "LITERT_URL", "http://127.0.0.1:1/")
    return ("--benchmark-binary", "litert-2.2.0")


def one_file_under_two_names(stage: Stage) -> tuple[str | Path, ...]:
    bench = stage.bench
    assert bench.run("benchmark-binary", "add", "era-2019", stage.binary, "--abi", ABI).exit_code == DONE
    return ("--benchmark-binary", "era-2019", "--benchmark-binary", stage.binary, "--launches", "1")


def is_there_already(option: str) -> Callable[[Stage], tuple[str | Path, ...]]:
    """The file of an output is there, with something else in it."""

    def arrange(stage: Stage) -> tuple[str | Path, ...]:
        path = stage.bench.folder / "notes.txt"
        path.write_text("notes\n")
        return (option, path)

    return arrange


def one_file_by_a_link(stage: Stage) -> tuple[str | Path, ...]:
    written, link = stage.bench.folder / "written.json", stage.bench.folder / "link.json"
    link.symlink_to(written)
    return ("-o", written, "--history", link)


def in_the_way(option: str) -> Callable[[Stage], tuple[str | Path, ...]]:
    """A folder comes to lie where a file is to be written, while a launch runs."""

    def arrange(stage: Stage) -> tuple[str | Path, ...]:
        path = stage.bench.folder / "written.json"
        stage.phone.at_launch(FIRST, path.mkdir)
        return (option, path)

    return arrange


def old_build(stage: Stage) -> tuple[str, ...]:
    stage.bench.binary(Behaviour(build="1.13"))
    return ("--kernels", "xnnpack")


def always_behaves(behaviour: Behaviour, *arguments: str) -> Callable[[Stage], tuple[str, ...]]:
    """The program behaves so, at its --help too."""

    def arrange(stage: Stage) -> tuple[str, ...]:
        stage.phone.behaviour = behaviour
        return arguments

    return arrange


def given_files(stage: Stage) -> tuple[Path | str, ...]:
    return (stage.model, "--benchmark-binary", stage.binary, "--launches", "1")
