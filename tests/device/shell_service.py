"""`shell:` and `exec:`: scripts of the phone, run by this computer's `sh` inside the phone's folder.

Absolute paths of the phone (/data, /sys, /proc, /system, ...) in a script are rewritten to the phone's
folder, and the folder's name is taken out of everything that the script prints; only /dev is the computer's
own. So neither privileges nor namespaces are needed. Scripts that are typed into an interactive shell are not
rewritten.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import struct
import subprocess
from pathlib import Path
from typing import IO, Protocol, cast

from device.adbd import Stream, StreamClosedError
from device.cable import Cable
from device.phone_commands import host_program
from device.threads import start_thread

_TOP_FOLDERS = "data|sys|proc|system|vendor|sdcard|storage|mnt|apex|odm|product|tmp|var"
_PHONE_PATH = re.compile(rf"(?<![\w./}})*?\]])/(?=(?:{_TOP_FOLDERS})(?![\w-]))")
_MESSAGES = (
    # dash counts lines, the phone's mksh does not for a script given by -c.
    (re.compile(rb"^/system/bin/sh: (?:line )?\d+: (?:exec: )?"), b"/system/bin/sh: "),
    (re.compile(rb"^/system/bin/taskset: (?:line )?\d+: exec: "), b"taskset: exec "),
    (
        re.compile(rb"(?<=: )cannot create (.*): Directory nonexistent"),
        rb"can't create \1: No such file or directory",
    ),
    (re.compile(rb"(?<=: )cannot (create|open) "), rb"can't \1 "),
    (re.compile(rb"^(/system/bin/sh: .*: )Exec format error"), rb"\1not executable: 64-bit ELF file"),
)

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
# A script begins when the phone's /proc shows it, as on a phone.
_WHEN_SHOWN = 'read -r _; exec "$@"'


class ScriptHost(Protocol):
    """What `shell:` needs of a phone."""

    cable: Cable
    root: Path
    shell_log: list[str]

    def shell_command(self, script: str) -> list[str]:
        """The argument list that runs a script on this computer."""

    def shell_environment(self, script: str) -> dict[str, str]:
        """The environment of a script."""

    def before_shell(self) -> None:
        """Called before each script: what the phone shows in files must be current."""

    def register_process(self, pid: int) -> None:
        """Called with the number of each shell."""

    def message_of_shell(self, line: bytes) -> bytes:
        """A line of the error stream as this phone writes it."""


def to_host_script(script: str, root: Path) -> str:
    """Rewrites the phone's absolute paths in a script."""
    return _PHONE_PATH.sub(f"{root}/", script)


def sed_rewriting(root: Path) -> str:
    """Returns that rewriting as a program of `sed -E`, for script files that the phone's `sh` is given."""
    # Paths that were rewritten when the file was written come back first.
    return rf"s#{root}/#/#g; s#(^|[^A-Za-z0-9_./}})*?-])/({_TOP_FOLDERS})(/|[^A-Za-z0-9_-]|$)#\1{root}/\2\3#g"


def serve_shell(phone: ScriptHost, stream: Stream, service: str, *, crlf: bool) -> None:
    """Runs one script, such as `shell,v2,raw:ls`; sends what it prints, and where v2 is asked how it ends.

    Raises:
        StreamClosedError: The computer is gone; the shell has got a hang-up, its children live on.
    """
    kind, _, script = service.partition(":")
    with_exit_code = "v2" in kind.split(",")
    phone.shell_log.append(script)
    phone.before_shell()
    command = phone.shell_command(to_host_script(script, phone.root))
    process = subprocess.Popen(
        [host_program("sh"), "-c", _WHEN_SHOWN, "sh", *command],
        cwd=phone.root,
        env=phone.shell_environment(script),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if with_exit_code else subprocess.STDOUT,
        start_new_session=True,
        bufsize=0,
    )
    phone.register_process(process.pid)
    with contextlib.suppress(OSError):
        cast("IO[bytes]", process.stdin).write(b"\n")
    _ShellRun(phone, stream, process, with_exit_code=with_exit_code, crlf=crlf).carry()


class _ShellRun:
    """Carries the streams of one running script."""

    def __init__(
        self,
        phone: ScriptHost,
        stream: Stream,
        process: subprocess.Popen[bytes],
        *,
        with_exit_code: bool,
        crlf: bool,
    ) -> None:
        self._phone = phone
        self._stream = stream
        self._process = process
        self._v2 = with_exit_code
        self._crlf = crlf
        self._root = str(phone.root).encode()

    def carry(self) -> None:
        outputs = [(self._process.stdout, STDOUT), (self._process.stderr, STDERR)]
        start_thread(self._feed)
        pumps = [start_thread(self._pump, pipe, number) for pipe, number in outputs if pipe is not None]
        for pump in pumps:
            pump.join()
        code = self._process.wait()
        if self._v2:
            self._stream.write(_packet(EXIT, bytes([code if code >= 0 else 128 - code])))

    def _feed(self) -> None:
        """Passes what the computer types on; a stream that closes means a hang-up for the shell."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            while True:
                kind, data = self._next_input()
                if kind == CLOSE_STDIN:
                    stdin.close()
                elif kind == STDIN and not stdin.closed:
                    with contextlib.suppress(OSError):
                        stdin.write(data)
        except StreamClosedError:
            with contextlib.suppress(OSError):
                stdin.close()
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGHUP)

    def _next_input(self) -> tuple[int, bytes]:
        if not self._v2:
            return STDIN, self._stream.read()
        kind, size = struct.unpack("<BI", self._stream.read_exactly(5))
        return kind, self._stream.read_exactly(size)

    def _pump(self, pipe: IO[bytes], number: int) -> None:
        """Sends one stream of the script; when the computer is gone the script's next output fails."""
        waiting = b""
        with contextlib.closing(pipe), contextlib.suppress(StreamClosedError):
            while data := os.read(pipe.fileno(), 65536):
                ready, waiting = self._ready(waiting + data, number)
                self._send(ready, number)
            self._send(self._translated(waiting, number), number)

    def _ready(self, data: bytes, number: int) -> tuple[bytes, bytes]:
        """What can be sent already, and what must wait: an unfinished line of errors, half of the root."""
        if number == STDERR or not self._v2:
            end = data.rfind(b"\n") + 1
        else:
            end = len(data)
            for size in range(min(len(self._root), len(data)), 0, -1):
                if data.endswith(self._root[:size]):
                    end = len(data) - size
                    break
        return self._translated(data[:end], number), data[end:]

    def _translated(self, data: bytes, number: int) -> bytes:
        data = data.replace(self._root + b"/", b"/").replace(self._root, b"/")
        if number == STDERR or not self._v2:
            data = b"".join(map(self._message, data.splitlines(keepends=True)))
        return data.replace(b"\n", b"\r\n") if self._crlf else data

    def _message(self, line: bytes) -> bytes:
        for pattern, replacement in _MESSAGES:
            line = pattern.sub(replacement, line)
        return self._phone.message_of_shell(line)

    def _send(self, data: bytes, number: int) -> None:
        sent, cut = self._phone.cable.take_shell(data)
        if sent:
            packet = _packet(number, sent) if self._v2 else sent
            self._stream.write(packet, until_taken=cut)
        if cut:
            self._phone.cable.come_off()
            raise StreamClosedError


def _packet(kind: int, data: bytes) -> bytes:
    return struct.pack("<BI", kind, len(data)) + data
