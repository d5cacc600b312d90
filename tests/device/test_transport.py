"""Our client on the emulated phone and its faults, through the real adb of each version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from device.adb_servers import AdbServer
from device.bench_setup import FOLDER, device_on
from device.conftest import AnyDevice, MakePhone
from device.layouts import captured_phone, generic_phone
from device.patience import let_time_fly_while_frozen
from device.phone import Phone
from edge_mnv3.core.cores import big_cores
from edge_mnv3.core.errors import (
    DeviceError,
    DeviceFileError,
    DeviceLostError,
    DeviceTimeoutError,
    DeviceUnavailableError,
)
from edge_mnv3_android_bench.adb.client import Adb
from edge_mnv3_android_bench.device import selection as device_selection
from edge_mnv3_android_bench.device.cpu_topology import cpu_mask
from edge_mnv3_android_bench.device.selection import select_devices
from edge_mnv3_android_bench.device.state import read_device_info, read_device_state
from edge_mnv3_android_bench.transport.files import DeviceFolder
from hanging import HANGS_AFTER_S

CONTENT = bytes(range(256)) * 4000  # 1 MB


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(CONTENT)
    return path


def client(server: AdbServer) -> Adb:
    return Adb(server.binary.path, server_port=server.port)


def reconnect(server: AdbServer, phone: Phone) -> None:
    phone.replug()
    server.disconnect(phone.serial)
    server.reach(phone.serial)


@pytest.mark.device_capable
def test_a_shell_command(any_device: AnyDevice) -> None:
    device = client(any_device.server).device(any_device.serial)
    output = device.shell('echo "it\'s"; echo err >&2; exit 7')
    assert (output.stdout, output.stderr, output.exit_code, output.merged) == ("it's\n", "err\n", 7, False)
    assert device.shell(["echo", "a  b", "$HOME", ""]).stdout == "a  b $HOME \n"
    assert device.shell("kill -9 $$").exit_code == 128 + 9
    assert device.state() == "device"


@pytest.mark.device_capable
def test_facts_and_state(any_device: AnyDevice) -> None:
    device = client(any_device.server).device(any_device.serial)
    info, state = read_device_info(device), read_device_state(device)
    assert info.sdk is not None
    assert info.sdk >= 21
    assert info.abi in info.abis
    assert info.clusters
    assert info.emulated == (any_device.phone is not None)
    assert state.battery_percent is not None
    assert 0 < state.battery_percent <= 100
    assert len(state.governors) == len(info.clusters)


@pytest.mark.device_capable
def test_a_file_is_pushed_once(any_device: AnyDevice, local: Path) -> None:
    folder = DeviceFolder(client(any_device.server).device(any_device.serial), f"{FOLDER}-test")
    try:
        assert folder.ensure(local, "m.tflite")
        assert not folder.ensure(local, "m.tflite")
    finally:
        folder.device.shell(["rm", "-rf", folder.path])


@pytest.mark.parametrize(
    ("name", "mask", "soc"),
    [("pixel", "c", "msm8996"), ("pixel-2-xl", "f0", "msm8998"), ("pixel-8", "100", "zuma")],
)
def test_real_layouts(
    adb_server: AdbServer, make_phone: MakePhone, test_data: Path, name: str, mask: str, soc: str
) -> None:
    phone = make_phone(captured_phone(test_data / "device_captures" / name))
    info = read_device_info(device_on(adb_server, phone))
    assert cpu_mask(big_cores(info.clusters)) == mask
    assert (info.soc, info.emulated) == (soc, True)


@pytest.mark.parametrize("cut_bytes", [1, 20, 40, 200])
def test_a_cut_answer_is_never_an_answer(adb_server: AdbServer, phone: Phone, cut_bytes: int) -> None:
    device = device_on(adb_server, phone)
    assert device.shell("echo warm-up").exit_code == 0
    phone.cable.cut_after_shell_bytes = cut_bytes
    with pytest.raises(DeviceLostError, match="the connection broke"):
        device.shell("i=0; while [ $i -lt 40 ]; do echo median=4711; i=$((i+1)); done")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Phone.unplug, DeviceLostError), (Phone.freeze, DeviceTimeoutError), (Phone.reboot, DeviceLostError)],
)
@pytest.mark.timeout(HANGS_AFTER_S)
def test_in_the_middle_of_a_command(
    adb_server: AdbServer,
    phone: Phone,
    fault: Callable[[Phone], None],
    kind: type[DeviceError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_time_fly_while_frozen(monkeypatch, phone)
    device = device_on(adb_server, phone)
    phone.when(lambda: "sleep" in [process.name for process in phone.processes()], lambda: fault(phone))
    with pytest.raises(kind):
        device.shell("sleep 600", timeout_s=60)
    phone.thaw()


def test_a_phone_without_shell_v2(adb_server: AdbServer, make_phone: MakePhone, local: Path) -> None:
    phone = make_phone(generic_phone(sdk=25), connected=False)
    phone.faults.shell_v2 = False
    phone.faults.crlf = True
    adb_server.reach(phone.serial)
    device = device_on(adb_server, phone)
    output = device.shell("echo out; echo err >&2; exit 3")
    assert (output.stdout, output.stderr, output.exit_code, output.merged) == ("out\nerr\n", "", 3, True)
    assert read_device_info(device).sdk == 25
    assert DeviceFolder(device).ensure(local, "m.tflite")  # has no sha256sum either
    assert not DeviceFolder(device).ensure(local, "m.tflite")


def test_choosing(adb_server: AdbServer, make_phone: MakePhone) -> None:
    adb = client(adb_server)
    with pytest.raises(DeviceUnavailableError, match="no usable device is connected: got none"):
        select_devices(adb)
    first, second = make_phone(), make_phone(connected=False)
    assert [device.serial for device in select_devices(adb)] == [first.serial]
    # By its address, which is connected first.
    assert [device.serial for device in select_devices(adb, [second.serial])] == [second.serial]
    assert {device.serial for device in select_devices(adb, ["all"])} == {first.serial, second.serial}
    with pytest.raises(DeviceUnavailableError, match="several devices are connected"):
        select_devices(adb)
    with pytest.raises(DeviceUnavailableError, match=r"device 127\.0\.0\.1:9 cannot be connected: got "):
        select_devices(adb, ["127.0.0.1:9"])


def test_unauthorized_then_accepted(adb_server: AdbServer, make_phone: MakePhone) -> None:
    phone = make_phone(connected=False)
    phone.ask_for_key()
    adb = client(adb_server)
    with pytest.raises(DeviceUnavailableError, match="got unauthorized.* accept the question about USB"):
        select_devices(adb, [phone.serial])
    phone.accept_key()
    assert phone.wait_for(lambda: adb_server.state(phone.serial) == "device")
    assert select_devices(adb, [phone.serial])[0].shell("echo yes").stdout == "yes\n"


def test_unplugged_and_listed_still(
    adb_server: AdbServer, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_selection, "PASSING_STATE_S", 0.5)
    phone.unplug()
    assert phone.wait_for(lambda: adb_server.state(phone.serial) == "offline")
    with pytest.raises(
        DeviceUnavailableError, match="got offline, expected a device ready for adb; unplug it"
    ):
        select_devices(client(adb_server))
    with pytest.raises(DeviceUnavailableError, match="cannot be connected"):
        select_devices(client(adb_server), [phone.serial])


def test_unplugged_and_back(adb_server: AdbServer, phone: Phone) -> None:
    """adb keeps a dead connection as `offline` and calls it "already connected"."""
    adb = client(adb_server)
    phone.unplug()
    phone.replug()
    assert select_devices(adb, [phone.serial])[0].shell("echo back").stdout == "back\n"


def test_a_full_phone(adb_server: AdbServer, phone: Phone, local: Path) -> None:
    phone.fill_up(free_bytes=300_000)
    with pytest.raises(DeviceFileError, match="no space for m.tflite: got 0.3 MB free, expected 2.1 MB"):
        DeviceFolder(device_on(adb_server, phone)).ensure(local, "m.tflite")
    assert phone.files(FOLDER) == []


def test_a_phone_that_fills_up_during_the_push(
    adb_server: AdbServer, phone: Phone, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DeviceFolder(device_on(adb_server, phone))
    monkeypatch.setattr(folder, "_check_space", lambda *_: phone.fill_up(free_bytes=300_000))
    with pytest.raises(DeviceFileError, match="got no space left on the device; remove files from it"):
        folder.ensure(local, "m.tflite")
    assert phone.files(FOLDER) == []


def test_a_read_only_phone(adb_server: AdbServer, phone: Phone, local: Path) -> None:
    phone.faults.read_only = True
    with pytest.raises(DeviceFileError, match="got a read-only file system, expected a folder that can be"):
        DeviceFolder(device_on(adb_server, phone)).ensure(local, "m.tflite")


def test_a_phone_that_runs_nothing(adb_server: AdbServer, phone: Phone, local: Path) -> None:
    phone.faults.no_execution = True
    with pytest.raises(DeviceFileError, match="a file that may not be run .*noexec"):
        DeviceFolder(device_on(adb_server, phone)).ensure(local, "program", executable=True)


@pytest.mark.parametrize("cut_bytes", [0, 100_000, 1_000_000])
def test_unplugged_in_a_push(adb_server: AdbServer, phone: Phone, local: Path, cut_bytes: int) -> None:
    folder = DeviceFolder(device_on(adb_server, phone))
    phone.cable.cut_after_push_bytes = cut_bytes
    with pytest.raises(DeviceLostError):
        folder.ensure(local, "m.tflite")
    assert f"{FOLDER}/m.tflite" not in phone.files()  # no cut file under the name of a whole one
    phone.cable.cut_after_push_bytes = None
    reconnect(adb_server, phone)
    assert folder.ensure(local, "m.tflite")
    assert phone.files(FOLDER) == [f"{FOLDER}/m.tflite"]  # nor what was left of the first
    assert phone.read_bytes(f"{FOLDER}/m.tflite") == CONTENT


def test_a_wrong_byte(adb_server: AdbServer, phone: Phone, local: Path) -> None:
    folder = DeviceFolder(device_on(adb_server, phone))
    phone.faults.corrupt_pushes = 1
    with pytest.raises(DeviceFileError, match="got other content on the device than in the file"):
        folder.ensure(local, "m.tflite")
    assert phone.files(FOLDER) == []
    assert folder.ensure(local, "m.tflite")


@pytest.mark.timeout(HANGS_AFTER_S)
def test_frozen_in_a_push(
    adb_server: AdbServer, phone: Phone, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DeviceFolder(device_on(adb_server, phone))
    let_time_fly_while_frozen(monkeypatch, phone)
    monkeypatch.setattr(folder, "_check_space", lambda *_: phone.freeze())
    # 20 s, and the time that 1,024,000 bytes take on the slowest link.
    with pytest.raises(DeviceTimeoutError, match=r"got no end within 25\.12 s"):
        folder.ensure(local, "m.tflite")
    phone.thaw()


def test_a_slow_link(adb_server: AdbServer, phone: Phone, local: Path) -> None:
    phone.cable.bytes_per_second = 2_000_000
    folder = DeviceFolder(device_on(adb_server, phone))
    assert folder.ensure(local, "m.tflite")
    assert phone.read_bytes(f"{FOLDER}/m.tflite") == CONTENT


@pytest.mark.parametrize("missing", [["sha256sum"], ["sha256sum", "md5sum"]])
def test_programs_that_a_phone_lacks(
    adb_server: AdbServer, phone: Phone, local: Path, missing: list[str]
) -> None:
    for name in missing:
        phone.remove_command(name)
    folder = DeviceFolder(device_on(adb_server, phone))
    assert folder.ensure(local, "m.tflite")
    assert phone.read_bytes(f"{FOLDER}/m.tflite") == CONTENT


def test_garbled_properties(adb_server: AdbServer, phone: Phone) -> None:
    phone.faults.garbled_properties = True
    with pytest.raises(DeviceUnavailableError, match="got no Android version or ABI"):
        read_device_info(device_on(adb_server, phone))
