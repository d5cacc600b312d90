"""Reads the log of qemu's user emulation: which blocks of code ran between two marks, in order.

The log is what `-d exec,nochain,in_asm,strace -dfilter START+SIZE` writes: each block's code when it is
translated, a line whenever it is entered, and the system calls, among which are the marks. qemu 7.2 and 10
write it alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import RuntimeUnavailableError

BEGIN, END = -424242, -434343  # what the marked system calls close: no file has such a number
OPTIONS = "exec,nochain,in_asm,strace"

_ENTERED = re.compile(rb"^Trace (\d+): 0x[0-9a-f]+ \[[0-9a-f]+/([0-9a-f]+)/", re.MULTILINE)
_STOPPED = re.compile(rb"^Trace [^\n]*\nStopped execution of TB chain before [^\n]*\n", re.MULTILINE)
_CODE = re.compile(rb"^IN: [^\n]*\n((?:0x[0-9a-f]+: [^\n]*\n)+)", re.MULTILINE)
_INSTRUCTION = re.compile(rb"^0x([0-9a-f]+):\s+([0-9a-f]{8})\b", re.MULTILINE)
# Without a disassembler qemu writes the bytes in one line after another, which stand in memory's order.
_UNKNOWN_CODE = re.compile(rb"^IN: [^\n]*\nOBJD-T:", re.MULTILINE)
_CODE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Execution:
    """What ran between the marks.

    Attributes:
        starts: Address of each block, (blocks,) int64.
        codes: Each block's instructions, 32-bit words.
        entered: Number of the block that was entered, in order, (n,) uint32.
    """

    starts: npt.NDArray[np.int64]
    codes: tuple[tuple[int, ...], ...]
    entered: npt.NDArray[np.uint32]


class LogReader:
    """Takes the log piece by piece, so that it need not be kept; one for each run."""

    def __init__(self) -> None:
        self._rest = b""
        self._codes: dict[int, tuple[int, ...]] = {}
        self._numbers: dict[bytes, int] = {}
        self._entered: list[npt.NDArray[np.uint32]] = []
        self._is_marked = self._is_ended = False
        self._problem = ""

    def read(self, pieces: Iterable[bytes]) -> None:
        """Reads the log to its end; what is wrong with it is said by `execution`."""
        for piece in pieces:
            log = self._rest + piece
            # Code is followed by the line that enters it: what comes before that line is whole.
            end = log.rfind(b"\nTrace ") + 1
            self._rest = log[end:]
            if end and not self._problem:
                self._take(log[:end])
        if not self._problem:
            self._take(self._rest)
        self._rest = b""

    def execution(self) -> Execution:
        """Returns what ran between the marks.

        Raises:
            RuntimeUnavailableError: The log lacks a mark or a block's code, or has several threads.
        """
        if not self._problem and not self._is_ended:
            self._problem = f"no mark {END if self._is_marked else BEGIN}"
        if not self._problem and not self._entered:
            self._problem = "no code of the runtime's library between the marks"
        if self._problem:
            raise RuntimeUnavailableError("qemu's log", self._problem, "one inference between two marks")
        starts = [int(start, 16) for start in self._numbers]
        return Execution(
            np.array(starts, np.int64),
            tuple(self._codes[start] for start in starts),
            np.concatenate(self._entered),
        )

    def _take(self, log: bytes) -> None:
        """Takes whole lines; code that is translated between the marks counts like code from before."""
        if self._is_ended:
            return
        if not self._is_marked:
            self._take_codes(log)
            _, mark, log = log.partition(b" close(%d) = " % BEGIN)
            self._is_marked = bool(mark)
            if not mark:
                return
        log, mark, _ = log.partition(b" close(%d) = " % END)
        self._is_ended = bool(mark)
        self._take_codes(log)
        self._take_entries(log)

    def _take_codes(self, log: bytes) -> None:
        if b"IN:" not in log:
            return
        if _UNKNOWN_CODE.search(log):
            self._problem = "code without its instructions: this qemu has no disassembler"
        for lines in _CODE.findall(log):
            found = _INSTRUCTION.findall(lines)
            start, code = int(found[0][0], 16), tuple(int(word, 16) for _, word in found)
            addresses = [int(address, 16) for address, _ in found]
            if addresses != list(range(start, start + _CODE_BYTES * len(code), _CODE_BYTES)):
                self._problem = f"code at {start:#x} with gaps"
            if self._codes.setdefault(start, code) != code:
                self._problem = f"two codes at {start:#x}"

    def _take_entries(self, log: bytes) -> None:
        if b"Stopped" in log:
            log = _STOPPED.sub(b"", log)  # entered, and left before its first instruction
        entries = _ENTERED.findall(log)
        threads = {thread for thread, _ in entries}
        if len(threads) > 1 or threads - {b"0"}:
            self._problem = "several threads"
        numbers = self._numbers
        for start in dict.fromkeys(start for _, start in entries):
            if int(start, 16) not in self._codes:
                self._problem = f"no code of the block at {int(start, 16):#x}"
            numbers.setdefault(start, len(numbers))
        if entries:
            entered = np.fromiter((numbers[start] for _, start in entries), np.uint32, len(entries))
            self._entered.append(entered)
