"""An `adb` that is a shell script: does what a test wants, odd or not, with this machine as the phone."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3_android_bench.adb.client import Adb, AdbDevice

SERIAL = "FAKE01"
_SCRIPT = """#!/bin/sh
while [ "$1" = -P ] || [ "$1" = -s ]; do shift 2; done
verb=$1; shift
case $verb in
"""


def fake_adb(folder: Path, **verbs: str) -> Adb:
    """Writes the script.

    Args:
        folder: Where to write it.
        verbs: adb's verb, with `_` for `-`, to the shell commands that answer it. By default the phone is
            there, speaks shell_v2, runs shell commands with this machine's `sh`, and copies files.
    """
    answers = {
        "features": "echo shell_v2; echo cmd",
        "get_state": "echo device",
        "shell": 'exec sh -c "$1"',
        "push": 'cp "$1" "$2" && echo "$1: 1 file pushed"',
        "pull": 'cp "$1" "$2" && echo "$1: 1 file pulled"',
        **verbs,
    }
    cases = "".join(f"{verb.replace('_', '-')})\n{commands}\n;;\n" for verb, commands in answers.items())
    path = folder / "adb"
    path.write_text(f"{_SCRIPT}{cases}*) echo 'adb: unknown command' >&2; exit 1;;\nesac\n", encoding="utf-8")
    path.chmod(0o755)
    return Adb(path)


def fake_device(folder: Path, **verbs: str) -> AdbDevice:
    """A device behind a `fake_adb`."""
    return fake_adb(folder, **verbs).device(SERIAL)
