"""Which adb is used: the first of the option, $ADB, PATH, the SDK, the wheel."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edge_mnv3.core.errors import AdbUnavailableError
from edge_mnv3_android_bench.adb.binary import find_adb


def program(path: Path, commands: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{commands}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without adb."""
    for name in ("ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return tmp_path


def test_order(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_home = program(nothing / "home/Android/Sdk/platform-tools/adb")
    assert find_adb() == in_home
    in_sdk = program(nothing / "sdk/platform-tools/adb")
    monkeypatch.setenv("ANDROID_HOME", str(nothing / "sdk"))
    assert find_adb() == in_sdk
    on_path = program(nothing / "bin/adb")
    assert find_adb() == on_path
    named = program(nothing / "named/adb")
    monkeypatch.setenv("ADB", str(named))
    assert find_adb() == named
    option = program(nothing / "option/adb")
    assert find_adb(option) == option


def test_the_wheel_is_the_last_resort(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(nothing))
    for name in ("ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    if importlib.util.find_spec("adbutils") is None:
        pytest.skip("the wheel with adb is not installed")
    assert find_adb().parent.name == "binaries"


def test_nothing_is_said_in_one_line(nothing: Path) -> None:
    with pytest.raises(AdbUnavailableError) as caught:
        find_adb()
    assert str(caught.value) == (
        "adb was not found: got none in $ADB, PATH, the Android SDK's folders, adbutils; "
        "install Android's platform-tools or pip install 'edge-mnv3[adb]', or name the binary with --adb"
    )


def test_what_the_user_names_is_not_replaced_by_another(
    nothing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(nothing / "bin/adb")
    with pytest.raises(AdbUnavailableError, match="adb /none of --adb: got no such file"):
        find_adb(Path("/none"))
    (nothing / "text").write_text("")
    monkeypatch.setenv("ADB", str(nothing / "text"))
    with pytest.raises(AdbUnavailableError, match=r"text of \$ADB: got a file that may not be run"):
        find_adb()
