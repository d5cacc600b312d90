"""The folder of an emulated phone: its files under `root`, and what only the emulator knows under `state`."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from device.layouts import Layout
from device.phone_commands import install_commands

WORKING_FOLDERS = ("/data/local/tmp", "/sdcard")
_CLOSED_FOLDERS = ("data", "data/local", "system", "vendor", "")
_SWITCHES = ("taskset_ignored", "read_only", "no_execution")


@dataclass(kw_only=True)
class Faults:
    """What is wrong with the phone itself; assign to it at any time. The cable's faults are in `Cable`.

    Attributes:
        shell_v2: Off on Android before 7: exit codes are always 0 and errors come with the output.
        crlf: Whether the shell ends lines with a carriage return, as Android before 7 does.
        garbled_properties: `getprop` prints damaged lines.
        corrupt_pushes: So many blocks of pushed files arrive with a wrong byte.
        taskset_ignored: `taskset` says nothing, and the program runs on all cores.
        read_only: /data cannot be written to.
        no_execution: Nothing on /data can be executed.
    """

    shell_v2: bool = True
    crlf: bool = False
    garbled_properties: bool = False
    corrupt_pushes: int = 0
    taskset_ignored: bool = False
    read_only: bool = False
    no_execution: bool = False


class PhoneFolder:
    """Files of one phone.

    Attributes:
        root: The phone's own files.
        state: Settings, services' texts and switches.
        faults: What is wrong; takes effect at the next `show`.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        self.faults = Faults()
        self._layout = layout
        self._applied = Faults()
        self._shown: dict[str, str | None] = {}
        self._lock = threading.RLock()
        self._data_capacity_bytes = 0
        self._make()

    def host_path(self, device_path: str) -> Path:
        """Where a file of the phone lies on this computer."""
        return self.root / normal(device_path).lstrip("/")

    def show(self, files: dict[str, str | None]) -> None:
        """Writes those of the files that have changed; paths that begin with / are the phone's own.

        None removes a file.
        """
        with self._lock:
            self._apply_faults()
            for name, content in files.items():
                if self._shown.get(name, "") != content:
                    self._write(name, content)
                    self._shown[name] = content

    def set_data_capacity(self, size: int) -> None:
        """Sets the size of /data, bytes."""
        with self._lock:
            self._data_capacity_bytes = size
            self._write("data_capacity_bytes", str(size))

    def used_data_bytes(self) -> int:
        """Bytes of all files on /data."""
        size = 0
        for path in self.host_path("/data").rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
        return size

    def free_data_bytes(self) -> int:
        """Bytes that still fit on /data."""
        return max(0, self._data_capacity_bytes - self.used_data_bytes())

    def refusal_to_write(self, device_path: str) -> int | None:
        """The error number with which the phone refuses to write there; None when it does not."""
        path = normal(device_path)
        if not path.startswith(("/data/", "/sdcard/")) or self.faults.read_only:
            return errno.EROFS
        return None if path.startswith(tuple(f"{folder}/" for folder in WORKING_FOLDERS)) else errno.EACCES

    def remove_command(self, name: str) -> None:
        """Removes a program; the phone gets its own copy of the others."""
        programs = self.root / "system/bin"
        if programs.is_symlink():
            shared = programs.resolve()
            (self.root / "system").chmod(0o755)
            programs.unlink()
            shutil.copytree(shared, programs, symlinks=True)
            (self.root / "system").chmod(0o555)
        (programs / name).unlink(missing_ok=True)

    def unlock(self) -> None:
        """Makes all folders writable, so that they can be removed."""
        for folder in (self.root, *(path for path in self.root.rglob("*") if path.is_dir())):
            folder.chmod(0o755)

    def _make(self) -> None:
        for folder in (*WORKING_FOLDERS, "/proc", "/sys/class/thermal", "/vendor"):
            self.host_path(folder).mkdir(parents=True)
        for name in ("dumpsys", "settings/global", "settings/system", "settings/secure"):
            (self.state / name).mkdir(parents=True)
        for path, content in self._layout.files.items():
            target = self.host_path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o444)
        for path, to in self._layout.links.items():
            target = self.host_path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(to)
        # Phones of one Android share their programs: making a hundred files costs more than all the rest.
        programs = self.root.parent.parent / f"programs-{self._layout.sdk}"
        if not programs.exists():
            install_commands(programs, self._layout.sdk)
        (self.root / "system").mkdir(exist_ok=True)
        (self.root / "system/bin").symlink_to(programs)
        self.set_data_capacity(64 * 1024**3)
        for name, value in (("stay_on_while_plugged_in", "0"), ("adb_enabled", "1")):
            (self.state / "settings/global" / name).write_text(f"{value}\n")
        self._write_properties(garbled=False)
        for name in _CLOSED_FOLDERS:
            (self.root / name).chmod(0o555)

    def _write(self, name: str, content: str | None) -> None:
        target = self.host_path(name) if name.startswith("/") else self.state / name
        if content is None:
            target.unlink(missing_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self.state / "part"
        part.write_text(content)
        part.chmod(0o444)
        part.replace(target)

    def _write_properties(self, *, garbled: bool) -> None:
        lines = [f"[{name}]: [{value}]" for name, value in self._layout.properties.items()]
        if garbled:
            lines = [line[: len(line) // 2] if number % 2 else line[3:] for number, line in enumerate(lines)]
        self._write("getprop.txt", "".join(f"{line}\n" for line in lines))

    def _apply_faults(self) -> None:
        before, now = self._applied, replace(self.faults)
        if now == before:
            return
        self._applied = now
        if now.garbled_properties != before.garbled_properties:
            self._write_properties(garbled=now.garbled_properties)
        for name in _SWITCHES:
            if getattr(now, name):
                (self.state / name).touch()
            else:
                (self.state / name).unlink(missing_ok=True)
        if now.read_only != before.read_only:
            self._set_writable(not now.read_only)
        if now.no_execution:
            for path in self.host_path("/data").rglob("*"):
                if path.is_file():
                    path.chmod(path.stat().st_mode & ~0o111)

    def _set_writable(self, writable: bool) -> None:
        for folder in map(self.host_path, WORKING_FOLDERS):
            for path in (folder, *folder.rglob("*")):
                mode = path.stat().st_mode
                path.chmod(mode | 0o200 if writable else mode & ~0o222)


def normal(device_path: str) -> str:
    """An absolute path of the phone without `..` and doubled slashes."""
    return os.path.normpath("/" + device_path.lstrip("/"))
