"""Calls to a phone that hangs: their timeouts are the real ones, and nobody waits as long as that.

While the phone is frozen, a second of this computer is minutes for the calls that it has to answer. Before
that, and for calls that adb answers by itself, time is what it is: however slow this computer is, nothing
but a hang runs into a timeout.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from device.phone import Phone
from edge_mnv3.core import process
from edge_mnv3_android_bench.adb import client

_TIMES_FASTER = 100.0
_ASK_THE_PHONE = {"shell", "push", "pull"}


def let_time_fly_while_frozen(monkeypatch: pytest.MonkeyPatch, phone: Phone) -> None:
    """Makes the product's calls of adb run into their timeouts soon, while the phone is frozen."""
    flies = threading.local()

    def run(
        argv: Sequence[str], *, timeout_s: float, stop: threading.Event | None = None
    ) -> process.Completed:
        flies.here = not _ASK_THE_PHONE.isdisjoint(argv)
        try:
            return process.run(argv, timeout_s=timeout_s, stop=stop or threading.Event())
        finally:
            flies.here = False

    def monotonic() -> float:
        frozen_s = phone.cable.frozen_s if getattr(flies, "here", False) else 0.0
        return time.monotonic() + _TIMES_FASTER * frozen_s

    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(client, "process", SimpleNamespace(run=run))
