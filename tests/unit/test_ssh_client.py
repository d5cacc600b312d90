"""Boards over ssh: addresses, the command line, and what each refusal of OpenSSH is called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_mnv3.core.errors import (
    ArgumentError,
    DeviceError,
    DeviceFileError,
    DeviceLostError,
    DeviceUnavailableError,
    SshUnavailableError,
)
from edge_mnv3_android_bench.device.selection import find_devices
from edge_mnv3_android_bench.ssh.client import SshAddress, SshDevice, parse_address

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ssh is a shell script")


def ssh_that(folder: Path, script: str) -> Path:
    """A program in the place of ssh; its last argument is the command on the board."""
    program = folder / "ssh"
    program.write_text(f"#!/bin/sh\nfor command; do :; done\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("serial", "user", "host", "port"),
    [
        ("ssh:pi4", None, "pi4", None),
        ("ssh:pi@raspberrypi.local", "pi", "raspberrypi.local", None),
        ("ssh:10.0.0.7:2222", None, "10.0.0.7", 2222),
        ("ssh:root@[fe80::1%eth0]:22", "root", "fe80::1%eth0", 22),
    ],
)
def test_addresses(serial: str, user: str | None, host: str, port: int | None) -> None:
    assert parse_address(serial) == SshAddress(user=user, host=host, port=port)


@pytest.mark.parametrize(
    "serial",
    [
        "pi",
        "ssh:",
        "ssh:@pi",
        "ssh:-oProxyCommand=x",
        "ssh:pi:0",
        "ssh:pi:99999",
        "ssh:pi;x",
        "ssh:a b",
        "ssh:fe80::1",
    ],
)
def test_what_is_no_address(serial: str) -> None:
    with pytest.raises(ArgumentError, match="expected ssh:HOST, ssh:USER@HOST or ssh:USER@HOST:PORT"):
        parse_address(serial)


def test_command_line(tmp_path: Path) -> None:
    """The user's configuration holds but for what would ask, forward, or run something else."""
    device = SshDevice("ssh:pi@board:2222", tmp_path / "ssh")
    argv = device.held_argv("echo 'x'")
    assert argv[-5:] == ["-p", "2222", "--", "pi@board", """exec sh -c 'echo '"'"'x'"'"''"""]
    assert {"BatchMode=yes", "ControlMaster=auto", "RemoteCommand=none", "RequestTTY=no"} <= set(argv)
    sockets = [word for word in argv if word.startswith("ControlPath=")]
    assert len(sockets) == 1
    assert len(sockets[0]) < 60  # the system takes a little more than 100, and OpenSSH appends to it


@pytest.mark.parametrize(
    ("printed", "kind", "says"),
    [
        (
            "ssh: connect to host pi port 22: No route to host",
            DeviceUnavailableError,
            "device ssh:pi cannot be connected: got connect to host pi port 22: No route to host; check the "
            "address, and that its ssh server runs",
        ),
        (
            "ssh: connect to host pi port 22: Connection timed out",
            DeviceUnavailableError,
            "Connection timed out; check the address",
        ),
        (
            "ssh: Could not resolve hostname pi: Name or service not known",
            DeviceUnavailableError,
            "got a host name that nobody knows; check the name, or name the board in ~/.ssh/config",
        ),
        (
            "No ED25519 host key is known for pi and you have requested strict checking.\n"
            "Host key verification failed.",
            DeviceUnavailableError,
            "got an unknown host key; connect once by hand, 'ssh pi', and compare the key with the board's",
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            DeviceUnavailableError,
            "got another host key than before; if the board was set up anew: ssh-keygen -R pi, and connect",
        ),
        (
            "pi: Permission denied (publickey,password).",
            DeviceUnavailableError,
            "got no key that it accepts; give it yours, 'ssh-copy-id pi', or unlock yours with ssh-add",
        ),
        ("mux_client_request_session: read from master failed", DeviceLostError, "the connection broke"),
        ("", DeviceLostError, "got no end mark (ssh ended with code 255)"),
    ],
)
def test_refusals(printed: str, kind: type[DeviceError], says: str, tmp_path: Path) -> None:
    lines = "; ".join(f"echo '{line.replace(chr(39), chr(34))}' >&2" for line in printed.splitlines()) or ":"
    with pytest.raises(kind) as caught:
        SshDevice("ssh:pi", ssh_that(tmp_path, f"{lines}; exit 255")).check()
    assert says in str(caught.value)


def test_what_a_board_prints_is_no_refusal(tmp_path: Path) -> None:
    """Output without its end mark is a lost connection, whatever words stand in it."""
    cut = ssh_that(tmp_path, 'sh -c "$command" | head -n 2; exit 255')
    output = SshDevice("ssh:pi", cut).attempt("echo 'Permission denied (publickey)'; echo more")
    assert isinstance(output.failure, DeviceLostError)
    assert output.exit_code is None


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("cat: write error: No space left on device", "no space left on the device"),
        (
            "sh: 1: cannot create x: Permission denied",
            "permission denied, expected a folder that the device's shell",
        ),
    ],
)
def test_a_copy_that_the_board_refuses(printed: str, says: str, tmp_path: Path) -> None:
    local = tmp_path / "file"
    local.write_bytes(b"x")
    device = SshDevice("ssh:pi", ssh_that(tmp_path, f"cat >/dev/null; echo '{printed}' >&2; exit 1"))
    with pytest.raises(DeviceFileError) as caught:
        device.push(local, "/var/tmp/x")
    assert says in str(caught.value)


def test_boards_need_no_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh_that(tmp_path, 'exec sh -c "$command"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("ADB", str(tmp_path / "no-adb"))
    assert [device.serial for device in find_devices(None, ["ssh:pi", "ssh:b", "ssh:pi"])] == [
        "ssh:pi",
        "ssh:b",
    ]
    with pytest.raises(ArgumentError, match="expected serials, or all alone"):
        find_devices(None, ["all", "ssh:pi"])
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(SshUnavailableError, match="ssh was not found"):
        find_devices(None, ["ssh:pi"])
