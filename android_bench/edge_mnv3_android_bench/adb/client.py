"""The real `adb` binary, one call at a time.

adb's own exit codes and texts cannot be trusted: version 29 ends with 0 when the device is lost, `connect`
with 0 when it fails, phones without the `shell_v2` protocol always give 0, and a hung device stays in the
list. So each call has a timeout, and shell commands end with a mark, as `transport.device` says.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_mnv3.core import process
from edge_mnv3.core.errors import (
    AdbUnavailableError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    DeviceUnavailableError,
)
from edge_mnv3.core.process import Completed
from edge_mnv3_android_bench.transport.device import (
    SHELL_TIMEOUT_S,
    SLOWEST_LINK_BYTES_PER_S,
    Device,
    file_error,
)

SERVER_TIMEOUT_S = 20.0  # a server that has to be started looks at all of the USB bus first
STATE_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 30.0
FOLDER = "/data/local/tmp/edge-mnv3"

_LISTED = re.compile(r"^(\(no serial number\)|\S+)\s+(.+?)((?:\s+[\w-]+:\S+)*)\s*$")
_SERVER_TROUBLE = ("cannot connect to daemon", "failed to start daemon", "failed to check server version")
_ADB_LINE = re.compile(r"^(?:adb: )?(?:error: )?(.*)$")
_CONTINUE = "connect it again and repeat the command: what is finished is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDevice:
    """A line of `adb devices`.

    Attributes:
        state: adb's word: `device` when usable, else `unauthorized`, `offline`, `recovery`, ….
        model: The model's name as adb spells it; empty while the device has not told.
    """

    serial: str
    state: str
    model: str


@dataclass(frozen=True, slots=True)
class Adb:
    """An adb binary and the server that it talks to.

    Attributes:
        path: The binary that `find_adb` returns.
        server_port: TCP port of the server on this machine; None for adb's own choice.
    """

    path: Path
    server_port: int | None = field(default=None, kw_only=True)

    def run(
        self, arguments: Sequence[str], *, timeout_s: float, stop: threading.Event | None = None
    ) -> Completed:
        """Runs adb once.

        Args:
            arguments: The command line after the server's port.
            timeout_s: Longest time that it may take.
            stop: Ends the call when it is set, as in `process.run`.

        Raises:
            AdbUnavailableError: The binary does not run, or its server cannot be reached or started.
        """
        try:
            done = process.run(self.argv(*arguments), timeout_s=timeout_s, stop=stop)
        except OSError as error:
            raise AdbUnavailableError(
                f"adb {self.path} does not run", error.strerror or str(error)
            ) from error
        if done.returncode and any(trouble in done.stderr for trouble in _SERVER_TROUBLE):
            raise AdbUnavailableError(
                "the adb server cannot be reached",
                _last_line(done.stderr),
                next_step="end other adb servers with 'adb kill-server' and try again",
            )
        return done

    def argv(self, *arguments: str) -> list[str]:
        """The command line with these arguments after the server's port."""
        port = ["-P", str(self.server_port)] if self.server_port is not None else []
        return [str(self.path), *port, *arguments]

    def devices(self) -> tuple[ListedDevice, ...]:
        """Lists the devices that the server knows, usable or not; starts the server if need be.

        Raises:
            AdbUnavailableError: The server does not answer.
        """
        done = self.run(["devices", "-l"], timeout_s=SERVER_TIMEOUT_S)
        if done.returncode != 0:
            got = f"no answer within {SERVER_TIMEOUT_S:g} s" if done.returncode is None else done.stderr
            raise AdbUnavailableError(
                "adb devices", got, next_step="end the server with 'adb kill-server' and try again"
            )
        return parse_devices(done.stdout)

    def connect(self, address: str) -> None:
        """Connects to a device on the network.

        Args:
            address: `HOST:PORT`.

        Raises:
            DeviceUnavailableError: It does not answer. That it does is no promise that it is usable.
        """
        for attempt in (1, 2):
            done = self.run(["connect", address], timeout_s=CONNECT_TIMEOUT_S)
            text = f"{done.stdout}\n{done.stderr}".strip()
            if "already connected" in text and attempt == 1 and self.device(address).state() == "offline":
                self.run(["disconnect", address], timeout_s=STATE_TIMEOUT_S)
                continue
            if "connected to" in text or "failed to authenticate" in text:
                return
            got = f"no answer within {CONNECT_TIMEOUT_S:g} s" if done.returncode is None else _last_line(text)
            raise DeviceUnavailableError(
                f"device {address} cannot be connected",
                got,
                next_step="check the address, and that wireless debugging is on and paired (adb pair)",
            )

    def device(self, serial: str) -> AdbDevice:
        """Returns a device by its serial, without checking that it is there."""
        return AdbDevice(self, serial)


class AdbDevice(Device):
    """One device behind adb.

    Attributes:
        adb: How it is reached.
        serial: adb's name for it; `HOST:PORT` for one on the network.
    """

    folder = FOLDER
    runs_android = True

    def __init__(self, adb: Adb, serial: str) -> None:
        self.adb = adb
        self.serial = serial
        self._apart: bool | None = None

    def state(self) -> str:
        """Returns adb's word for the device's state, `not found`, or `hung` when adb does not answer."""
        done = self._run(["get-state"], STATE_TIMEOUT_S)
        if done.returncode is None:
            return "hung"
        if done.returncode == 0:
            return done.stdout.strip()
        words = ("unauthorized", "offline", "authorizing", "connecting", "no permissions")
        return next((word for word in words if word in done.stderr), "not found")

    def keeps_streams_apart(self) -> bool:
        """The device and this adb speak `shell_v2`: stdout and stderr arrive apart.

        Raises:
            DeviceError: `shell` failed.
        """
        if self._apart is None:
            done = self._run(["features"], SERVER_TIMEOUT_S)
            if done.returncode is None or (done.returncode != 0 and self.state() != "device"):
                raise self._failure(done, f"{done.stdout}\n{done.stderr}", SERVER_TIMEOUT_S)
            self._apart = "shell_v2" in done.stdout.split()
        return self._apart

    def held_argv(self, script: str) -> list[str] | None:
        """As in `Device`: only `shell_v2` tells a script that its input has ended."""
        return self.adb.argv("-s", self.serial, "shell", script) if self.keeps_streams_apart() else None

    def push(self, local: Path, remote: str, *, stop: threading.Event | None = None) -> None:
        """As in `Device`; adb calls some cut copies done."""
        self._copy(["push", str(local.absolute()), remote], local.stat().st_size, f"push of {local}", stop)

    def pull(self, remote: str, local: Path, *, size_bytes: int = 0) -> None:
        """As in `Device`."""
        self._copy(["pull", remote, str(local.absolute())], size_bytes, f"pull of {remote}", None)

    def _copy(self, arguments: list[str], size_bytes: int, what: str, stop: threading.Event | None) -> None:
        timeout_s = SHELL_TIMEOUT_S + size_bytes / SLOWEST_LINK_BYTES_PER_S
        done = self._run(arguments, timeout_s, stop)
        text = f"{done.stdout}\n{done.stderr}"
        complained = any(
            line.startswith(("adb: error:", "error:", "failed to copy")) for line in text.split("\n")
        )
        if done.returncode == 0 and not complained:
            return
        if done.returncode is not None and self.state() == "device":
            raise file_error(f"device {self.serial}: {what}", _last_line(text))
        raise self._failure(done, text, timeout_s)

    def _run_shell(self, text: str, timeout_s: float, stop: threading.Event | None) -> Completed:
        return self._run(["shell", text], timeout_s, stop)

    def _failure(self, done: Completed, client_text: str, timeout_s: float) -> DeviceError:
        name = f"device {self.serial}"
        if done.returncode is None:
            return DeviceTimeoutError(
                name, f"no end within {timeout_s:g} s", next_step="if it hangs, unplug it or start it again"
            )
        if "unauthorized" in client_text:
            return DeviceUnavailableError(
                name, "unauthorized", next_step="unlock it and accept the question about USB debugging"
            )
        got = _last_line(client_text) or f"no end mark (adb ended with code {done.returncode})"
        return DeviceLostError(f"{name}: the connection broke", got, next_step=_CONTINUE)

    def _run(
        self, arguments: Sequence[str], timeout_s: float, stop: threading.Event | None = None
    ) -> Completed:
        return self.adb.run(["-s", self.serial, *arguments], timeout_s=timeout_s, stop=stop)


def parse_devices(text: str) -> tuple[ListedDevice, ...]:
    """Reads the output of `adb devices -l`, notices of the server before it included."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("List of devices attached")), None)
    if start is None:
        return ()
    matches = [_LISTED.match(line) for line in lines[start + 1 :] if not line.startswith("*")]
    return tuple(
        ListedDevice(
            serial=match[1],
            state=match[2].strip(),
            model=next((word[6:] for word in match[3].split() if word.startswith("model:")), "").replace(
                "_", " "
            ),
        )
        for match in matches
        if match
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("* daemon")]
    adb_line = next((line for line in reversed(lines) if line.startswith(("adb:", "error:"))), None)
    line = adb_line or (lines[-1] if lines else "")
    match = _ADB_LINE.match(line)
    return match[1] if match else line
