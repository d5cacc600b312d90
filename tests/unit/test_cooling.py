"""Waiting for hot phones: how long it is waited, in each wait and in all, and what is said."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from edge_mnv3_android_bench.device.sections import HEADING
from edge_mnv3_android_bench.measuring.cooling import Cooling, wait_until_cool
from edge_mnv3_android_bench.measuring.plan import CoolDown
from edge_mnv3_android_bench.transport.device import Device, ShellOutput
from recording_reporter import RecordingReporter


class Thermometer:
    """A phone whose thermal status is asked for: hot for so many looks."""

    serial = "A1"

    def __init__(self, hot_looks: int) -> None:
        self.hot_looks = hot_looks
        self.looks = 0

    def shell(self, script: str, *, timeout_s: float) -> ShellOutput:
        self.looks += 1
        status = 3 if self.looks <= self.hot_looks else 0
        text = f"{HEADING}thermalservice\nThermal Status: {status}\n"
        return ShellOutput(stdout=text, stderr="", exit_code=0, merged=False)


class Waits(threading.Event):
    """Time that passes at once, and is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout or 0.0)
        return self.is_set()


def wait(
    thermometer: Thermometer, cooling: Cooling, waits: Waits, reporter: RecordingReporter | None = None
) -> None:
    bounds = CoolDown(min_s=10.0, max_s=40.0, poll_s=5.0, waits=2)
    device = cast("Device", thermometer)
    wait_until_cool(device, bounds, cooling, reporter or RecordingReporter(), waits)


def test_a_phone_that_is_cool_is_waited_for_as_long_as_at_least() -> None:
    waits, reporter, cooling = Waits(), RecordingReporter(), Cooling(next_s=10.0)
    wait(Thermometer(0), cooling, waits, reporter)
    assert waits.waited_s == [5.0, 5.0]
    assert (cooling.next_s, cooling.waited_s) == (20.0, 10.0)
    assert reporter.warnings == [
        "device A1: waits until its thermal status is 0: 10 s at least, 40 s at most (0 s of at most 80 s so "
        "far)"
    ]
    wait(Thermometer(1), cooling, waits)
    assert (cooling.next_s, cooling.waited_s) == (40.0, 35.0)  # looked at after 20 s, and after 25 s


def test_all_waits_together_are_bounded() -> None:
    waits, reporter, cooling = Waits(), RecordingReporter(), Cooling(next_s=10.0)
    for _ in range(5):
        wait(Thermometer(1000), cooling, waits, reporter)
    assert sum(waits.waited_s) == cooling.waited_s == 80.0
    assert "(40 s of at most 80 s so far)" in reporter.warnings[1]
    assert reporter.warnings[2:] == [
        "device A1: 80 s were waited in all: no further wait, the launches go on; --max-cool-down sets how "
        "long is waited"
    ]


def test_a_stop_ends_it() -> None:
    waits = Waits()
    waits.set()
    with pytest.raises(KeyboardInterrupt):
        wait(Thermometer(0), Cooling(next_s=10.0), waits)
    assert waits.waited_s == [5.0]


class Board:
    """A board without a thermal status: a file tells its temperature, in thousandths of a degree."""

    serial = "ssh:pi"

    def __init__(self, *celsius: float | None) -> None:
        self.celsius = list(celsius)

    def read_text(self, path: str) -> str | None:
        assert path == "/sys/temp"
        now = self.celsius.pop(0)
        return None if now is None else f"{1000 * now:.0f}\n"


@pytest.mark.parametrize(
    ("celsius", "waits"), [((48.0, 70.0, 60.0, 53.0), 4), ((48.0, 52.0), 2), ((48.0, None), 2)]
)
def test_a_board_is_waited_for_by_its_temperature(celsius: tuple[float | None, ...], waits: int) -> None:
    """Until it is nearly as cool as before the first launch; one that stops telling is waited for once."""
    board, cooling, waited, reporter = Board(*celsius), Cooling(next_s=10.0), Waits(), RecordingReporter()
    device = cast("Device", board)
    cooling.begin(device, "/sys/temp")
    bounds = CoolDown(min_s=10.0, max_s=40.0, poll_s=5.0, waits=2)
    wait_until_cool(device, bounds, cooling, reporter, waited)
    assert len(waited.waited_s) == waits
    assert reporter.warnings[0].startswith(
        "device ssh:pi: waits until it is no warmer than 53 °C: 10 s at least"
    )
