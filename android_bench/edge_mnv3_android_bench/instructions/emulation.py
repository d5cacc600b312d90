"""Runs a model in the emulated process and takes the log of what it ran.

It needs the folder that `arm_sysroot.sh` makes, and qemu's user emulation.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_mnv3.core import process
from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ModelNotLoadedError, RuntimeUnavailableError
from edge_mnv3_android_bench.instructions.library import Library, read_library
from edge_mnv3_android_bench.instructions.processors import Processor
from edge_mnv3_android_bench.instructions.qemu_log import BEGIN, END, OPTIONS, Execution, LogReader

# A model of 224 px takes 10 s of processor time; the largest of several times the size, on a busy machine.
_TIMEOUT_S = 1800.0
_PIECE_BYTES = 1 << 20
_ROOT_FUNCTION = "_ZN6tflite8Subgraph6InvokeEv"  # which library has it is the one that runs models
_GUEST = Path(__file__).with_name("guest.py")
_PYTHON = "usr/bin/python3.11"
# All that would let addresses differ from run to run: hashes, and threads that race for memory.
_VARIABLES = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
_TRIES = 3
_CORES = "0-1\n"  # as many as `Processor.cpuinfo` shows


@dataclass(frozen=True, slots=True)
class Emulator:
    """Where the emulator is.

    Attributes:
        qemu: qemu's user emulation for aarch64.
        folder: Folder that `arm_sysroot.sh` made.
    """

    qemu: Path
    folder: Path

    def version(self) -> str:
        """Returns its name and version."""
        done = process.run([str(self.qemu), "--version"], timeout_s=_TIMEOUT_S)
        return (done.stdout.splitlines() or ["of unknown version"])[0].replace("qemu-aarch64 version", "qemu")


@dataclass(frozen=True, slots=True)
class Inference:
    """One warm inference as the emulated process ran it.

    Attributes:
        execution: The blocks of the library's code; addresses are those of the file.
        library: The library.
        runtime: Name and version of the runtime.
        partitions: Inputs and outputs, numbers of tensors, of each part of the graph that XNNPACK runs.
    """

    execution: Execution
    library: Library
    runtime: str
    partitions: tuple[tuple[frozenset[int], frozenset[int]], ...]


class ArmProcess:
    """Runs models on one kind of processor; as a context manager it keeps what is the same for all models."""

    def __init__(self, emulator: Emulator, processor: Processor) -> None:
        self._emulator, self._processor = emulator, processor
        self._folder = tempfile.TemporaryDirectory()
        self._root = Path(self._folder.name) / "root"
        _make_root(self._root, emulator.folder / "sysroot", processor)
        self._library: Library | None = None
        self._base = 0

    def __enter__(self) -> ArmProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def run(self, model: Path, kernels: Kernels) -> Inference:
        """Runs a model's first inference, then counts one between the marks.

        Raises:
            ModelNotLoadedError: It does not load under these kernels.
            RuntimeUnavailableError: The emulated process failed, did not end in time, or is not the processor
                that was asked for; or its log cannot be read.
        """
        arguments = [str(model.resolve()), kernels, str(BEGIN), str(END)]
        if self._library is None:
            self._library, self._base = self._located(self._run([], []))
        library, log = self._library, Path(self._folder.name) / "log"
        for _ in range(_TRIES):
            window = f"{self._base + library.start:#x}+{library.size_bytes:#x}"
            reader = LogReader()
            with _reading(log, reader):
                told = self._run(["-d", OPTIONS, "-dfilter", window, "-D", str(log)], arguments)
            if "problem" in told:
                raise ModelNotLoadedError(f"model {model} does not load under {kernels}", told["problem"])
            base, self._base = self._base, self._located(told)[1]
            if self._base == base:
                execution = reader.execution()
                here = Execution(execution.starts - base, execution.codes, execution.entered)
                parts = tuple((frozenset(taken), frozenset(made)) for taken, made in told["partitions"])
                return Inference(here, library, self._runtime(), parts)
        raise RuntimeUnavailableError(
            f"the emulated process of {self._emulator.qemu}",
            "another address of the library in each run",
            "the same",
            "run it where 'setarch -R true' works, which switches random addresses off",
        )

    def _runtime(self) -> str:
        """Returns the runtime's name and version, which its package's folder has in its name."""
        for folder in (self._emulator.folder / "site").glob("ai_edge_litert-*.dist-info"):
            return f"litert {folder.name.removesuffix('.dist-info').partition('-')[2]}"
        return "litert of unknown version"

    def _located(self, told: dict[str, Any]) -> tuple[Library, int]:
        """Finds the library that runs models and its base, and checks the processor."""
        if not self._processor.is_shown_by(told["processor"]):
            raise RuntimeUnavailableError(
                f"processor {self._processor.cpu}",
                "another one in the emulated process, for this qemu shows its own /proc/cpuinfo",
                "the one that was asked for",
                "use qemu 7.2, which arm_sysroot.sh takes on Debian 12, or --cpu a76",
            )
        for path, base in told["libraries"].items():
            if self._library is not None and self._library.path == Path(path):
                return self._library, base
        for path, base in told["libraries"].items():
            with contextlib.suppress(RuntimeUnavailableError):
                library = read_library(Path(path))
                if library.has(_ROOT_FUNCTION):
                    return library, base
        raise RuntimeUnavailableError(
            f"the runtime in {self._emulator.folder}",
            "no library that names its functions",
            "LiteRT 2",
            "make the folder again with arm_sysroot.sh",
        )

    def _run(self, options: list[str], arguments: list[str]) -> dict[str, Any]:
        argv = [*_same_addresses(), str(self._emulator.qemu), "-cpu", self._processor.qemu]
        argv += ["-L", str(self._root), *options, "-U", "PYTHONHOME"]
        packages = str(self._emulator.folder / "site")
        for name, value in {**_VARIABLES, "PYTHONPATH": packages}.items():
            argv += ["-E", f"{name}={value}"]
        argv += [str(self._emulator.folder / "sysroot" / _PYTHON), "-S", str(_GUEST), *arguments]
        done = process.run(argv, timeout_s=_TIMEOUT_S)
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0 or not lines:
            ended = "no end in time" if done.returncode is None else f"exit code {done.returncode}"
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise RuntimeUnavailableError(
                f"the emulated Arm processor in {self._emulator.folder}", f"{ended} ({last})"
            )
        told: dict[str, Any] = json.loads(lines[-1])
        return told


def _make_root(root: Path, sysroot: Path, processor: Processor) -> None:
    """Makes the files that the emulated process sees instead of this machine's."""
    root.mkdir()
    for entry in sysroot.resolve().iterdir():
        if entry.name not in ("proc", "sys"):
            (root / entry.name).symlink_to(entry)
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(processor.cpuinfo(), encoding="utf-8")
    cores = root / "sys" / "devices" / "system" / "cpu"
    cores.mkdir(parents=True)
    for name in ("possible", "present"):
        (cores / name).write_text(_CORES, encoding="utf-8")


def _same_addresses() -> list[str]:
    """Returns what to start a program with so that its addresses are not random, where that can be had."""
    setarch = shutil.which("setarch")
    if setarch and process.run([setarch, "-R", "true"], timeout_s=_TIMEOUT_S).returncode == 0:
        return [setarch, "-R"]
    return []


@contextlib.contextmanager
def _reading(log: Path, reader: LogReader) -> Iterator[None]:
    """Makes a pipe for the log and reads it meanwhile."""
    os.mkfifo(log)

    def read() -> None:
        with log.open("rb", buffering=0) as stream:
            reader.read(iter(lambda: stream.read(_PIECE_BYTES) or b"", b""))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the reader may wait for a writer that never came
            os.close(os.open(log, os.O_WRONLY | os.O_NONBLOCK))
        thread.join()
        log.unlink()
