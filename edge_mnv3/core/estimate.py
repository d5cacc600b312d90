"""How far planned work is, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3.core.reporting import Phase

# Weight of the plan against what was seen of this machine's speed: that of so many seconds.
_TRUST_IN_PLAN_S = 3.0
# From then on a step's own pace says more about its end than the plan.
_TELLING_SHARE, _TELLING_S = 0.05, 1.0


class Position(NamedTuple):
    """Where the work is.

    Attributes:
        number: The current step, counted from 1; None outside of a plan. What a step consists of has its
            number.
        of: Steps in all, as they were planned first; 0 outside of a plan.
        remaining_s: Seconds that are left; None where nothing tells, or where the last step takes longer than
            was expected.
    """

    number: int | None
    of: int
    remaining_s: float | None


class Estimate:
    """Follows a `Reporter`'s calls. Times are those of any clock, in seconds."""

    def __init__(self) -> None:
        self._phases: list[Phase] = []
        self._numbers: list[int] = []  # of the step that each of them is, or is part of
        self._current = -1  # index of the phase that runs
        self._planned = False  # whether the step that runs is one of them
        self._begun_s = 0.0
        self._done_share = 0.0
        self._spent_s = 0.0  # on planned phases that have ended, and what the plan expected of them
        self._expected_s = 0.0

    def plan(self, phases: Sequence[Phase]) -> bool:
        """Sets what is to come, or divides the phase that runs.

        After steps that were not planned, a phase still runs if its name stands before those of all others.

        Returns:
            Whether a phase is divided.
        """
        current = self._phases[self._current] if self._current >= 0 else None
        if current is None or not (self._planned or are_parts(current.text, phases)):
            self._phases, self._current = list(phases), -1
            self._numbers = [*range(1, len(phases) + 1)]
            return False
        if not self._planned:  # it was taken for one that has ended
            self._expected_s -= current.expected_s
        total = sum(phase.expected_s for phase in phases) or 1.0
        parts = [Phase(phase.text, phase.expected_s * current.expected_s / total) for phase in phases]
        replaced = slice(self._current, self._current + 1)
        self._phases[replaced] = parts
        self._numbers[replaced] = [self._numbers[self._current]] * len(parts)
        self._current -= 1
        self._planned = False
        return True

    def step(self, text: str, now_s: float) -> None:
        """Ends the step before, and begins one."""
        if self._planned:
            self._spent_s += now_s - self._begun_s
            self._expected_s += self._phases[self._current].expected_s
        later = range(self._current + 1, len(self._phases))
        planned = next((index for index in later if self._phases[index].text == text), None)
        self._planned = planned is not None
        self._current = self._current if planned is None else planned
        self._begun_s, self._done_share = now_s, 0.0

    def progress(self, done: int, total: int) -> None:
        """Notes how much of the current step is done."""
        self._done_share = min(done / total, 1.0) if total else 0.0

    def position(self, now_s: float) -> Position:
        """Says where the work is."""
        if not self._phases:
            return Position(None, 0, None)
        slowness = (self._spent_s + _TRUST_IN_PLAN_S) / (self._expected_s + _TRUST_IN_PLAN_S)
        later_s = slowness * sum(phase.expected_s for phase in self._phases[self._current + 1 :])
        current_s = self._rest_of_step_s(now_s, slowness)
        number = self._numbers[self._current] if self._planned else None
        remaining_s = None if current_s is None and not later_s else (current_s or 0.0) + later_s
        return Position(number, self._numbers[-1], remaining_s)

    def _rest_of_step_s(self, now_s: float, slowness: float) -> float | None:
        spent_s = now_s - self._begun_s
        if self._done_share >= _TELLING_SHARE and spent_s >= _TELLING_S:
            return spent_s * (1 - self._done_share) / self._done_share
        if not self._planned:
            return None
        expected_s = slowness * self._phases[self._current].expected_s
        return expected_s - spent_s if expected_s > spent_s else None


def are_parts(whole: str, phases: Sequence[Phase]) -> bool:
    """Whether steps name themselves parts of another: `point 1` of `point 1: reading`."""
    return all(phase.text.startswith(f"{whole}: ") for phase in phases)
