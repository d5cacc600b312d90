"""Fixtures: adb binaries, adb servers, emulated phones; with `--run-device`, a real one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from device.adb_servers import AdbBinary, AdbServer, find_adb_binaries, running_server
from device.command_setup import Bench
from device.layouts import Layout, captured_phone, generic_phone
from device.phone import Phone
from device.stand_in_runner import running_stand_in
from edge_mnv3_android_bench.device import settings as device_settings

DEFAULT_SERVER_PORT = 5037
# The phone's processes are found through this computer's /proc.
collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
MakePhone = Callable[..., Phone]


@dataclass(frozen=True, kw_only=True)
class AnyDevice:
    """What a test marked `device_capable` gets: an emulated phone or a real one.

    Attributes:
        serial: For `adb -s`.
        server: The adb server to ask.
        phone: The emulated phone; None for a real one.
    """

    serial: str
    server: AdbServer
    phone: Phone | None


@pytest.fixture(autouse=True, scope="session")
def hang_ups_reach_shells() -> Iterator[None]:
    """Under `nohup` a signal is ignored that phones' shells must get: a handler is not inherited."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    signal.signal(signal.SIGHUP, before)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test once for every adb, and `any_device` for the real phone too when the test is fit for it."""
    if "adb_binary" in metafunc.fixturenames:
        binaries = find_adb_binaries()
        if metafunc.definition.get_closest_marker("any_adb"):
            binaries = binaries[-1:]
        absent = pytest.param(None, id="no-adb", marks=pytest.mark.skip(reason="no adb; install adbutils"))
        params = [
            # What an older adb is asked runs the same lines.
            pytest.param(binary, id=binary.name, marks=[pytest.mark.unmeasured] * (binary != binaries[-1]))
            for binary in binaries
        ] or [absent]
        metafunc.parametrize("adb_binary", params, indirect=True, scope="session")
    if "any_device" in metafunc.fixturenames:
        serial = metafunc.config.getoption("--run-device")
        real = serial is not None and metafunc.definition.get_closest_marker("device_capable") is not None
        metafunc.parametrize("any_device", ["emulated", *(["real"] if real else [])], indirect=True)


@pytest.fixture(scope="session")
def adb_binary(request: pytest.FixtureRequest) -> AdbBinary:
    """An adb; tests run once for each version that is here."""
    binary: AdbBinary = request.param
    return binary


@pytest.fixture(scope="session")
def adb_server(adb_binary: AdbBinary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    """A server of that adb, which knows no phones but ours."""
    with running_server(adb_binary, tmp_path_factory.mktemp("adb")) as server:
        yield server


@pytest.fixture
def adb_environment(adb_server: AdbServer, monkeypatch: pytest.MonkeyPatch) -> AdbServer:
    """Makes the code under test use our adb and our server: $ADB and $ANDROID_ADB_SERVER_PORT."""
    monkeypatch.setenv("ADB", str(adb_server.binary.path))
    for name in ("HOME", "ANDROID_USER_HOME", "ANDROID_ADB_SERVER_PORT"):
        monkeypatch.setenv(name, adb_server.environment[name])
    return adb_server


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The process that runs models for the phones' `benchmark_model`."""
    with running_stand_in(tmp_path_factory.mktemp("stand_in")) as command:
        yield command


@pytest.fixture
def make_phone(
    adb_server: AdbServer, stand_in: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakePhone]:
    """Makes phones: `make_phone(layout=..., connected=True)`."""
    phones: list[Phone] = []

    def make(layout: Layout | None = None, *, connected: bool = True) -> Phone:
        phone = Phone(layout or generic_phone(), tmp_path_factory.mktemp("phone"), stand_in=stand_in)
        phones.append(phone)
        if connected:
            adb_server.reach(phone.serial)
        return phone

    yield make
    for phone in phones:
        phone.close()
        adb_server.disconnect(phone.serial)


@pytest.fixture
def phone(make_phone: MakePhone) -> Phone:
    """A generic phone of eight cores, connected."""
    return make_phone()


@pytest.fixture
def pixel(make_phone: MakePhone, test_data: Path) -> Phone:
    """The captured Pixel: Android 7.1, four cores."""
    return make_phone(captured_phone(test_data / "device_captures/pixel"))


@pytest.fixture
def pixel_2_xl(make_phone: MakePhone, test_data: Path) -> Phone:
    """The captured Pixel 2 XL: Android 8.1, eight cores."""
    return make_phone(captured_phone(test_data / "device_captures/pixel-2-xl"))


@pytest.fixture
def pixel_8(make_phone: MakePhone, test_data: Path) -> Phone:
    """The captured Pixel 8: Android 14, nine cores in three clusters."""
    return make_phone(captured_phone(test_data / "device_captures/pixel-8"))


@pytest.fixture
def any_device(
    request: pytest.FixtureRequest, adb_server: AdbServer, pytestconfig: pytest.Config
) -> AnyDevice:
    """The generic phone, or with `--run-device SERIAL` a real one for tests marked `device_capable`."""
    if request.param == "emulated":
        phone: Phone = request.getfixturevalue("phone")
        return AnyDevice(serial=phone.serial, server=adb_server, phone=phone)
    port = int(os.environ.get("ANDROID_ADB_SERVER_PORT", DEFAULT_SERVER_PORT))
    environment: dict[str, Any] = dict(os.environ)
    server = AdbServer(binary=adb_server.binary, port=port, environment=environment)
    return AnyDevice(serial=pytestconfig.getoption("--run-device"), server=server, phone=None)


@pytest.fixture
def bench(adb_environment: AdbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The command line in a new folder, which waits for no phone to come back or to cool down."""
    monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(device_settings, "_RECONNECT_S", 0.0)
    return Bench(tmp_path, adb_environment)
