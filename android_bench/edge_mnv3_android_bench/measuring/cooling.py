"""Waiting for a phone that is hot or slow: bounded, and shown."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edge_mnv3.core.reporting import Reporter
from edge_mnv3_android_bench.adb.client import AdbDevice
from edge_mnv3_android_bench.device.state import read_device_state
from edge_mnv3_android_bench.measuring.plan import CoolDown


@dataclass(slots=True)
class Cooling:
    """How long one device was waited for.

    Attributes:
        next_s: Least length of the next wait.
        waited_s: All waits so far, by the time between the looks.
        is_over: The time for waiting is used up, and that has been said.
    """

    next_s: float = 0.0
    waited_s: float = 0.0
    is_over: bool = False


def wait_until_cool(
    device: AdbDevice, cool_down: CoolDown, cooling: Cooling, reporter: Reporter, stop: threading.Event
) -> None:
    """Waits until a phone is cool, for a time that doubles; how long at most is said before.

    Args:
        device: The phone.
        cool_down: The bounds, of this wait and of all.
        cooling: What was waited before.
        reporter: Warned of what is waited for, and of the end of all waiting.
        stop: Ends the wait when it is set.

    Raises:
        KeyboardInterrupt: `stop` was set.
        DeviceError: `AdbDevice.shell` failed.
    """
    left_s = cool_down.total_s - cooling.waited_s
    if left_s <= 0:
        if not cooling.is_over and cool_down.max_s:
            reporter.warn(
                f"device {device.serial}: {_time(cooling.waited_s)} were waited in all: no further wait, the "
                "launches go on; --max-cool-down sets how long is waited"
            )
        cooling.is_over = True
        return
    at_least_s, most_s = min(cooling.next_s, left_s), min(cool_down.max_s, left_s)
    cooling.next_s = min(2 * cooling.next_s, cool_down.max_s)
    reporter.warn(
        f"device {device.serial}: waits until its thermal status is 0: {_time(at_least_s)} at least, "
        f"{_time(most_s)} at most ({_time(cooling.waited_s)} of at most {_time(cool_down.total_s)} so far)"
    )
    waited_s = 0.0
    while waited_s < most_s:
        if stop.wait(cool_down.poll_s):
            raise KeyboardInterrupt
        waited_s += cool_down.poll_s
        cooling.waited_s += cool_down.poll_s
        if waited_s >= at_least_s and not read_device_state(device).thermal_status:
            return


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"
