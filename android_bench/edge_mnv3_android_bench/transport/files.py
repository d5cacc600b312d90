"""The tool's folder on a device: files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shlex
import tempfile
import threading
from pathlib import Path

from edge_mnv3.core.errors import ArgumentError, DeviceError, DeviceFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3_android_bench.transport.device import SHELL_TIMEOUT_S, Device, file_error

TEMPORARY_PREFIX = ".push-"
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MARGIN_BYTES = 1 << 20  # left free beside a file, for the system
_HASH_BYTES_PER_S = 20_000_000  # slow flash on an old phone
_NO_HASH = "-"
LOCK = "lock"  # folder in the tool's folder: whose the device is just now; see `device.phone_lock`
LOST_LOCK_EXIT_CODE = 124


class DeviceFolder:
    """A folder on a device that belongs to this tool.

    Attributes:
        device: The device.
        path: The folder's path on it; the device's own where none is given.
        lock_token: Name of this use of the device; empty where nobody asked for its lock.
    """

    def __init__(self, device: Device, path: str = "", *, lock_token: str = "") -> None:
        self.device = device
        self.path = path or device.folder
        self.lock_token = lock_token

    def is_lost(self) -> bool:
        """Whether somebody else has taken over the lock that this use of the device had.

        Raises:
            DeviceError: `Device.shell` failed.
        """
        if not self.lock_token:
            return False
        done = self.device.shell(f"cd {self.path} || exit 0\n{lock_guard(self.lock_token)}\n{lock_beat()}")
        return done.exit_code == LOST_LOCK_EXIT_CODE

    def file(self, name: str) -> str:
        """Returns the path of a file in the folder.

        Raises:
            ArgumentError: The name has characters other than letters, digits, dot, dash and underscore.
        """
        if not FILE_NAME.fullmatch(name):
            raise ArgumentError("name of a file on the device", repr(name), "letters, digits, '.', '-', '_'")
        return f"{self.path}/{name}"

    def ensure(
        self, local: Path, name: str, *, executable: bool = False, stop: threading.Event | None = None
    ) -> bool:
        """Brings a file to the device unless it is there already, compared by its hash.

        It is pushed to a temporary name, compared with the original there, and renamed; a file of this name
        is always whole. Temporary files that earlier runs left are removed.

        Args:
            local: The file.
            name: Its name in the folder.
            executable: Make it a program.
            stop: Ends the call when it is set, as in `process.run`.

        Returns:
            Whether it had to be pushed.

        Raises:
            DeviceFileError: No space, a read-only or noexec file system, or what arrived differs.
            DeviceError: `Device.shell` failed.
            OSError: `local` cannot be read.
        """
        target = self.file(name)
        mode = "755" if executable else "644"
        present, free_bytes = self._prepare(name, mode, local.stat().st_size)
        if present != _NO_HASH and present == _local_hash(local, len(present)):
            if executable:
                self._check_executable(target)
            return False
        self._check_space(name, local.stat().st_size, free_bytes)
        temporary = f"{self.path}/{TEMPORARY_PREFIX}{secrets.token_hex(4)}"
        try:
            self.device.push(local, temporary, stop=stop)
            self._verify(local, temporary)
            moved = self.device.shell(f"chmod {mode} {temporary} && mv -f {temporary} {shlex.quote(target)}")
            if moved.exit_code != 0:
                raise self._error(f"renaming to {target}", moved.stdout + moved.stderr)
        except BaseException:
            with contextlib.suppress(DeviceError):
                self.device.shell(["rm", "-f", temporary])
            raise
        if executable:
            self._check_executable(target)
        return True

    def remove(self, *names: str) -> None:
        """Removes files; those that do not exist are no error.

        Raises:
            DeviceFileError: The device refused it.
            DeviceError: `Device.shell` failed.
        """
        done = self.device.shell(["rm", "-f", *map(self.file, names)])
        if done.exit_code != 0:
            raise self._error(f"removing {', '.join(names)}", done.stdout + done.stderr)

    def _prepare(self, name: str, mode: str, size_bytes: int) -> tuple[str, int | None]:
        """Makes the folder; returns the hash of a file that is there, and the free space."""
        quoted = shlex.quote(name)
        done = self.device.shell(
            f"mkdir -p {self.path} && cd {self.path} || exit 1\n"
            f"rm -f {TEMPORARY_PREFIX}*\n"
            f"if test -f {quoted}; then chmod {mode} {quoted}; {_hash_command(quoted)}\n"
            f"else echo {_NO_HASH}; fi\n"
            f"df -k {self.path} 2>/dev/null; true",
            timeout_s=SHELL_TIMEOUT_S + size_bytes / _HASH_BYTES_PER_S,
        )
        if done.exit_code != 0:
            raise self._error(f"folder {self.path}", done.stdout + done.stderr)
        return _parse_hash(done.stdout), parse_free_bytes(done.stdout)

    def _check_space(self, name: str, size_bytes: int, free_bytes: int | None) -> None:
        needed = size_bytes + _MARGIN_BYTES
        if free_bytes is not None and free_bytes < needed:
            raise DeviceFileError(
                f"device {self.device.serial}: no space for {name}",
                f"{free_bytes / 1e6:.1f} MB free",
                f"{needed / 1e6:.1f} MB",
                "remove files from it",
            )

    def _verify(self, local: Path, remote: str) -> None:
        """Compares size and hash of what arrived with the original."""
        size_bytes = local.stat().st_size
        done = self.device.shell(
            f"stat -c %s {remote}; {_hash_command(remote)}",
            timeout_s=SHELL_TIMEOUT_S + size_bytes / _HASH_BYTES_PER_S,
        )
        arrived = re.match(r"(\d+)\n", done.stdout)
        if arrived and int(arrived[1]) != size_bytes:
            raise self._error(f"push of {local}", f"{arrived[1]} of {size_bytes} bytes arrived")
        remote_hash = _parse_hash(done.stdout)
        if remote_hash == _NO_HASH:
            remote_hash = self._hash_of_copy(remote, size_bytes)
        if remote_hash != _local_hash(local, len(remote_hash)):
            raise self._error(f"push of {local}", "other content on the device than in the file")

    def _hash_of_copy(self, remote: str, size_bytes: int) -> str:
        """Hashes a file on a device without any program that hashes: it is copied back and hashed here."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            self.device.pull(remote, copy, size_bytes=size_bytes)
            return sha256_file(copy)

    def _check_executable(self, target: str) -> None:
        if self.device.shell(["test", "-x", target]).exit_code != 0:
            raise DeviceFileError(
                f"device {self.device.serial}: {target}",
                "a file that may not be run (the file system is mounted noexec)",
                "a folder that programs can be run from",
            )

    def _error(self, what: str, text: str) -> DeviceFileError:
        return file_error(f"device {self.device.serial}: {what}", " ".join(text.split()))


def lock_guard(token: str) -> str:
    """Returns a line of a script in the tool's folder: it ends there where the lock is not this use's.

    The exit code is `LOST_LOCK_EXIT_CODE`, and the last line of the errors says whose it is. Without a token
    the line does nothing.
    """
    if not token:
        return ":"
    return (
        f't=; read -r t 2>/dev/null <{LOCK}/token; test "$t" = {token} || '
        f"{{ cat {LOCK}/holder >&2; exit {LOST_LOCK_EXIT_CODE}; }}"
    )


def lock_beat() -> str:
    """Returns a line of a script in the tool's folder: a sign of life of whoever holds the lock."""
    return f'u=; read -r u x </proc/uptime && echo "$u" 2>/dev/null >{LOCK}/beat'


def parse_free_bytes(text: str) -> int | None:
    """Reads the last line of `df -k`; None where its form is another one, as before Android 6."""
    match = re.search(r"\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s+/\S*\s*$", text)
    return int(match[3]) * 1024 if match else None


def _hash_command(path: str) -> str:
    """Returns a command that prints SHA-256 or MD5, whichever the device can, else a dash."""
    return f"sha256sum {path} 2>/dev/null || md5sum {path} 2>/dev/null || echo {_NO_HASH}"


def _parse_hash(text: str) -> str:
    match = re.search(r"^([0-9a-f]{64}|[0-9a-f]{32})\s", text, re.MULTILINE)
    return match[1] if match else _NO_HASH


def _local_hash(path: Path, digits: int) -> str:
    """Returns the SHA-256 for 64 digits, else the MD5, which guards against accidents."""
    if digits == 64:
        return sha256_file(path)
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
