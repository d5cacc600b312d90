"""The devices of one command: each is opened once, and all are worked on side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, TypeVar

from edge_mnv3.core.errors import DeviceTimeoutError, EdgeMnv3Error
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_android_bench.device.phone_lock import lock_phone, unlock_phone
from edge_mnv3_android_bench.measuring.guard import Guard
from edge_mnv3_android_bench.measuring.session import DeviceSession, open_session
from edge_mnv3_android_bench.transport.device import Device

Item = TypeVar("Item", Device, DeviceSession)
T = TypeVar("T")


class FailedDevice(NamedTuple):
    """Why something on a device was not done to the end."""

    serial: str
    error: EdgeMnv3Error


class Fleet:
    """Devices with a session each, and a thread for each; made by `open_fleet`.

    Attributes:
        sessions: Sessions of the devices in use, in the order asked for.
        failures: What failed so far; a device that failed leaves the others alone.
        stop: Set by Ctrl-C. What runs on a device passes it on to the calls of adb, which end then.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.sessions: tuple[DeviceSession, ...] = ()
        self.failures: list[FailedDevice] = []
        self.stop = threading.Event()
        self._pool = pool
        self._locked: list[DeviceSession] = []
        self._guards: dict[str, Guard] = {}

    def leave_out(self, session: DeviceSession, error: EdgeMnv3Error) -> None:
        """Goes on without a device."""
        self.failures.append(FailedDevice(session.serial, error))
        self.sessions = tuple(other for other in self.sessions if other is not session)

    def on_each(
        self, call: Callable[[DeviceSession], T], sessions: Sequence[DeviceSession] | None = None
    ) -> list[T]:
        """Does something on all devices at once.

        Args:
            call: Runs in the device's thread. An `EdgeMnv3Error` that it raises is entered in `failures`.
            sessions: The devices; None for all in use.

        Returns:
            What the calls returned that did not fail, in the devices' order.

        Raises:
            KeyboardInterrupt: Ctrl-C. Leaving `open_fleet` waits until each device has been put in order.
        """
        return self._run(self.sessions if sessions is None else sessions, call)

    def _open(self, devices: Sequence[Device], reporter: Reporter) -> None:
        opened = distinct_phones(self._run(devices, open_session), reporter)
        locked = self._run(opened, lambda session: self._lock(session, reporter))
        self.sessions = tuple(locked)

    def _lock(self, session: DeviceSession, reporter: Reporter) -> DeviceSession:
        locked = replace(session, folder=lock_phone(session.folder, reporter))
        self._locked.append(locked)
        self._guards[locked.serial] = Guard(locked.folder)
        return locked

    def _unlock(self) -> None:
        """Gives the locks back; that of a device which does not answer is stale, as its user is gone."""
        hung = {serial for serial, error in self.failures if isinstance(error, DeviceTimeoutError)}
        for session in self._locked:
            reachable = session.serial not in hung
            guard = self._guards.get(session.serial)
            if guard:
                guard.end(reachable=reachable)
            unlock_phone(session.folder, reachable=reachable)

    def _run(self, items: Sequence[Item], call: Callable[[Item], T]) -> list[T]:
        futures = [self._pool.submit(call, item) for item in items]
        try:
            wait(futures)
        except BaseException:
            self.stop.set()
            raise
        done = []
        for item, future in zip(items, futures, strict=True):
            try:
                done.append(future.result())
            except EdgeMnv3Error as error:
                self.failures.append(FailedDevice(item.serial, error))
        return done


def distinct_phones(sessions: Sequence[DeviceSession], reporter: Reporter) -> list[DeviceSession]:
    """Leaves one session of each phone: adb lists one that has a cable and Wi-Fi under two names."""
    phones: dict[str, DeviceSession] = {}
    for session in sessions:
        first = phones.setdefault(session.info.identity, session)
        if first is not session:
            reporter.warn(
                f"left out: device {session.serial} is the same phone as {first.serial} (serial number "
                f"{session.info.identity}): it is measured once"
            )
    return list(phones.values())


@contextmanager
def open_fleet(devices: Sequence[Device], reporter: Reporter = SILENT) -> Iterator[Fleet]:
    """Opens a session on each device, side by side, and locks it; what cannot be opened is in `failures`.

    A phone that adb lists twice, by cable and by Wi-Fi, is opened once.

    Args:
        devices: The devices.
        reporter: Warned of a phone that is listed twice, and of a lock that is taken over.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, len(devices)), thread_name_prefix="device")
    fleet = Fleet(pool)
    try:
        with pool:
            try:
                fleet._open(devices, reporter)
                yield fleet
            except BaseException:
                fleet.stop.set()  # leaving the pool waits for the devices' threads
                raise
    finally:
        fleet._unlock()
