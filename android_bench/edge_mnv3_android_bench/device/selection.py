"""Which devices to use: `SERIAL`, `HOST:PORT`, `ssh:HOST`, `all`, or the only one that adb lists."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.errors import ArgumentError, DeviceUnavailableError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_android_bench.adb.binary import find_adb
from edge_mnv3_android_bench.adb.client import Adb, AdbDevice, ListedDevice
from edge_mnv3_android_bench.ddp.cloud import PREFIX as CLOUD_PREFIX
from edge_mnv3_android_bench.ssh.client import PREFIX, SshDevice, find_ssh
from edge_mnv3_android_bench.transport.device import Device

ALL_DEVICES = "all"
PASSING_STATE_S = 5.0  # a device that was just connected is `offline` or `authorizing` at first
_POLL_S = 0.2
_ADDRESS = re.compile(r"\S+:\d+")
_USABLE = "device"
_PASSING = ("offline", "authorizing", "connecting")
_NEXT_STEPS = {
    "unauthorized": "unlock it and accept the question about USB debugging, then try again",
    "authorizing": "unlock it and accept the question about USB debugging, then try again",
    "offline": "unplug it and plug it in again, or run 'adb reconnect offline'",
    "connecting": "wait a moment and try again",
    "no permissions": "give your user the right to the USB device (udev rules, group plugdev)",
    "recovery": "start its Android system",
    "sideload": "start its Android system",
    "bootloader": "start its Android system",
    "rescue": "start its Android system",
}
_NONE_HINT = "connect a phone with USB debugging switched on, or give --device HOST:PORT"


def find_devices(
    adb: Path | None, serials: Sequence[str] = (), reporter: Reporter = SILENT
) -> tuple[Device, ...]:
    """Returns the devices to use, each known to be usable when it was looked at, in the order asked for.

    Args:
        adb: The adb binary; None for the one that `find_adb` finds. It is looked for only where it is needed.
        serials: As in `select_devices`; also boards, `ssh:HOST`, which are connected.
        reporter: Warned of each device that `all` leaves out.

    Raises:
        ArgumentError: `all` together with others, an address that is none, or a phone of the cloud, on which
            commands cannot run one by one.
        SshUnavailableError: There is no ssh.
        DeviceError: A board does not answer.
        EdgeMnv3Error: As `find_adb` and `select_devices` raise.
    """
    wanted = tuple(dict.fromkeys(serials))
    boards = [serial for serial in wanted if serial.startswith(PREFIX)]
    if boards and ALL_DEVICES in wanted:
        raise _not_alone(wanted)
    others = [serial for serial in wanted if serial not in boards]
    for serial in others:
        if serial.startswith(CLOUD_PREFIX):
            raise ArgumentError(
                "--device", serial, "a device that can be spoken to: bench and reproduce measure in the cloud"
            )
    found: dict[str, Device] = {}
    if others or not boards:
        selected = select_devices(Adb(find_adb(adb)), others, reporter)
        if not boards:
            return selected
        found |= dict(zip(others, selected, strict=True))
    for serial in boards:
        board = SshDevice(serial, find_ssh())
        board.check()
        found[serial] = board
    return tuple(found[serial] for serial in wanted)


def select_devices(
    adb: Adb, serials: Sequence[str] = (), reporter: Reporter = SILENT
) -> tuple[AdbDevice, ...]:
    """Returns adb's devices to use, each known to be usable when it was looked at.

    Args:
        adb: The adb binary and its server.
        serials: Serials; addresses `HOST:PORT`, which are connected first; or `all` alone. Empty for the
            only usable device.
        reporter: Warned of each device that `all` leaves out.

    Raises:
        ArgumentError: `all` together with others.
        DeviceUnavailableError: There is none, there are several and none was named, or one is not usable.
        AdbUnavailableError: The adb server does not answer.
    """
    wanted = tuple(dict.fromkeys(serials))
    if ALL_DEVICES in wanted:
        if len(wanted) > 1:
            raise _not_alone(wanted)
        return _all(adb, reporter)
    if not wanted:
        return (_only(adb),)
    return tuple(_named(adb, serial) for serial in wanted)


def _not_alone(wanted: Sequence[str]) -> ArgumentError:
    return ArgumentError("--device", " ".join(wanted), f"serials, or {ALL_DEVICES} alone")


def _all(adb: Adb, reporter: Reporter) -> tuple[AdbDevice, ...]:
    listed = _settled(adb, None)
    usable = [entry for entry in listed if entry.state == _USABLE]
    if not usable:
        raise _none_usable(listed)
    for entry in listed:
        if entry not in usable:
            reporter.warn(f"left out: {_unusable(entry)}")
    return tuple(adb.device(entry.serial) for entry in usable)


def _only(adb: Adb) -> AdbDevice:
    listed = _settled(adb, None)
    usable = [entry for entry in listed if entry.state == _USABLE]
    if not usable:
        raise _none_usable(listed)
    if len(usable) > 1:
        names = ", ".join(f"{entry.serial} ({entry.model or 'unknown model'})" for entry in usable)
        raise DeviceUnavailableError(
            "several devices are connected",
            names,
            next_step=f"choose with --device SERIAL, or --device {ALL_DEVICES}",
        )
    return adb.device(usable[0].serial)


def _named(adb: Adb, serial: str) -> AdbDevice:
    known = {entry.serial: entry.state for entry in adb.devices()}
    if _ADDRESS.fullmatch(serial) and known.get(serial) != _USABLE:
        adb.connect(serial)
    entry = next((entry for entry in _settled(adb, serial) if entry.serial == serial), None)
    if entry is None:
        listed = ", ".join(known) or "none"
        raise DeviceUnavailableError(
            f"device {serial} is not connected", f"{listed}", "a serial of 'adb devices'", _NONE_HINT
        )
    if entry.state != _USABLE:
        raise _unusable(entry)
    return adb.device(serial)


def _settled(adb: Adb, serial: str | None) -> tuple[ListedDevice, ...]:
    """Lists the devices, waiting a little for one that is about to become usable."""
    deadline = time.monotonic() + PASSING_STATE_S
    while True:
        listed = adb.devices()
        waited_for = [entry.state for entry in listed if serial in (None, entry.serial)]
        usable = any(state == _USABLE for state in waited_for)
        passing = any(state.startswith(_PASSING) for state in waited_for)
        if usable or not passing or time.monotonic() > deadline:
            return listed
        time.sleep(_POLL_S)


def _none_usable(listed: Sequence[ListedDevice]) -> DeviceUnavailableError:
    if len(listed) == 1:
        return _unusable(listed[0])
    states = ", ".join(f"{entry.serial} {entry.state}" for entry in listed)
    return DeviceUnavailableError("no usable device is connected", states or "none", next_step=_NONE_HINT)


def _unusable(entry: ListedDevice) -> DeviceUnavailableError:
    step = next((text for state, text in _NEXT_STEPS.items() if entry.state.startswith(state)), "")
    return DeviceUnavailableError(f"device {entry.serial}", entry.state, "a device ready for adb", step)
