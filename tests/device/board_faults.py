"""What goes wrong with boards over ssh, and what `edge-mnv3 bench --device ssh:HOST` makes of it."""

from __future__ import annotations

import json
import socketserver
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from device.bench_setup import FOLDER
from device.board import Board

DONE, FAILED, UNSTABLE = 0, 1, 3
SECOND_LAUNCH = 2  # of the program; the very first one is --help
_X86_64 = b"\x7fELF\x02\x01" + bytes(12) + (62).to_bytes(2, "little") + bytes(44)


class BoardStage(NamedTuple):
    """Where a fault happens.

    Attributes:
        board: The board.
        folder: For files.
    """

    board: Board
    folder: Path


@dataclass(frozen=True, kw_only=True)
class BoardFault:
    """One thing that goes wrong; the fields are those of `Fault` for phones.

    Attributes:
        what: What happens, in words.
        arrange: Makes it happen; may return further arguments of the command.
        code: Exit code.
        says: Part of what the command prints.
        reachable: The board can be asked afterwards without anybody's doing.
        locked: The board belongs to another user afterwards.
    """

    what: str
    arrange: Callable[[BoardStage], tuple[str | Path, ...] | None]
    code: int
    says: str
    reachable: bool = True
    locked: bool = False


def _nobody_listens(stage: BoardStage) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        port = int(server.server_address[1])
    stage.board.write_client(key="user_key", port=port)


def _unknown_key(stage: BoardStage) -> None:
    (stage.board.folder / "known_hosts").write_text("")


def _changed_key(stage: BoardStage) -> None:
    public = (stage.board.folder / "other_key.pub").read_text()
    (stage.board.folder / "known_hosts").write_text(f"[127.0.0.1]:{stage.board.port} {public}")


def _refused_key(stage: BoardStage) -> None:
    stage.board.write_client(key="other_key")


def _other_processor(stage: BoardStage) -> tuple[str | Path, ...]:
    binary = stage.folder / "other_benchmark_model"
    binary.write_bytes(_X86_64)
    return ("--benchmark-binary", binary)


def _vanishes(stage: BoardStage) -> None:
    stage.board.phone.in_launch(SECOND_LAUNCH, stage.board.vanish)


def _full(stage: BoardStage) -> None:
    stage.board.phone.fill_up(free_bytes=1000)


def _held(stage: BoardStage) -> None:
    lock = stage.board.phone.host_path(f"{FOLDER}/lock")
    lock.mkdir(parents=True)
    values = {"since": "0.00", "beat": "0.00", "holder": json.dumps({"owner": "ann@desk"}), "token": "c0ffee"}
    for name, value in values.items():
        (lock / name).write_text(f"{value}\n")


def _low_voltage(stage: BoardStage) -> None:
    stage.board.throttle_firmware(0x50005)


def _fixed(stage: BoardStage) -> tuple[str, ...]:
    return ("--fixed-performance",)


BOARD_FAULTS = (
    BoardFault(what="nobody listens there", arrange=_nobody_listens, code=FAILED, says="Connection refused"),
    BoardFault(what="its host key is unknown", arrange=_unknown_key, code=FAILED, says="an unknown host key"),
    BoardFault(
        what="its host key has changed",
        arrange=_changed_key,
        code=FAILED,
        says="another host key than before",
    ),
    BoardFault(what="it refuses the key", arrange=_refused_key, code=FAILED, says="no key that it accepts"),
    BoardFault(
        what="the program is for another processor",
        arrange=_other_processor,
        code=FAILED,
        says="a program for x86_64, expected one for linux_aarch64",
    ),
    BoardFault(
        what="the connection is lost in a launch",
        arrange=_vanishes,
        code=FAILED,
        says="the connection broke",
        reachable=False,
    ),
    BoardFault(what="its disk is full", arrange=_full, code=FAILED, says="no space for"),
    BoardFault(
        what="somebody else measures on it",
        arrange=_held,
        code=FAILED,
        says="is in use: got ann@desk",
        locked=True,
    ),
    BoardFault(
        what="its firmware holds clocks down, which they do not show",
        arrange=_low_voltage,
        code=UNSTABLE,
        says="before it the board's firmware held clocks down: too little voltage, throttled",
    ),
    BoardFault(
        what="it is asked for Android's fixed-performance mode",
        arrange=_fixed,
        code=FAILED,
        says="got no Android, expected 30 (Android 11) or later",
    ),
)
