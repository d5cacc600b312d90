"""Reading what qemu's emulation logs of one inference, on excerpts that its versions 7.2 and 10.0 wrote."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.errors import RuntimeUnavailableError
from edge_mnv3_android_bench.instructions.qemu_log import Execution, LogReader

LOGS = Path(__file__).parents[1] / "golden" / "qemu_logs"
OLD, NEW = ((LOGS / f"qemu-{version}.log").read_bytes() for version in ("7.2", "10.0"))


def execution(log: bytes, size: int = 1 << 20) -> Execution:
    reader = LogReader()
    reader.read(log[at : at + size] for at in range(0, len(log), size))
    return reader.execution()


def shape(ran: Execution) -> list[tuple[int, int]]:
    """Offset and size of each block that was entered, in order."""
    first = int(ran.starts[ran.entered[0]])
    return [(int(ran.starts[number]) - first, len(ran.codes[number])) for number in ran.entered.tolist()]


@pytest.mark.parametrize("log", [OLD, NEW], ids=["7.2", "10.0"])
def test_blocks_are_read_in_order(log: bytes) -> None:
    ran = execution(log)
    assert len(ran.entered) == 24
    assert sum(size for _, size in shape(ran)) == 152
    assert len(ran.starts) == len(set(ran.starts.tolist())) == len(ran.codes) == 23


def test_versions_write_the_same_code() -> None:
    old, new = execution(OLD), execution(NEW)
    assert shape(old) == shape(new)
    assert [old.codes[number] for number in old.entered.tolist()] == [
        new.codes[number] for number in new.entered.tolist()
    ]


@pytest.mark.parametrize("size", [37, 1000])
def test_pieces_may_end_anywhere(size: int) -> None:
    whole, pieces = execution(OLD), execution(OLD, size)
    assert pieces.codes == whole.codes
    assert np.array_equal(pieces.entered, whole.entered)


def test_a_block_that_was_left_before_it_began() -> None:
    (last, *_) = re.findall(rb"Trace [^\n]*\n(?=4711 close\(-434343)", OLD)
    stopped = OLD.replace(last, last + b"Stopped execution of TB chain before 0x7f22 [0000005509]\n" + last)
    assert np.array_equal(execution(stopped).entered, execution(OLD).entered)


MARK = b"4711 close(-424242)"
FIRST = int(execution(OLD).starts[0])
CODE = b"IN: \n0x%x: " % FIRST
SECOND_LINE = b"\n0x%x: " % (FIRST + 4)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (OLD.replace(SECOND_LINE, b"\n0x10: "), f"code at {FIRST:#x} with gaps"),
        (OLD[OLD.index(MARK) :], "no code of the block at 0x"),
        (OLD.replace(MARK, b"4711 close(7)"), "no mark -424242"),
        (OLD.replace(b"close(-434343)", b"close(7)"), "no mark -434343"),
        (
            b"4711 close(-424242) = -1\n4711 close(-434343) = -1\n",
            "no code of the runtime's library between the marks",
        ),
        (OLD.replace(b"Trace 0: 0x7", b"Trace 1: 0x7"), "several threads"),
        (OLD.replace(MARK, b"IN: \nOBJD-T: 5f2403d5\n\n" + MARK), "this qemu has no disassembler"),
        (OLD.replace(MARK, CODE + b" d503201f  nop\n\n" + MARK), "two codes at 0x"),
    ],
    ids=lambda each: each if isinstance(each, str) else "log",
)
def test_what_is_no_whole_log_is_refused(log: bytes, said: str) -> None:
    with pytest.raises(RuntimeUnavailableError) as raised:
        execution(log)
    assert said in str(raised.value)
