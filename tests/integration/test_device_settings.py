"""Settings come back, whatever happens in between."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_mnv3.core.errors import DeviceFileError, DeviceUnavailableError
from edge_mnv3_android_bench.device import settings as device_settings
from edge_mnv3_android_bench.device.settings import RESTORE_NOTE, changed_settings, restore_settings
from edge_mnv3_android_bench.transport.files import DeviceFolder
from fake_adb import fake_device
from recording_reporter import RecordingReporter

# `settings` and `cmd` keep their values in files.
SETTINGS = """#!/bin/sh
echo "$@" >>{state}/calls
case $1 in
get) cat {state}/$3 2>/dev/null || echo null;;
put) echo "$4" >{state}/$3;;
delete) rm -f {state}/$3; echo 'Deleted 1 rows';;
esac
"""
CMD = """#!/bin/sh
echo "$@" >>{state}/calls
if test -e {state}/unsupported; then echo 'Failed to set FIXED_PERFORMANCE mode'; exit 255; fi
echo "$3" >{state}/fixed
"""


class Phone:
    """Where the stand-ins keep what a phone would know."""

    def __init__(self, tmp_path: Path) -> None:
        self.state = tmp_path / "state"
        self.state.mkdir()
        programs = tmp_path / "bin"
        programs.mkdir()
        for name, text in (("settings", SETTINGS), ("cmd", CMD)):
            (programs / name).write_text(text.format(state=self.state), encoding="utf-8")
            (programs / name).chmod(0o755)
        self.gone = tmp_path / "gone"
        dead = f"if test -e {self.gone}; then echo 'adb: device offline' >&2; exit 1; fi"
        shell = f'{dead}\nPATH={programs}:$PATH exec sh -c "$1"'
        self.folder = DeviceFolder(fake_device(tmp_path, shell=shell), str(tmp_path / "edge"))
        self.note = tmp_path / "edge" / RESTORE_NOTE

    @property
    def stay_on(self) -> str | None:
        path = self.state / "stay_on_while_plugged_in"
        return path.read_text().strip() if path.exists() else None

    @stay_on.setter
    def stay_on(self, value: str) -> None:
        (self.state / "stay_on_while_plugged_in").write_text(value)

    @property
    def fixed(self) -> str:
        return (self.state / "fixed").read_text().strip()


@pytest.fixture
def phone(tmp_path: Path) -> Phone:
    return Phone(tmp_path)


@pytest.mark.parametrize("before", ["0", "3", None])
def test_changed_and_restored(phone: Phone, before: str | None) -> None:
    if before:
        phone.stay_on = before
    with changed_settings(phone.folder, fixed_performance=True, sdk=30):
        assert (phone.stay_on, phone.fixed) == ("7", "true")
        assert f"stay_on_while_plugged_in={before or 'null'}\n" in phone.note.read_text()
    assert (phone.stay_on, phone.fixed) == (before, "false")
    assert not phone.note.exists()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_restored_after_an_exception(phone: Phone, kind: type[BaseException]) -> None:
    phone.stay_on = "0"
    with pytest.raises(kind), changed_settings(phone.folder, sdk=28):
        raise kind
    assert phone.stay_on == "0"
    assert not phone.note.exists()


def test_nothing_to_change_writes_no_note(phone: Phone) -> None:
    phone.stay_on = "7"
    with changed_settings(phone.folder, sdk=28):
        assert not phone.note.exists()
    assert (phone.state / "calls").read_text() == "get global stay_on_while_plugged_in\n"


def test_the_next_run_restores_what_unplugging_left(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_settings, "_RECONNECT_S", 0.0)
    phone.stay_on = "1"
    reporter = RecordingReporter()
    with changed_settings(phone.folder, sdk=28, reporter=reporter):
        phone.gone.touch()
    assert len(reporter.warnings) == 1
    assert reporter.warnings[0].startswith(
        "settings are not restored, the next run on this device restores them: device"
    )
    phone.gone.unlink()
    assert phone.stay_on == "7"
    with changed_settings(phone.folder, sdk=28, reporter=reporter):
        assert phone.stay_on == "7"
        assert phone.note.read_text() == "stay_on_while_plugged_in=1\n"
    assert phone.stay_on == "1"
    assert reporter.warnings[1:] == ["device FAKE01: settings that an earlier run had left were restored"]
    assert not restore_settings(phone.folder)


def test_a_short_interruption_is_waited_for(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    phone.stay_on = "0"
    back = SimpleNamespace(sleep=lambda seconds: phone.gone.unlink())
    monkeypatch.setattr(device_settings, "time", back)
    with changed_settings(phone.folder, sdk=28):
        phone.gone.touch()
    assert phone.stay_on == "0"


def test_an_error_in_the_block_is_not_hidden(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_settings, "_RECONNECT_S", 0.0)
    with pytest.raises(ValueError, match="the block's own"), changed_settings(phone.folder, sdk=28):
        phone.gone.touch()
        raise ValueError("the block's own")


def test_phones_without_the_mode(phone: Phone) -> None:
    with (
        pytest.raises(DeviceUnavailableError) as caught,
        changed_settings(phone.folder, fixed_performance=True, sdk=29),
    ):
        pass
    assert str(caught.value) == (
        "device FAKE01: fixed-performance mode: got API level 29, expected 30 (Android 11) or later; "
        "measure without --fixed-performance"
    )
    phone.stay_on = "0"
    (phone.state / "unsupported").touch()
    with (
        pytest.raises(
            DeviceFileError, match="Failed to set FIXED_PERFORMANCE mode; measure without --fixed-performance"
        ),
        changed_settings(phone.folder, fixed_performance=True, sdk=30),
    ):
        pass
    assert phone.stay_on == "0"
