"""Cycles of basic blocks by `llvm-mca`, LLVM's model of processors' pipelines."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_mnv3.core import process
from edge_mnv3.core.errors import RuntimeUnavailableError

PROGRAM_VARIABLE = "EDGE_MNV3_LLVM_MCA"
HOW_TO_GET_IT = (
    "no cycles are modelled without llvm-mca of LLVM 19: install Debian's llvm-19, "
    f"or let {PROGRAM_VARIABLE} name the program"
)
_MAJOR = "19"  # its tables of processors; those of another version give other cycles
_NAMES = (f"llvm-mca-{_MAJOR}", "llvm-mca")
_VERSION = re.compile(r"LLVM version (\d+)((?:\.\d+)*)")
_TIMEOUT_S = 600.0  # all blocks of a model take one second
_TRIPLE = ["aarch64", "-mattr=+all"]
_ITERATIONS = 100
# A call that the processor foresees is a jump; llvm-mca takes one for 100 cycles.
_CALL_MASK, _CALL, _JUMP_BIT = 0xFC000000, 0x94000000, 0x80000000
_POINTER_CALL_MASK, _POINTER_CALL, _POINTER_JUMP_BIT = 0xFFFFFC1F, 0xD63F0000, 0x00200000
_Code = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Llvm:
    """LLVM's programs; remembers the blocks that it has modelled.

    Attributes:
        mca: `llvm-mca`.
        mc: `llvm-mc`, which turns bytes into assembly.
        version: LLVM's version.
    """

    mca: Path
    mc: Path
    version: str
    _known: dict[tuple[str, _Code], float] = field(default_factory=dict, repr=False)

    def cycles(self, codes: Sequence[_Code], processor: str) -> npt.NDArray[np.float64]:
        """Models each block as a loop that runs many times, whose loads all hit the first cache.

        Args:
            codes: Each block's instructions, 32-bit words.
            processor: What LLVM calls the processor.

        Returns:
            Cycles of one execution of each block, (blocks,) float64.

        Raises:
            RuntimeUnavailableError: LLVM failed, or does not know an instruction.
        """
        new = [code for code in dict.fromkeys(codes) if (processor, code) not in self._known]
        if new:
            with tempfile.TemporaryDirectory() as folder:
                modelled = self._modelled(Path(folder), new, processor)
            self._known.update({(processor, code): each for code, each in zip(new, modelled, strict=True)})
        return np.array([self._known[processor, code] for code in codes], np.float64)

    def _modelled(self, folder: Path, codes: list[_Code], processor: str) -> list[float]:
        words = [_without_call(word).to_bytes(4, "little") for code in codes for word in code]
        hexadecimal = "\n".join(" ".join(f"{byte:#04x}" for byte in word) for word in words)
        text = self._run(folder, [str(self.mc), "--disassemble", "-triple", *_TRIPLE], hexadecimal)
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(".")]
        if len(lines) != len(words):
            raise RuntimeUnavailableError(
                str(self.mc), f"{len(lines)} instructions of {len(words)}", "all of the runtime's code"
            )
        there = iter(lines)
        assembly = "".join(
            f"# LLVM-MCA-BEGIN {number}\n" + "".join(f"{next(there)}\n" for _ in code) + "# LLVM-MCA-END\n"
            for number, code in enumerate(codes)
        )
        argv = [str(self.mca), "-mtriple", *_TRIPLE, f"-mcpu={processor}", f"-iterations={_ITERATIONS}"]
        argv += ["-json", "-instruction-info=false", "-resource-pressure=false"]
        return read_cycles(self._run(folder, argv, assembly), len(codes))

    def _run(self, folder: Path, argv: list[str], given: str) -> str:
        file = folder / "input"
        file.write_text(given, encoding="ascii")
        done = process.run(argv, timeout_s=_TIMEOUT_S, stdin=file)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if "error:" in line] or ["no error"]
            raise RuntimeUnavailableError(argv[0], said[0], "exit code 0")
        return done.stdout


def read_cycles(text: str, blocks: int) -> list[float]:
    """Reads what `llvm-mca -json` wrote of as many blocks, which are called by their numbers.

    Returns:
        Cycles of one execution of each.

    Raises:
        RuntimeUnavailableError: A block or its figures are missing.
    """
    try:
        regions = {each["Name"]: each["SummaryView"] for each in json.loads(text)["CodeRegions"]}
        summaries = [regions[str(number)] for number in range(blocks)]
        return [each["TotalCycles"] / each["Iterations"] for each in summaries]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise RuntimeUnavailableError("llvm-mca", f"no figures ({error!r})", f"{blocks} blocks") from error


def find_llvm() -> Llvm | None:
    """Finds LLVM 19: the program that the environment variable names, or one on the path.

    Returns:
        None if there is none on the path.

    Raises:
        RuntimeUnavailableError: The variable names something else.
    """
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        llvm = _llvm(Path(named).expanduser())
        if llvm is None:
            raise RuntimeUnavailableError(
                f"{PROGRAM_VARIABLE} {named}", "another program", f"llvm-mca of LLVM {_MAJOR}, beside llvm-mc"
            )
        return llvm
    found = (shutil.which(name) for name in _NAMES)
    return next((llvm for path in found if path and (llvm := _llvm(Path(path)))), None)


def _llvm(mca: Path) -> Llvm | None:
    """Takes a program for llvm-mca, if it is one of this version and has llvm-mc beside it."""
    mc = mca.with_name(mca.name.replace("llvm-mca", "llvm-mc"))
    if not mca.is_file() or not mc.is_file():
        return None
    try:
        told = process.run([str(mca), "--version"], timeout_s=_TIMEOUT_S)
    except OSError:
        return None
    version = _VERSION.search(told.stdout)
    return Llvm(mca, mc, version[1] + version[2]) if version and version[1] == _MAJOR else None


def _without_call(word: int) -> int:
    """Turns a call into the jump to the same place."""
    if word & _CALL_MASK == _CALL:
        return word & ~_JUMP_BIT
    return word & ~_POINTER_JUMP_BIT if word & _POINTER_CALL_MASK == _POINTER_CALL else word
