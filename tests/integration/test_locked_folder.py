"""The lock on a phone, taken and given back by this machine's shell behind an adb that is a script."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edge_mnv3.core.errors import DeviceFileError, DeviceUnavailableError
from edge_mnv3_android_bench.device.phone_lock import lock_phone, unlock_phone
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand, launch_script, parse_launch_output
from edge_mnv3_android_bench.transport.files import LOST_LOCK_EXIT_CODE, DeviceFolder
from fake_adb import fake_device
from recording_reporter import RecordingReporter


def folder(tmp_path: Path) -> DeviceFolder:
    return DeviceFolder(fake_device(tmp_path, shell='exec sh -c "$1"'), str(tmp_path / "edge"))


def test_one_user_at_a_time(tmp_path: Path) -> None:
    phone = folder(tmp_path)
    first = lock_phone(phone)
    with pytest.raises(DeviceUnavailableError) as caught:
        lock_phone(phone)
    assert f", process {os.getpid()}, for 0 s, expected a phone that nobody else" in str(caught.value)
    assert not first.is_lost()
    unlock_phone(first)
    second = lock_phone(phone)
    assert first.is_lost()
    assert not second.is_lost()
    unlock_phone(first)  # not ours any more
    assert not second.is_lost()
    unlock_phone(second)
    assert [path.name for path in (tmp_path / "edge").iterdir()] == []


def test_a_lock_without_owner_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_mnv3_android_bench.device.phone_lock._WRITING_S", 0.0)
    (tmp_path / "edge" / "lock").mkdir(parents=True)
    reporter = RecordingReporter()
    locked = lock_phone(folder(tmp_path), reporter)
    assert not locked.is_lost()
    (warning,) = reporter.warnings
    assert "the lock of an unknown user is taken over: its owner never said who it is" in warning


def test_a_lost_phone_leaves_a_stale_lock(tmp_path: Path) -> None:
    locked = lock_phone(folder(tmp_path))
    unlock_phone(locked, reachable=False)
    reporter = RecordingReporter()
    assert not lock_phone(folder(tmp_path), reporter).is_lost()
    assert "taken over: its process is gone" in reporter.warnings[0]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "edge").write_text("a file")
    with pytest.raises(DeviceFileError, match=r"edge: got mkdir: .*edge"):
        lock_phone(folder(tmp_path))


@pytest.mark.parametrize("ours", [True, False])
def test_a_result_needs_the_lock_of_the_phone(tmp_path: Path, ours: bool) -> None:
    """The script of a launch, run by this machine's shell in a folder whose lock is ours or another's."""
    lock = tmp_path / "lock"
    lock.mkdir()
    (lock / "token").write_text("mine\n" if ours else "other\n")
    (lock / "holder").write_text('{"owner": "ben@other"}\n')
    command = LaunchCommand(
        folder=str(tmp_path),
        program="/bin/echo",
        flags=("ran",),
        cpus=(),
        other_cpus=(),
        temperature_file=None,
        limit_s=5.0,
        lock_token="mine",
    )
    done = subprocess.run(["sh", "-c", launch_script(command)], capture_output=True, text=True, check=False)
    output = parse_launch_output(done.stdout, ())
    assert (output is not None) == ours
    assert done.returncode == (0 if ours else LOST_LOCK_EXIT_CODE)
    assert ("ben@other" in done.stderr) != ours
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
