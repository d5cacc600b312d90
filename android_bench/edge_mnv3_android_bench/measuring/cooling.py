"""Waiting for a phone that is hot or slow: bounded, and shown."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edge_mnv3.core.reporting import Reporter
from edge_mnv3_android_bench.device.state import read_device_state
from edge_mnv3_android_bench.measuring.launch_script import parse_celsius
from edge_mnv3_android_bench.measuring.plan import CoolDown
from edge_mnv3_android_bench.transport.device import Device

_WARMER_CELSIUS = 5.0  # than before the first launch, at most: a board in a room has no other goal


@dataclass(slots=True)
class Cooling:
    """How long one device was waited for.

    Attributes:
        next_s: Least length of the next wait.
        waited_s: All waits so far, by the time between the looks.
        is_over: The time for waiting is used up, and that has been said.
        temperature_file: File on a board that tells its temperature; None where a thermal status tells it.
        first_celsius: Temperature before the first launch.
    """

    next_s: float = 0.0
    waited_s: float = 0.0
    is_over: bool = False
    temperature_file: str | None = None
    first_celsius: float | None = None

    def begin(self, device: Device, temperature_file: str | None) -> None:
        """Notes how warm a board without a thermal status is before it computes.

        Raises:
            DeviceError: `Device.shell` failed.
        """
        self.temperature_file = temperature_file
        self.first_celsius = self._celsius(device)

    @property
    def goal(self) -> str:
        """What is waited for, in words."""
        if self.first_celsius is None:
            return "its thermal status is 0"
        return f"it is no warmer than {self.first_celsius + _WARMER_CELSIUS:.0f} °C"

    def is_reached(self, device: Device) -> bool:
        """Whether the device is cool, as far as it tells.

        Raises:
            DeviceError: `Device.shell` failed.
        """
        if self.first_celsius is None:
            return not read_device_state(device).thermal_status
        celsius = self._celsius(device)
        return celsius is None or celsius <= self.first_celsius + _WARMER_CELSIUS

    def _celsius(self, device: Device) -> float | None:
        return (
            None if self.temperature_file is None else parse_celsius(device.read_text(self.temperature_file))
        )


def wait_until_cool(
    device: Device, cool_down: CoolDown, cooling: Cooling, reporter: Reporter, stop: threading.Event
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
        DeviceError: `Device.shell` failed.
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
        f"device {device.serial}: waits until {cooling.goal}: {_time(at_least_s)} at least, "
        f"{_time(most_s)} at most ({_time(cooling.waited_s)} of at most {_time(cool_down.total_s)} so far)"
    )
    waited_s = 0.0
    while waited_s < most_s:
        if stop.wait(cool_down.poll_s):
            raise KeyboardInterrupt
        waited_s += cool_down.poll_s
        cooling.waited_s += cool_down.poll_s
        if waited_s >= at_least_s and cooling.is_reached(device):
            return


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"
