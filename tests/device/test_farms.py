"""Phones of farms and clouds, whose adb is forwarded: by address, after a drop, and at another port."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from device.bench_setup import FOLDER, STEADY, model_file
from device.command_setup import Bench, assert_clean, printed
from device.conftest import MakePhone
from device.farm import Tunnel
from device.fault_setups import DONE, FAILED, MEDIAN_US
from device.layouts import generic_phone
from device.phone import Phone
from hanging import HANGS_AFTER_S

pytestmark = [pytest.mark.any_adb, pytest.mark.timeout(HANGS_AFTER_S)]
SECOND_LAUNCH = 3  # the very first one is --help
NUMBER = "FARM0001"


@pytest.fixture
def farmed(make_phone: MakePhone) -> Phone:
    """A phone in a farm: it has a serial number, and is not connected here."""
    layout = generic_phone()
    phone = make_phone(
        dataclasses.replace(layout, properties={**layout.properties, "ro.serialno": NUMBER}), connected=False
    )
    phone.figures = STEADY
    return phone


@pytest.fixture
def tunnel(farmed: Phone) -> Iterator[Tunnel]:
    made = Tunnel(int(farmed.serial.rpartition(":")[2]))
    yield made
    made.drop()


def measure(bench: Bench, *arguments: str | Path) -> Result:
    short = ("--runs", "10", "--min-secs", "0.1", "--max-secs", "1", "--launches", "2", "--accept-variation")
    usual = ("--benchmark-binary", bench.binary(), "--max-cool-down", "0.2", "--json")
    return bench.run("bench", model_file(bench.folder), *short, *usual, *arguments)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["gmsaas adbconnect", "DeviceFarmer"])
def test_by_address_after_a_drop_and_at_another_port(
    host: str, bench: Bench, farmed: Phone, tunnel: Tunnel
) -> None:
    """The tunnel drops in a launch, and comes back at another port: the same command goes on."""
    address = f"{host}:{tunnel.open()}"
    farmed.in_launch(SECOND_LAUNCH, tunnel.drop)
    broken = measure(bench, "--device", address)
    assert broken.exit_code == FAILED, broken.output
    assert "the connection broke" in broken.output
    assert farmed.wait_for(lambda: not farmed.processes()), farmed.processes()
    moved = f"{host}:{tunnel.open()}"
    assert moved != address
    done = measure(bench, "--device", moved)
    assert done.exit_code == DONE, done.output
    (result,) = printed(done)["results"]
    device = result["conditions"]["device"]
    assert (device["serial"], device["hardware_serial"], result["median_us"]) == (moved, NUMBER, MEDIAN_US)
    assert "taken from the unfinished run" in done.stderr
    assert len([words for words in farmed.launches if any("--graph" in word for word in words)]) == 3
    assert_clean(farmed)
    for serial in (address, moved):
        bench.server.disconnect(serial)


def test_an_address_of_a_tunnel_that_is_down(bench: Bench, farmed: Phone, tunnel: Tunnel) -> None:
    port = tunnel.open()
    tunnel.drop()
    done = measure(bench, "--device", f"localhost:{port}")
    assert done.exit_code == FAILED
    assert f"device localhost:{port} cannot be connected" in done.output
    assert not farmed.launches


def test_a_bridge_in_the_place_of_the_adb_server(
    bench: Bench, make_phone: MakePhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Device Connect has no address: its bridge is what adb takes for its server, here at another port."""
    phone = make_phone()
    phone.figures = STEADY
    bridge = Tunnel(bench.server.port)
    try:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(bridge.open()))
        done = measure(bench, "--device", phone.serial)
        assert done.exit_code == DONE, done.output
        assert [result["median_us"] for result in printed(done)["results"]] == [MEDIAN_US]
        assert f"{FOLDER}/lock" not in phone.files()
    finally:
        bridge.drop()
