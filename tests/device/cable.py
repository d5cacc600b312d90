"""The cable between an emulated phone and the computer: what it carries, and how it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Cable:
    """Faults of the connection, switched while the phone runs.

    Attributes:
        bytes_per_second: Speed in each direction; None for no limit.
        cut_after_push_bytes: The cable comes off when so many bytes of a file have arrived.
        cut_after_shell_bytes: The cable comes off when so many bytes of a script's output have been sent.
        pushed_bytes: Bytes of files that arrived since the phone was made.
    """

    def __init__(self, unplug: Callable[[], None]) -> None:
        self.bytes_per_second: float | None = None
        self.cut_after_push_bytes: int | None = None
        self.cut_after_shell_bytes: int | None = None
        self.pushed_bytes = 0
        self._unplug = unplug
        self._frozen_at_s = 0.0
        self._thawed = threading.Event()
        self._thawed.set()
        self._lock = threading.Lock()

    def freeze(self) -> None:
        """Nothing passes any more, and nobody is told: the phone hangs."""
        self._frozen_at_s = time.monotonic()
        self._thawed.clear()

    @property
    def frozen_s(self) -> float:
        """For how long nothing has passed; 0 where it does."""
        return 0.0 if self._thawed.is_set() else time.monotonic() - self._frozen_at_s

    def thaw(self) -> None:
        """What was held back passes."""
        self._thawed.set()

    def pass_through(self, size: int) -> None:
        """Waits as long as `size` bytes take on this cable."""
        self._thawed.wait()
        if self.bytes_per_second:
            time.sleep(size / self.bytes_per_second)
            self._thawed.wait()

    def take_push(self, data: bytes) -> tuple[bytes, bool]:
        """The part of a file's bytes that still arrives, and whether the cable comes off after it."""
        with self._lock:
            kept, self.cut_after_push_bytes = _within(data, self.cut_after_push_bytes)
            self.pushed_bytes += len(kept)
            return kept, self.cut_after_push_bytes == 0

    def take_shell(self, data: bytes) -> tuple[bytes, bool]:
        """The part of a script's output that is still sent, and whether the cable comes off after it."""
        with self._lock:
            kept, self.cut_after_shell_bytes = _within(data, self.cut_after_shell_bytes)
            return kept, self.cut_after_shell_bytes == 0

    def come_off(self) -> None:
        """Unplugs the phone; the limits that led to it are spent."""
        self.cut_after_push_bytes = self.cut_after_shell_bytes = None
        self._unplug()


def _within(data: bytes, limit: int | None) -> tuple[bytes, int | None]:
    if limit is None:
        return data, None
    kept = data[:limit]
    return kept, limit - len(kept)
