"""The shell that puts a phone in order when the program that measured is gone, run by this machine's `sh`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import cast

import pytest

from edge_mnv3_android_bench.adb.client import AdbDevice
from edge_mnv3_android_bench.measuring.guard import guard_script
from edge_mnv3_android_bench.transport.files import DeviceFolder

TOKEN = "c0ffee"
LEFT = ("run-1.out", "run-1.err", "check_input", "settings_to_restore")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tool's folder as a launch that is running leaves it; what changes settings notes it."""
    folder, tools = tmp_path / "tool", tmp_path / "tools"
    for path in (folder / "lock", tools):
        path.mkdir(parents=True)
    for name in LEFT:
        (folder / name).write_text("x\n")
    (folder / "settings_to_restore").write_text("stay_on=null\nother=3\nfixed_performance_mode=false\n")
    (folder / "lock" / "token").write_text(f"{TOKEN}\n")
    (folder / "model.tflite").write_text("kept")
    for name in ("settings", "cmd", "pidof"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/called\n')
        (tools / name).chmod(0o755)
    return folder


def run(folder: Path, said: str) -> list[str]:
    """Runs the script; returns which settings it changed."""
    device = cast("AdbDevice", None)
    script = guard_script(DeviceFolder(device, str(folder), lock_token=TOKEN))
    path = f"{folder.parent / 'tools'}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", "-c", script], input=said.encode(), env={"PATH": path}, check=False, capture_output=True
    )
    called = folder.parent / "called"
    lines = called.read_text().splitlines() if called.exists() else []
    return [line for line in lines if not line.startswith("pidof")]


def test_an_end_without_a_word_puts_the_phone_in_order(folder: Path) -> None:
    program = subprocess.Popen(["sleep", "60"])
    # A script that starts the real program.
    wrapper = "sleep 60 & echo on; wait; exit 0"
    of_the_folder = subprocess.Popen(["sh", "-c", wrapper, str(folder)], stdout=subprocess.PIPE)
    assert of_the_folder.stdout is not None
    assert of_the_folder.stdout.readline()
    (folder / "run-1.pid").write_text(f"{of_the_folder.pid}\n")
    (folder / "run-2.pid").write_text(f"{program.pid}\n")  # a number that was given to another process
    try:
        settings = run(folder, "")
        assert of_the_folder.wait(60) == -9
        assert of_the_folder.stdout.read() == b""  # closed by the end of the last that had it
        assert program.poll() is None
    finally:
        for each in (program, of_the_folder):
            each.kill()
            each.communicate()
    assert settings == [
        "settings delete global stay_on",
        "settings put global other 3",
        "cmd power set-fixed-performance-mode-enabled false",
    ]
    assert [path.name for path in folder.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize(("said", "token"), [("done\n", TOKEN), ("", "another")])
def test_nothing_is_touched_where_all_is_in_order_or_somebody_else_s(
    folder: Path, said: str, token: str
) -> None:
    (folder / "lock" / "token").write_text(f"{token}\n")
    assert run(folder, said) == []
    assert {path.name for path in folder.iterdir()} == {*LEFT, "lock", "model.tflite"}
