"""What is done with an emulated process: its library, its address, its log; and LLVM's programs beside it.

A script stands in for qemu: it says what the process would say, and writes a log that qemu wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mnv3.core.errors import ModelNotLoadedError, RuntimeUnavailableError
from edge_mnv3_android_bench.instructions import emulation
from edge_mnv3_android_bench.instructions.emulation import ArmProcess, Emulator
from edge_mnv3_android_bench.instructions.library import Library
from edge_mnv3_android_bench.instructions.llvm import PROGRAM_VARIABLE, find_llvm
from edge_mnv3_android_bench.instructions.processors import PROCESSORS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes with names and scripts")
LOG = Path(__file__).parents[1] / "golden" / "qemu_logs" / "qemu-7.2.log"
A76 = PROCESSORS["a76"]
BASE = 0x1000
QEMU = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
if "--version" in sys.argv:
    sys.exit(print("qemu-aarch64 version 7.2.9"))
calls = here / "calls"
number = len(calls.read_text()) if calls.exists() else 0
calls.write_text("." * (number + 1))
if "-D" in sys.argv:
    with open(sys.argv[sys.argv.index("-D") + 1], "wb") as log:
        log.write(pathlib.Path({log!r}).read_bytes())
told = json.loads((here / "told.json").read_text())
said = told[min(number, len(told) - 1)]
if isinstance(said, str):
    sys.exit(said)
print("the runtime's own lines")
print(json.dumps(said))
"""


class Machine:
    """A folder with a stand-in for qemu, and what its processes tell, one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("usr", "proc", "sys"):
            (folder / "sysroot" / name).mkdir(parents=True)
        (folder / "site" / "ai_edge_litert-2.3.0.dist-info").mkdir(parents=True)
        qemu = folder / "qemu"
        qemu.write_text(QEMU.format(python=sys.executable, log=str(LOG)))
        qemu.chmod(0o755)
        self.emulator = Emulator(qemu, folder)

    def tells(self, *said: dict[str, Any] | str) -> ArmProcess:
        (self.folder / "told.json").write_text(json.dumps(said))
        return ArmProcess(self.emulator, A76)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def read(path: Path) -> Library:
        if path.name == "other.so":
            raise RuntimeUnavailableError("library other.so", "no names", "names")
        names = ("_ZN6tflite8Subgraph6InvokeEv",) if path.name == "runtime.so" else ("main",)
        return Library(path, 0, np.zeros(4, np.uint32), np.zeros(1, np.int64), names)

    monkeypatch.setattr(emulation, "read_library", read)
    return Machine(tmp_path)


def told(base: int = BASE, **more: Any) -> dict[str, Any]:
    libraries = {"/lib/other.so": 1, "/lib/python.so": 2, "/lib/runtime.so": base}
    partitions = [[[0, 1], [5]]]
    return {"processor": A76.cpuinfo(), "libraries": libraries, "partitions": partitions, **more}


@pytest.mark.parametrize("bases", [(BASE, BASE), (BASE, 0x2000, 0x2000)], ids=["the same", "moved once"])
def test_an_inference_is_taken_where_the_library_lies_as_it_lay(machine: Machine, bases: Any) -> None:
    with machine.tells(*map(told, bases)) as arm:
        inference = arm.run(machine.folder / "m.tflite", "xnnpack")
        again = arm.run(machine.folder / "m.tflite", "xnnpack")
    assert inference.runtime == "litert 2.3.0"
    assert inference.library.path == Path("/lib/runtime.so")
    assert inference.partitions == ((frozenset({0, 1}), frozenset({5})),)
    assert len(inference.execution.entered) == 24
    assert np.array_equal(inference.execution.starts, again.execution.starts)
    assert machine.emulator.version() == "qemu 7.2.9"


def test_an_address_that_never_stays_is_an_error(machine: Machine) -> None:
    moving = (told(BASE * number) for number in range(1, 9))
    wrong = pytest.raises(RuntimeUnavailableError, match="another address of the library in each run")
    with machine.tells(*moving) as arm, wrong:
        arm.run(machine.folder / "m.tflite", "xnnpack")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("cannot open", r"exit code 1 \(cannot open\)"),
        (told(processor=PROCESSORS["a73"].cpuinfo()), "another one in the emulated process"),
        (told(libraries={"/lib/other.so": 1, "/lib/python.so": 2}), "no library that names its functions"),
    ],
)
def test_a_process_that_is_none_of_the_kind(machine: Machine, said: Any, words: str) -> None:
    with machine.tells(said) as arm, pytest.raises(RuntimeUnavailableError, match=words):
        arm.run(machine.folder / "m.tflite", "builtin")


def test_a_model_that_does_not_load(machine: Machine) -> None:
    refused = pytest.raises(ModelNotLoadedError, match=r"does not load under builtin: got no such operator")
    with machine.tells(told(), told(problem="no such operator")) as arm, refused:
        arm.run(machine.folder / "m.tflite", "builtin")


def test_the_process_sees_the_processor_and_the_rest_of_the_folder(machine: Machine) -> None:
    with machine.tells(told()) as arm:
        root = arm._root
        assert (root / "proc" / "cpuinfo").read_text() == A76.cpuinfo()
        assert (root / "usr").resolve() == (machine.folder / "sysroot" / "usr").resolve()
        assert not (root / "proc").is_symlink()
    assert not root.exists()


def test_a_runtime_without_its_version(machine: Machine) -> None:
    (machine.folder / "site" / "ai_edge_litert-2.3.0.dist-info").rmdir()
    with machine.tells(told()) as arm:
        assert arm.run(machine.folder / "m.tflite", "xnnpack").runtime == "litert of unknown version"


def programs(folder: Path, *, mc: str, mca: str, version: str = "19.1.7") -> Path:
    for name, body in (("llvm-mc-19", mc), ("llvm-mca-19", mca)):
        script = folder / name
        script.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "LLVM version {version}" && exit\n{body}\n'
        )
        script.chmod(0o755)
    return folder / "llvm-mca-19"


CODES = [(0xD503201F,), (0x94000001, 0xD63F0020)]
TWO = json.dumps(
    {
        "CodeRegions": [
            {"Name": str(n), "SummaryView": {"Iterations": 100, "TotalCycles": 100 + n}} for n in (0, 1)
        ]
    }
)


def test_llvm_models_each_block_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = f"echo . >> {tmp_path / 'runs'}"
    mca = programs(
        tmp_path, mc="cat > /dev/null; printf '.text\\nnop\\nb 4\\nbr x1\\n'", mca=f"{count}; echo '{TWO}'"
    )
    monkeypatch.setenv(PROGRAM_VARIABLE, str(mca))
    llvm = find_llvm()
    assert llvm is not None
    assert llvm.version == "19.1.7"
    assert llvm.cycles(CODES, "cortex-a76").tolist() == [1.0, 1.01]
    assert llvm.cycles(CODES[::-1], "cortex-a76").tolist() == [1.01, 1.0]
    assert (tmp_path / "runs").read_text().count(".") == 1


@pytest.mark.parametrize(
    ("mc", "mca", "words"),
    [
        ("cat > /dev/null; echo nop", "true", "got 1 instructions of 3"),
        ("echo 'input:1: error: invalid' >&2; exit 1", "true", "got input:1: error: invalid"),
        ("printf 'nop\\nnop\\nnop\\n'", "exit 1", "got no error"),
    ],
)
def test_llvm_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mc: str, mca: str, words: str
) -> None:
    monkeypatch.setenv(PROGRAM_VARIABLE, str(programs(tmp_path, mc=mc, mca=mca)))
    llvm = find_llvm()
    assert llvm is not None
    with pytest.raises(RuntimeUnavailableError, match=words):
        llvm.cycles(CODES, "cortex-a76")


def test_llvm_of_another_version_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, mc="true", mca="true", version="18.1.3")
    monkeypatch.delenv(PROGRAM_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = find_llvm()
    assert found is None or found.mca.parent != tmp_path
