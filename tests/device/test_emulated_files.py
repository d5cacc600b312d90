"""Files between this computer and the emulated phone, through the real adb."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from device.adb_servers import AdbServer
from device.conftest import AnyDevice, MakePhone
from device.layouts import generic_phone
from device.phone import Phone

_REMOTE = "/data/local/tmp/edge-mnv3-file"
_SIZE = 5_000_000


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(np.random.default_rng(0).bytes(_SIZE))
    return path


def push(
    server: AdbServer, serial: str, local: Path, remote: str = _REMOTE
) -> subprocess.CompletedProcess[bytes]:
    return server.run("-s", serial, "push", str(local), remote)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """adb 29 tells of files on the output, adb 36 on the error stream."""
    return (done.stdout + done.stderr).decode()


@pytest.mark.device_capable
def test_five_megabytes_there_and_back(any_device: AnyDevice, local: Path, tmp_path: Path) -> None:
    server, serial = any_device.server, any_device.serial
    assert push(server, serial, local).returncode == 0
    assert server.run("-s", serial, "pull", _REMOTE, str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == local.read_bytes()
    assert server.run("-s", serial, "shell", f"stat -c %s {_REMOTE}; rm {_REMOTE}").stdout == b"5000000\n"


@pytest.mark.parametrize("sdk", [25, 28, 33])
def test_every_version_of_the_file_service(
    make_phone: MakePhone, adb_server: AdbServer, tmp_path: Path, sdk: int
) -> None:
    """Android 7 knows the first version only, 9 the second of stat, 13 of push and pull too."""
    phone = make_phone(generic_phone(sdk=sdk))
    (tmp_path / "small").write_bytes(b"content")
    assert push(adb_server, phone.serial, tmp_path / "small").returncode == 0
    assert phone.read_bytes(_REMOTE) == b"content"
    assert adb_server.run("-s", phone.serial, "pull", _REMOTE, str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == b"content"
    missing = adb_server.run("-s", phone.serial, "pull", "/data/local/tmp/none", str(tmp_path / "none"))
    assert missing.returncode == 1
    assert "No such file or directory" in _said(missing) or "does not exist" in _said(missing)


def test_the_owners_permissions_are_kept(phone: Phone, adb_server: AdbServer, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o700)
    push(adb_server, phone.serial, program)
    assert phone.host_path(_REMOTE).stat().st_mode & 0o777 == 0o777
    assert adb_server.run("-s", phone.serial, "shell", _REMOTE).stdout == b"ran\n"


@pytest.mark.parametrize(
    ("remote", "reason"),
    [("/system/file", "Read-only file system"), ("/data/file", "Permission denied")],
)
def test_a_place_where_nobody_may_write(
    phone: Phone, adb_server: AdbServer, local: Path, remote: str, reason: str
) -> None:
    done = push(adb_server, phone.serial, local, remote)
    assert done.returncode == 1
    assert f"remote couldn't create file: {reason}" in _said(done)
    assert phone.files() == []


def test_a_cut_push_leaves_a_part_of_the_file(phone: Phone, adb_server: AdbServer, local: Path) -> None:
    phone.cable.cut_after_push_bytes = 1_000_000
    done = push(adb_server, phone.serial, local)
    assert done.returncode == 1
    assert phone.read_bytes(_REMOTE) == local.read_bytes()[:1_000_000]
    assert adb_server.state(phone.serial) == "offline"
    assert phone.pushed_bytes == 1_000_000


def test_a_failed_push_may_say_that_it_was_done(phone: Phone, adb_server: AdbServer, local: Path) -> None:
    """adb 36 counts what it has sent, not what has arrived."""
    phone.cable.cut_after_push_bytes = 4_999_999
    done = push(adb_server, phone.serial, local)
    assert done.returncode == 1
    assert ("1 file pushed" in _said(done)) == (adb_server.binary.major >= 36)


def test_a_full_disk(phone: Phone, adb_server: AdbServer, local: Path) -> None:
    phone.fill_up(free_bytes=2_000_000)
    done = push(adb_server, phone.serial, local)
    assert done.returncode == 1
    assert "No space left on device" in _said(done)
    assert phone.files() == []
    told = adb_server.run("-s", phone.serial, "shell", "df -k /data/local/tmp | tail -1")
    assert told.stdout.split()[3] == b"1953"  # 2,000,000 bytes in whole KiB


def test_a_read_only_disk(phone: Phone, adb_server: AdbServer, local: Path) -> None:
    push(adb_server, phone.serial, local)
    phone.faults.read_only = True
    script = f"rm {_REMOTE}; echo x > {_REMOTE}; mkdir /data/local/tmp/new; chmod 755 {_REMOTE}"
    told = adb_server.run("-s", phone.serial, "shell", f"{script}; cat {_REMOTE} | wc -c")
    assert told.stderr.count(b"Read-only file system\n") == 4
    assert told.stdout == b"5000000\n"
    assert b"Read-only file system" in _said(push(adb_server, phone.serial, local)).encode()
    phone.faults.read_only = False
    assert adb_server.run("-s", phone.serial, "shell", f"rm {_REMOTE}").returncode == 0


def test_a_file_that_is_damaged_on_the_way(phone: Phone, adb_server: AdbServer, local: Path) -> None:
    phone.faults.corrupt_pushes = 1
    assert push(adb_server, phone.serial, local).returncode == 0
    arrived, sent = phone.read_bytes(_REMOTE), local.read_bytes()
    assert sum(a != b for a, b in zip(arrived, sent, strict=True)) == 1
    push(adb_server, phone.serial, local)
    assert phone.read_bytes(_REMOTE) == sent


def test_a_slow_link(phone: Phone, adb_server: AdbServer, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(bytes(400_000))
    phone.cable.bytes_per_second = 1_000_000
    done = push(adb_server, phone.serial, tmp_path / "small")
    assert done.returncode == 0
    assert phone.read_bytes(_REMOTE) == bytes(400_000)
