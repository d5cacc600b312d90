"""What a test wants to happen on an emulated phone, and when: by what happens there, never by the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

Action = Callable[[], None]
Condition = Callable[[], bool]


class _Awaited(NamedTuple):
    condition: Condition
    action: Action


class Agenda:
    """What is to happen; nothing happens twice."""

    def __init__(self) -> None:
        self._at_launch: dict[int, Action] = {}
        self._in_launch: dict[int, _Awaited] = {}
        self._awaited: list[_Awaited] = []
        self._lock = threading.Lock()

    def when(self, condition: Condition, action: Action) -> None:
        """Does something as soon as `condition` holds."""
        with self._lock:
            self._awaited.append(_Awaited(condition, action))

    def at_launch(self, number: int, action: Action) -> None:
        """Does something before a launch begins."""
        with self._lock:
            self._at_launch[number] = action

    def in_launch(self, number: int, action: Action, condition: Condition) -> None:
        """Does something in a launch, once `condition` holds."""
        with self._lock:
            self._in_launch[number] = _Awaited(condition, action)

    def do_what_holds(self) -> None:
        """Does what waits for a condition that holds by now."""
        with self._lock:
            due = [awaited for awaited in self._awaited if awaited.condition()]
            self._awaited = [awaited for awaited in self._awaited if awaited not in due]
        for awaited in due:
            awaited.action()

    def do_what_is_due(self, launched: Callable[[], int]) -> None:
        """Does what is due by a condition, or by the number of launches so far."""
        with self._lock:
            numbers = [number for number in sorted(self._at_launch) if number <= launched()]
            due = [self._at_launch.pop(number) for number in numbers]
        for action in due:
            action()
        self.do_what_holds()

    def do_what_is_due_in(self, launch: int) -> bool:
        """Does what is due in a launch; returns whether nothing more is to be done in it."""
        awaited = self._in_launch.get(launch)
        if awaited is not None and awaited.condition():
            awaited.action()
            del self._in_launch[launch]
        return launch not in self._in_launch
