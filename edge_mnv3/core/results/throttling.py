"""Throttling that was found while a latency was measured, whatever the thermal status said."""

from __future__ import annotations

from dataclasses import dataclass

DRIFT, CLOCKS = "drift", "clocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottlingFinding:
    """How a device was seen to slow down over the launches of a result.

    Attributes:
        found_by: `drift`: launches became slower one after the other; `clocks`: cores ran below the clocks
            that they have, or had at first.
        first_us: Latency of the first launches; None where it was found by clocks.
        last_us: Latency of the last launches; None where it was found by clocks.
        cpus: The cores whose clocks were low; empty where it was found by drift.
        first_khz: Their clock at first, or the highest that they have; None where it was found by drift.
        last_khz: Their clock afterwards; None where it was found by drift.
        highest_thermal_status: Highest thermal status before and after the launches, 0 to 6; None where the
            device tells none.
        accepted: The result was taken all the same, because that was asked for.
        text: All of it in words.
    """

    found_by: str
    first_us: float | None = None
    last_us: float | None = None
    cpus: tuple[int, ...] = ()
    first_khz: int | None = None
    last_khz: int | None = None
    highest_thermal_status: int | None
    accepted: bool
    text: str
