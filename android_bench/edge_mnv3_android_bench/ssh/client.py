"""A board behind the system's OpenSSH client, one call at a time.

The user's ssh configuration holds: names, users, ports, jump hosts and keys are what it says. Nothing is
asked (`BatchMode`); a key that must be unlocked belongs into an agent. All calls share one connection, where
OpenSSH can do that: the first one makes it, and it ends by itself soon after the last.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import shlex
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core import process
from edge_mnv3.core.errors import (
    ArgumentError,
    DeviceError,
    DeviceLostError,
    DeviceTimeoutError,
    DeviceUnavailableError,
    SshUnavailableError,
)
from edge_mnv3.core.process import Completed
from edge_mnv3_android_bench.transport.device import (
    SHELL_TIMEOUT_S,
    SLOWEST_LINK_BYTES_PER_S,
    Device,
    file_error,
)

PREFIX = "ssh:"
FOLDER = "/var/tmp/edge-mnv3"  # noqa: S108 - on the board: outlives a restart, and is no network's as a home may be
_CONNECT_TIMEOUT_S = 15
_ALIVE_S, _ALIVE_COUNT = 5, 3  # a link that answers nothing for so long is broken
_PERSIST_S = 30
_SSH_FAILED = 255
_CONTINUE = "see that it is on and reachable, and repeat the command: what is finished is kept"
# A name of the user's configuration, a host name or an address; IPv6 in brackets where a port follows.
_ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.\\-]*)@)?"
    r"(?:\[(?P<literal>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*))"
    r"(?::(?P<port>\d{1,5}))?"
)
# What OpenSSH prints: expected instead, and what to do.
_REFUSALS = (
    (
        re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED"),
        "another host key than before",
        "if the board was set up anew: ssh-keygen -R {host}, and connect once by hand",
    ),
    (
        re.compile(r"Host key verification failed|No \S+ host key is known"),
        "an unknown host key",
        "connect once by hand, 'ssh {host}', and compare the key with the board's",
    ),
    (
        re.compile(r"Permission denied \((.*)\)|Too many authentication failures"),
        "no key that it accepts",
        "give it yours, 'ssh-copy-id {host}', or unlock yours with ssh-add",
    ),
    (
        re.compile(r"Could not resolve hostname"),
        "a host name that nobody knows",
        "check the name, or name the board in ~/.ssh/config",
    ),
    (
        re.compile(
            r"Connection refused|Connection timed out|No route to host|Network is unreachable|"
            r"Host is down|Connection closed by|Connection reset by|Operation timed out"
        ),
        "",
        "check the address, and that its ssh server runs",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAddress:
    """Where a board is, as the user gives it.

    Attributes:
        user: None for the one of the ssh configuration.
        host: Name or address.
        port: None for the one of the ssh configuration.
    """

    user: str | None
    host: str
    port: int | None

    @property
    def destination(self) -> str:
        """As ssh takes it, without the port."""
        return f"{self.user}@{self.host}" if self.user else self.host


def parse_address(serial: str) -> SshAddress:
    """Reads `ssh:[USER@]HOST[:PORT]`.

    Raises:
        ArgumentError: It is none.
    """
    match = _ADDRESS.fullmatch(serial.removeprefix(PREFIX)) if serial.startswith(PREFIX) else None
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 0 < port < 65536):
        raise ArgumentError("--device", repr(serial), "ssh:HOST, ssh:USER@HOST or ssh:USER@HOST:PORT")
    return SshAddress(user=match["user"], host=match["literal"] or match["host"], port=port)


def find_ssh() -> Path:
    """Finds the OpenSSH client in `PATH`.

    Raises:
        SshUnavailableError: There is none.
    """
    found = shutil.which("ssh")
    if found is None:
        raise SshUnavailableError(
            "ssh was not found", "none in PATH", next_step="install OpenSSH's client (openssh-client)"
        )
    return Path(found).absolute()


class SshDevice(Device):
    """One board.

    Attributes:
        serial: `ssh:HOST`, as the user gives it.
        address: What that says.
    """

    folder = FOLDER
    runs_android = False

    def __init__(self, serial: str, program: Path) -> None:
        """Does not connect yet.

        Args:
            serial: `ssh:[USER@]HOST[:PORT]`.
            program: The OpenSSH client.

        Raises:
            ArgumentError: The serial is no such address.
        """
        self.serial = serial
        self.address = parse_address(serial)
        self._program = program
        self._sockets = _SocketFolder() if sys.platform != "win32" else None

    def check(self) -> None:
        """Connects, and sees that a shell answers.

        Raises:
            DeviceError: It does not; the text says why.
            SshUnavailableError: ssh does not run.
        """
        self.shell("exit 0", timeout_s=_CONNECT_TIMEOUT_S + SHELL_TIMEOUT_S)

    def keeps_streams_apart(self) -> bool:
        """As in `Device`: always."""
        return True

    def held_argv(self, script: str) -> list[str]:
        """As in `Device`: a closed connection ends a script's input."""
        return self._argv(script)

    def push(self, local: Path, remote: str, *, stop: threading.Event | None = None) -> None:
        """As in `Device`; boards without an sftp server take files too."""
        timeout_s = SHELL_TIMEOUT_S + local.stat().st_size / SLOWEST_LINK_BYTES_PER_S
        done = self._run(f"cat >{shlex.quote(remote)}", timeout_s, stop=stop, stdin=local)
        self._check_copy(done, f"push of {local}", timeout_s)

    def pull(self, remote: str, local: Path, *, size_bytes: int = 0) -> None:
        """As in `Device`."""
        timeout_s = SHELL_TIMEOUT_S + size_bytes / SLOWEST_LINK_BYTES_PER_S
        done = self._run(f"cat {shlex.quote(remote)}", timeout_s, stdout=local)
        self._check_copy(done, f"pull of {remote}", timeout_s)

    def _check_copy(self, done: Completed, what: str, timeout_s: float) -> None:
        if done.returncode in (None, _SSH_FAILED):
            raise self._failure(done, done.stderr, timeout_s)
        if done.returncode != 0:
            raise file_error(f"device {self.serial}: {what}", _last_line(done.stderr))

    def _run_shell(self, text: str, timeout_s: float, stop: threading.Event | None) -> Completed:
        return self._run(text, timeout_s, stop=stop)

    def _run(
        self,
        script: str,
        timeout_s: float,
        *,
        stop: threading.Event | None = None,
        stdin: Path | None = None,
        stdout: Path | None = None,
    ) -> Completed:
        try:
            return process.run(self._argv(script), timeout_s=timeout_s, stop=stop, stdin=stdin, stdout=stdout)
        except OSError as error:
            raise SshUnavailableError(
                f"ssh {self._program} does not run", error.strerror or str(error)
            ) from error

    def _argv(self, script: str) -> list[str]:
        """The command line that runs a script; the user's login shell may be any, so `sh` gets it."""
        options = {
            "BatchMode": "yes",
            "ClearAllForwardings": "yes",
            "ConnectTimeout": str(_CONNECT_TIMEOUT_S),
            "LogLevel": "ERROR",
            "PermitLocalCommand": "no",
            "RemoteCommand": "none",
            "RequestTTY": "no",
            "ServerAliveCountMax": str(_ALIVE_COUNT),
            "ServerAliveInterval": str(_ALIVE_S),
        }
        if self._sockets is not None:
            shared = {"ControlMaster": "auto", "ControlPersist": str(_PERSIST_S)}
            options |= {**shared, "ControlPath": str(self._sockets.path / "s")}
        port = ["-p", str(self.address.port)] if self.address.port is not None else []
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        command = f"exec sh -c {shlex.quote(script)}"
        return [str(self._program), "-a", "-x", *words, *port, "--", self.address.destination, command]

    def _failure(self, done: Completed, client_text: str, timeout_s: float) -> DeviceError:
        name = f"device {self.serial}"
        if done.returncode is None:
            return DeviceTimeoutError(
                name, f"no end within {timeout_s:g} s", next_step="if it hangs, start it again"
            )
        for pattern, got, step in _REFUSALS:
            if pattern.search(client_text):
                told = got or _last_line(client_text)
                return DeviceUnavailableError(
                    f"{name} cannot be connected",
                    told,
                    next_step=step.format(host=self.address.destination),
                )
        got = _last_line(client_text) or f"no end mark (ssh ended with code {done.returncode})"
        return DeviceLostError(f"{name}: the connection broke", got, next_step=_CONTINUE)


class _SocketFolder:
    """A folder for the socket of one shared connection; its path is short, as the system demands."""

    def __init__(self) -> None:
        short = "/tmp"  # noqa: S108 - made anew, for this user alone
        self.path = Path(tempfile.mkdtemp(prefix="edge-ssh-", dir=short if Path(short).is_dir() else None))
        atexit.register(self._remove)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self.path)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("ssh: ") if lines else ""
