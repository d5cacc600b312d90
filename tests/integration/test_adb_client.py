"""The client on adb's odd behaviours: no half answer is taken for a whole one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import (
    AdbUnavailableError,
    DeviceError,
    DeviceFileError,
    DeviceLostError,
    DeviceTimeoutError,
    DeviceUnavailableError,
)
from edge_mnv3_android_bench.adb.client import Adb, ListedDevice, parse_devices
from fake_adb import SERIAL, fake_adb, fake_device
from hanging import HANGS_AFTER_S

OLD_PHONE = {"features": "echo", "shell": """sh -c "$1" 2>&1 | sed 's/$/\\r/'; exit 0"""}


def test_streams_and_exit_code_are_kept_apart(tmp_path: Path) -> None:
    output = fake_device(tmp_path).shell("echo out; echo err >&2; exit 3")
    assert (output.stdout, output.stderr, output.exit_code) == ("out\n", "err\n", 3)
    assert output.complete
    assert not output.merged


def test_an_old_phone_merges_streams_but_tells_the_true_exit_code(tmp_path: Path) -> None:
    output = fake_device(tmp_path, **OLD_PHONE).shell("echo out; echo err >&2; exit 3")
    assert (output.stdout, output.stderr, output.exit_code) == ("out\nerr\n", "", 3)
    assert output.merged


@pytest.mark.parametrize("phone", [{}, OLD_PHONE])
@pytest.mark.parametrize(
    ("script", "stdout", "code"),
    [
        ("printf 'no line feed'", "no line feed", 0),
        ("printf 'two\n\n'", "two\n\n", 0),
        ("true", "", 0),
        ("exec false", "", 1),
        ("""echo "it's" '$HOME' \\"x\\" ;""", 'it\'s $HOME "x"\n', 0),
        ("cat", "", 0),  # nothing to read: adb's standard input is none of ours
    ],
)
def test_output_is_exact(tmp_path: Path, phone: dict[str, str], script: str, stdout: str, code: int) -> None:
    output = fake_device(tmp_path, **phone).shell(script)
    assert (output.stdout, output.exit_code) == (stdout, code)


@pytest.mark.parametrize("phone", [{}, OLD_PHONE])
def test_a_death_by_a_signal_is_an_exit_code(tmp_path: Path, phone: dict[str, str]) -> None:
    assert fake_device(tmp_path, **phone).shell("kill -11 $$").exit_code == 128 + 11


def test_a_syntax_error_is_an_answer(tmp_path: Path) -> None:
    output = fake_device(tmp_path).shell("echo one; fi")
    assert output.exit_code not in (0, None)
    assert "fi" in output.stderr


def test_an_argv_list_arrives_as_it_is(tmp_path: Path) -> None:
    words = ["printf", "<%s>", "a b", "$HOME", "it's", "", "*", "ä;x"]
    assert fake_device(tmp_path).shell(words).stdout == "<a b><$HOME><it's><><*><ä;x>"


def test_a_command_that_prints_command_lines_cannot_end_the_output(tmp_path: Path) -> None:
    output = fake_device(tmp_path).shell("cat /proc/$PPID/cmdline | tr '\\0' '\\n'; echo last")
    assert "$T:end:$r" in output.stdout
    assert output.stdout.endswith("last\n")
    assert output.exit_code == 0


@pytest.mark.parametrize("code", [0, 255])  # adb 29 ends with 0 when the device is lost, 36 with 255
@pytest.mark.parametrize("kept_bytes", [1, 30, 60])
def test_cut_output_is_a_lost_device(tmp_path: Path, code: int, kept_bytes: int) -> None:
    cut = f'sh -c "$1" 2>/dev/null | head -c {kept_bytes}; exit {code}'
    device = fake_device(tmp_path, shell=cut)
    with pytest.raises(DeviceLostError) as caught:
        device.shell("echo the figure is 4711")
    assert str(caught.value).startswith(f"device {SERIAL}: the connection broke: got ")
    assert str(caught.value).endswith("connect it again and repeat the command: what is finished is kept")


def test_a_lost_end_of_stderr_is_a_lost_device(tmp_path: Path) -> None:
    device = fake_device(tmp_path, shell='sh -c "$1" 2>/dev/null')
    with pytest.raises(DeviceLostError, match="no end mark \\(adb ended with code 0\\)"):
        device.shell("echo out; echo err >&2")


def test_what_came_before_the_loss_can_be_had(tmp_path: Path) -> None:
    device = fake_device(tmp_path, shell='sh -c "$1" | head -c 30; exit 0')
    output = device.attempt("echo 1234567890")
    assert (output.stdout, output.exit_code, output.complete) == ("1234567", None, False)
    assert isinstance(output.failure, DeviceLostError)


@pytest.mark.parametrize("verb", ["shell", "features"])
@pytest.mark.timeout(HANGS_AFTER_S)
def test_a_hung_device_costs_the_timeout_only(
    tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_mnv3_android_bench.adb.client.SERVER_TIMEOUT_S", 0.2)
    device = fake_device(tmp_path, **{verb: "sleep 600", "get_state": "exit 1"})
    with pytest.raises(DeviceTimeoutError, match=f"device {SERIAL}: got no end within 0.2 s"):
        device.shell("true", timeout_s=0.2)


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (f"error: device '{SERIAL}' not found", DeviceLostError, f"got device '{SERIAL}' not found"),
        ("adb: device offline", DeviceLostError, "got device offline"),
        ("error: closed", DeviceLostError, "got closed"),
        ("error: device unauthorized.", DeviceUnavailableError, "accept the question about USB debugging"),
        (
            "adb: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set",
            DeviceUnavailableError,
            "got unauthorized",
        ),
    ],
)
def test_adbs_own_words(tmp_path: Path, message: str, kind: type[DeviceError], text: str) -> None:
    device = fake_device(tmp_path, shell=f'echo "{message}" >&2; exit 1')
    with pytest.raises(kind, match=text) as caught:
        device.shell("true")
    assert "\n" not in str(caught.value)


def test_the_words_of_the_command_are_not_adbs(tmp_path: Path) -> None:
    output = fake_device(tmp_path).shell("echo 'error: device unauthorized' >&2; exit 1")
    assert (output.stderr, output.exit_code) == ("error: device unauthorized\n", 1)


def test_notices_of_the_server_are_no_output(tmp_path: Path) -> None:
    notices = "* daemon not running; starting now at tcp:5037\n* daemon started successfully"
    device = fake_device(tmp_path, shell=f'echo "{notices}" >&2; echo noise; exec sh -c "$1"')
    output = device.shell("echo out; echo err >&2")
    assert (output.stdout, output.stderr) == ("out\n", "err\n")


def test_a_lost_device_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    missing = f"if test -e {gone}; then echo 'adb: device offline' >&2; exit 1; fi; echo "
    device = fake_device(tmp_path, features=f"{missing} shell_v2", get_state=f"{missing} device")
    gone.touch()
    with pytest.raises(DeviceLostError, match="offline"):
        device.shell("true")
    gone.unlink()
    assert not device.shell("true").merged


def test_a_missing_or_broken_binary(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    for name in ("missing", "text"):
        with pytest.raises(AdbUnavailableError, match=f"adb {tmp_path / name} does not run: got "):
            Adb(tmp_path / name).devices()


def test_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    trouble = "echo 'adb: failed to check server version: cannot connect to daemon' >&2; exit 1"
    with pytest.raises(AdbUnavailableError, match="got failed to check server version.*adb kill-server"):
        fake_adb(tmp_path, devices=trouble).devices()


def test_the_servers_port_is_passed(tmp_path: Path) -> None:
    fake_adb(tmp_path)
    (tmp_path / "adb").write_text(
        f'#!/bin/sh\necho "$@" >{tmp_path}/words\necho "List of devices attached"\n'
    )
    assert Adb(tmp_path / "adb", server_port=5099).devices() == ()
    assert (tmp_path / "words").read_text() == "-P 5099 devices -l\n"


DEVICES = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
HT69C0200        device usb:1-2 product:sailfish model:Pixel device:sailfish transport_id:1
192.168.1.20:5555      device product:taimen model:Pixel_2_XL device:taimen transport_id:4
emulator-5554          offline transport_id:2
R58M              unauthorized usb:1-3 transport_id:3
0123      no permissions (user in plugdev group; are your udev rules wrong?); \
see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:9
(no serial number)     no permissions; see [http://developer.android.com/tools/device.html]

"""


def test_parse_devices() -> None:
    listed = [(device.serial, device.state.split(" (")[0], device.model) for device in parse_devices(DEVICES)]
    assert listed == [
        ("HT69C0200", "device", "Pixel"),
        ("192.168.1.20:5555", "device", "Pixel 2 XL"),
        ("emulator-5554", "offline", ""),
        ("R58M", "unauthorized", ""),
        ("0123", "no permissions", ""),
        ("(no serial number)", "no permissions; see [http://developer.android.com/tools/device.html]", ""),
    ]
    assert parse_devices("List of devices attached\n\n") == ()
    assert parse_devices("") == ()
    assert parse_devices("List of devices attached\nX\tdevice\n") == (
        ListedDevice(serial="X", state="device", model=""),
    )


@pytest.mark.parametrize(
    "text",
    [
        "failed to connect to '10.0.0.9:5555': Connection refused",
        "unable to connect to 10.0.0.9:5555: No route to host",
        "missing port in specification: tcp:",
    ],
)
def test_connect_fails_with_exit_code_0(tmp_path: Path, text: str) -> None:
    with pytest.raises(DeviceUnavailableError) as caught:
        fake_adb(tmp_path, connect=f'echo "{text}"').connect("10.0.0.9:5555")
    assert str(caught.value) == (
        f"device 10.0.0.9:5555 cannot be connected: got {text}; "
        "check the address, and that wireless debugging is on and paired (adb pair)"
    )


def test_a_dead_connection_is_made_anew(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    dead.touch()
    adb = fake_adb(
        tmp_path,
        connect=f'if test -e {dead}; then echo "already connected to $1"; else echo "connected to $1"; fi',
        get_state="echo 'error: device offline' >&2; exit 1",
        disconnect=f"rm {dead}",
    )
    adb.connect("10.0.0.9:5555")
    assert not dead.exists()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            'echo "adb: error: failed to copy: remote couldn\'t create file: Read-only file system"; exit 1',
            "got a read-only file system, expected a folder that can be written to",
        ),
        (
            "echo \"adb: error: failed to copy 'a' to 'b': remote No space left on device\" >&2; exit 1",
            "got no space left on the device; remove files from it",
        ),
        (
            # Some versions count the file as pushed and end with 0 all the same.
            "echo 'adb: error: remote write failed: No space left on device'; echo '1 file pushed'",
            "got no space left on the device; remove files from it",
        ),
        (
            "echo 'adb: error: failed to copy: remote secure_mkdirs failed: Permission denied'; exit 1",
            "got permission denied, expected a folder that the device's shell may write to",
        ),
    ],
)
def test_push_says_why(tmp_path: Path, answer: str, text: str) -> None:
    local = tmp_path / "model.tflite"
    local.write_bytes(b"1234")
    with pytest.raises(DeviceFileError) as caught:
        fake_device(tmp_path, push=answer).push(local, "/data/local/tmp/x")
    assert str(caught.value) == f"device {SERIAL}: push of {local}: {text}"


def test_push_to_a_lost_device(tmp_path: Path) -> None:
    local = tmp_path / "model.tflite"
    local.write_bytes(b"1234")
    lost = "echo 'adb: error: failed to copy: failed to read copy response: EOF'; exit 1"
    gone = f"echo \"error: device '{SERIAL}' not found\" >&2; exit 1"
    with pytest.raises(DeviceLostError, match="the connection broke"):
        fake_device(tmp_path, push=lost, get_state=gone).push(local, "/data/local/tmp/x")


def test_read_text(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("a=1\n")
    device = fake_device(tmp_path)
    assert device.read_text(f"{tmp_path}/note") == "a=1\n"
    assert device.read_text(f"{tmp_path}/none") is None
