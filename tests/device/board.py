"""An emulated Linux board behind a real ssh server: an emulated phone's folder without Android."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device import phone_processes
from device.layouts import Layout, generic_phone
from device.phone import Phone
from device.shell_server import ShellServer
from device.threads import start_thread

NAME = "board"  # in the ssh configuration of the tests
SERIAL = f"ssh:{NAME}"
ABI = "linux_aarch64"
_ANDROID = ("am", "cmd", "dumpsys", "getprop", "input", "settings", "svc")
_TREE = "/proc/device-tree"
SSHD_VARIABLE = "EDGE_MNV3_TEST_SSHD"
_CURE = (
    "no ssh server: install openssh-server, or run sh tests/device/debian_sshd.sh FOLDER and set "
    f"{SSHD_VARIABLE}=FOLDER/sshd"
)
_RUN_FOLDER = Path("/run/sshd")
_READY_S = 20.0
_PATIENCE_S = 60.0


def generic_board() -> Layout:
    """A board of four cores of 1.5 GHz that calls itself Raspberry Pi, and QEMU's too."""
    phone = generic_phone(little=0, big=4)
    files = {
        f"{_TREE}/model": b"Raspberry Pi 4 Model B Rev 1.4\0",
        f"{_TREE}/compatible": b"raspberrypi,4-model-b\0brcm,bcm2711\0linux,dummy-virt\0brcm,bcm2711\0",
        f"{_TREE}/serial-number": b"10000000abcdef01\0",
    }
    links = {"/var/tmp": "../data/local/tmp"}
    return replace(phone, name="board", files={**phone.files, **files}, links={**phone.links, **links})


def find_sshd() -> Path | None:
    """The ssh server: `$EDGE_MNV3_TEST_SSHD`, `PATH`, where Debian keeps it; None where there is none."""
    named = os.environ.get(SSHD_VARIABLE)
    places = [named] if named else [shutil.which("sshd"), "/usr/sbin/sshd"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


class Board:
    """A board behind ssh.

    Attributes:
        phone: Its files, processes and conditions.
        folder: Keys, configurations and logs of ssh.
    """

    def __init__(self, phone: Phone, folder: Path, sshd: Path) -> None:
        self.phone = phone
        self.folder = folder
        self._sshd = sshd
        for name in _ANDROID:
            phone.remove_command(name)
        self._socket = f"{folder}/shell"
        self._server = ShellServer(self._socket, phone)
        start_thread(self._server.serve_forever)
        for key in ("host_key", "user_key", "other_key"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._write_configuration()
        self.start()

    def start(self) -> None:
        """Starts the ssh server, and waits until it listens."""
        log = self.folder / "sshd.log"
        log.unlink(missing_ok=True)
        if os.getuid() == 0:
            # It stays until the machine starts anew: another process's server may need it.
            _RUN_FOLDER.mkdir(mode=0o755, exist_ok=True)
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [str(self._sshd), "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        end = time.monotonic() + _READY_S
        while b"Server listening" not in log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > end:
                # One that was asked for must start.
                stop = pytest.fail if SSHD_VARIABLE in os.environ else pytest.skip
                stop(f"the ssh server does not start here: {log.read_text()}")
            time.sleep(0.01)

    def connections(self) -> int:
        """How often somebody has logged in."""
        return (self.folder / "sshd.log").read_text().count("Accepted publickey")

    def vanish(self) -> None:
        """All connections break, and no new one is taken; what runs on the board is not told."""
        assert self._process is not None
        for pid in [*_descendants(self._process.pid), self._process.pid]:
            if phone_processes.MARK.encode() not in _environment(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def throttle_firmware(self, bits: int) -> None:
        """Makes `vcgencmd get_throttled` tell these bits."""
        programs = self.phone.host_path("/system/bin")
        program = programs / "vcgencmd"
        program.unlink(missing_ok=True)
        program.write_text(f"#!{shutil.which('sh')}\necho throttled={bits:#x}\n")
        program.chmod(0o755)

    def close(self) -> None:
        """Ends everything that belongs to the board."""
        self.vanish()
        self._server.shutdown()
        self._server.server_close()
        self.phone.close()

    def _write_configuration(self) -> None:
        folder = self.folder
        shell = f"{sys.executable} -I -S {Path(__file__).parent / 'board_shell.py'} {self._socket}"
        server = {
            "ListenAddress": "127.0.0.1",
            "Port": self.port,
            "HostKey": folder / "host_key",
            "AuthorizedKeysFile": folder / "user_key.pub",
            "StrictModes": "no",
            "UsePAM": "no",
            "PidFile": "none",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "ForceCommand": shell,
        }
        (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in server.items()))
        self.write_client(key="user_key")
        public = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")
        programs = folder / "bin"
        programs.mkdir()
        wrapper = programs / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
        wrapper.chmod(0o755)

    def write_client(self, *, key: str, port: int | None = None) -> None:
        """Writes the user's ssh configuration: with this key, and this port."""
        client = {
            "Host": NAME,
            "HostName": "127.0.0.1",
            "Port": port or self.port,
            "IdentityFile": self.folder / key,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "none",
        }
        text = "".join(f"{name} {value}\n" for name, value in client.items())
        (self.folder / "ssh_config").write_text(text)


@contextlib.contextmanager
def running_board(phone_folder: Path, ssh_folder: Path, *, stand_in: str) -> Iterator[Board]:
    """A board; skipped, with the cure named, where no ssh server can be had."""
    sshd = find_sshd()
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip(_CURE)
    board = Board(Phone(generic_board(), phone_folder, stand_in=stand_in), ssh_folder, sshd)
    try:
        yield board
    finally:
        board.close()


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _free_port() -> int:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        return int(server.server_address[1])


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL)
