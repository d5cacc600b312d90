"""Whose a phone is: what the lock on it tells, and when it may be taken over."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest

from edge_mnv3_android_bench.device.phone_lock import (
    STALE_AFTER_S,
    Holder,
    machine_id,
    parse_holder,
    process_start,
)

GONE = 4_194_305  # more than any process number of Linux
ELSEWHERE = Holder(
    token="t", owner="anna@desk", machine="m", pid=7, started=1, held_s=130.0, silent_s=1.0, restarted=False
)
HERE = dataclasses.replace(ELSEWHERE, machine=machine_id())


@pytest.mark.parametrize(
    ("holder", "reason"),
    [
        (ELSEWHERE, None),
        (dataclasses.replace(ELSEWHERE, silent_s=STALE_AFTER_S), None),
        (dataclasses.replace(ELSEWHERE, silent_s=STALE_AFTER_S + 60), "silent for 11 minutes"),
        (dataclasses.replace(ELSEWHERE, restarted=True), "the phone was started anew since"),
        (dataclasses.replace(HERE, pid=GONE), "its process is gone"),
        # This process, but a use that has ended; a number that was given to another process.
        (dataclasses.replace(HERE, pid=os.getpid()), "its process is gone"),
        (dataclasses.replace(HERE, pid=os.getppid(), started=-1), "its process is gone"),
        (dataclasses.replace(HERE, pid=os.getppid(), started=process_start(os.getppid())), None),
    ],
)
def test_stale(holder: Holder, reason: str | None) -> None:
    assert holder.why_stale() == reason


def test_a_sign_of_life_that_is_being_written_is_one() -> None:
    holder = parse_holder("now 5000.0\nsince 100.5\nholder {}\ntoken t\n")
    assert holder is not None
    assert (holder.silent_s, holder.restarted, holder.why_stale()) == (0.0, False, None)


def test_a_living_process_keeps_its_lock_however_silent_it_is() -> None:
    parent = os.getppid()
    holder = dataclasses.replace(HERE, pid=parent, started=process_start(parent), silent_s=1e6)
    assert holder.why_stale() is None


def test_what_the_phone_prints() -> None:
    told = json.dumps({"owner": "anna@desk", "machine": "m", "pid": 7, "started": 1})
    text = f"now 230.5\nsince 100.5\nbeat 229.5\nholder {told}\ntoken t\n"
    assert parse_holder(text) == ELSEWHERE
    assert str(ELSEWHERE) == "anna@desk, process 7, for 2 min"
    assert parse_holder("taken\n") is None
    # Started anew: the uptime is smaller than that of the last sign of life.
    anew = parse_holder("now 5.0\nsince 100.5\nbeat 229.5\n")
    assert anew == Holder(
        token="", owner="", machine="", pid=None, started=None, held_s=None, silent_s=0.0, restarted=True
    )


@pytest.mark.parametrize("damage", ["holder []", "holder {", 'holder {"pid": "x"}', "since x", "token"])
def test_damaged_locks_are_read(damage: str) -> None:
    holder = parse_holder(f"now 1.0\n{damage}\n")
    assert holder is not None
    assert holder.pid is None
