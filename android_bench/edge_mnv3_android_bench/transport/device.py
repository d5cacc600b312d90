"""A device as the rest of the bench sees it, whatever reaches it: adb or ssh.

Exit codes and texts of those programs cannot be trusted, so each shell command ends with a mark that carries
its true exit code; output without that mark is never passed on as an answer.
"""

from __future__ import annotations

import re
import secrets
import shlex
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edge_mnv3.core.errors import DeviceError, DeviceFileError
from edge_mnv3.core.process import Completed

SHELL_TIMEOUT_S = 20.0
SLOWEST_LINK_BYTES_PER_S = 200_000  # wireless, far from the access point


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellOutput:
    """What a command on the device printed.

    Attributes:
        stdout: Lines end in a line feed. Where `merged`, both streams.
        stderr: Empty where `merged`.
        exit_code: The command's exit code; 128 + n when signal n killed it; None when `failure` is set.
        merged: The device does not keep the streams apart.
        failure: Why the output is not complete; None when it is.
    """

    stdout: str
    stderr: str
    exit_code: int | None
    merged: bool
    failure: DeviceError | None = None

    @property
    def complete(self) -> bool:
        """The command ended, and all that it printed is here."""
        return self.failure is None


class Device(ABC):
    """A device with a shell.

    Attributes:
        serial: Name under which it is reached, as the user gives it.
        folder: The tool's folder on it.
        runs_android: It has Android's properties and services; else it is a Linux board.
    """

    serial: str
    folder: str
    runs_android: ClassVar[bool]

    @abstractmethod
    def keeps_streams_apart(self) -> bool:
        """Whether stdout and stderr of a script arrive apart.

        Raises:
            DeviceError: It cannot be asked.
        """

    @abstractmethod
    def held_argv(self, script: str) -> list[str] | None:
        """The command line of a program on this machine that runs a script and passes its own input to it.

        None where the device does not tell a script that its input has ended.

        Raises:
            DeviceError: It cannot be asked.
        """

    @abstractmethod
    def push(self, local: Path, remote: str, *, stop: threading.Event | None = None) -> None:
        """Copies a file to the device.

        Some cut copies pass for done: the caller has to compare what arrived.

        Raises:
            DeviceFileError: The device refused it.
            DeviceError: `shell` failed.
        """

    @abstractmethod
    def pull(self, remote: str, local: Path, *, size_bytes: int = 0) -> None:
        """Copies a file from the device.

        Args:
            remote: Path on the device.
            local: Where to write it; may be left cut after an error.
            size_bytes: Its size, which lengthens the timeout.

        Raises:
            DeviceFileError: It does not exist or cannot be read.
            DeviceError: `shell` failed.
        """

    @abstractmethod
    def _run_shell(self, text: str, timeout_s: float, stop: threading.Event | None) -> Completed:
        """Runs text for the device's `sh` once."""

    @abstractmethod
    def _failure(self, done: Completed, client_text: str, timeout_s: float) -> DeviceError:
        """Says why a call was not answered whole.

        Args:
            done: The call.
            client_text: What the client itself printed; empty where the device had begun to answer.
            timeout_s: How long it had.
        """

    def attempt(
        self,
        script: str | Sequence[str],
        *,
        timeout_s: float | None = None,
        stop: threading.Event | None = None,
    ) -> ShellOutput:
        """Runs a command on the device and returns whatever came, with the reason when that is not all.

        Args:
            script: Text for the device's `sh`, or an argv list, which is quoted.
            timeout_s: Longest time that it may take; None for `SHELL_TIMEOUT_S`.
            stop: Ends the call when it is set, as in `process.run`.

        Raises:
            EdgeMnv3Error: The client cannot work here at all.
            KeyboardInterrupt: `stop` was set.
        """
        text = script if isinstance(script, str) else shlex.join(script)
        limit_s = SHELL_TIMEOUT_S if timeout_s is None else timeout_s
        try:
            apart = self.keeps_streams_apart()
        except DeviceError as error:
            return ShellOutput(stdout="", stderr="", exit_code=None, merged=False, failure=error)
        token = secrets.token_hex(8)
        done = self._run_shell(_marked(text, token, apart=apart), limit_s, stop)
        stdout, code = _between_marks(done.stdout, token)
        stderr, stderr_code = _between_marks(done.stderr, token) if apart else ("", code)
        failure = None
        if code is None or stderr_code is None:
            begun = f"{token}:begin\n" in done.stdout
            failure = self._failure(done, "" if begun else f"{done.stdout}\n{done.stderr}", limit_s)
            code = None
        return ShellOutput(stdout=stdout, stderr=stderr, exit_code=code, merged=not apart, failure=failure)

    def shell(
        self,
        script: str | Sequence[str],
        *,
        timeout_s: float | None = None,
        stop: threading.Event | None = None,
    ) -> ShellOutput:
        """Runs a command on the device; the arguments are those of `attempt`.

        Returns:
            All that it printed, and its exit code, which may be any.

        Raises:
            DeviceTimeoutError: It did not end in time. It may still run on the device.
            DeviceLostError: The connection broke before its end.
            DeviceUnavailableError: The device cannot be used, or not any more.
            EdgeMnv3Error: The client cannot work here at all.
            KeyboardInterrupt: `stop` was set.
        """
        output = self.attempt(script, timeout_s=timeout_s, stop=stop)
        if output.failure:
            raise output.failure
        return output

    def read_text(self, path: str) -> str | None:
        """Returns a file's text, or None where it does not exist or may not be read.

        Raises:
            DeviceError: `shell` failed.
        """
        output = self.shell(["cat", path])
        return output.stdout if output.exit_code == 0 else None


def file_error(what: str, text: str) -> DeviceFileError:
    """Says in one line why a file operation on the device failed, from what the device printed."""
    if "No space left" in text:
        return DeviceFileError(what, "no space left on the device", next_step="remove files from it")
    if "Read-only file system" in text:
        return DeviceFileError(what, "a read-only file system", "a folder that can be written to")
    if "Permission denied" in text:
        return DeviceFileError(what, "permission denied", "a folder that the device's shell may write to")
    return DeviceFileError(what, text or "an error without a text")


def _marked(script: str, token: str, *, apart: bool) -> str:
    """Wraps a script so that its output lies between marks, the last with its exit code.

    The whole mark never stands in the command line, so that a command which prints command lines cannot
    print one. The script runs in a second shell: `exit` and syntax errors in it do not lose the mark.
    """
    inner = f"sh -c {shlex.quote(script)} </dev/null"
    if not apart:
        return f"T={token};echo $T:begin;{inner} 2>&1;r=$?;echo;echo $T:end:$r"
    ends = "echo;echo $T:end:$r;echo >&2;echo $T:end:$r >&2"
    return f"T={token};echo $T:begin;echo $T:begin >&2;{inner};r=$?;{ends}"


def _between_marks(text: str, token: str) -> tuple[str, int | None]:
    """Returns what lies between the marks, and the exit code; None with what there is where one lacks."""
    _, begun, body = text.partition(f"{token}:begin\n")
    if not begun:
        return "", None
    end = re.search(rf"\n{token}:end:(\d+)\n", body)
    return (body[: end.start()], int(end[1])) if end else (body, None)
