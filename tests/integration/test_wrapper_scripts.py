"""A build that is a script, which starts the real program: both end where a launch is ended."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand, launch_script, parse_launch_output
from edge_mnv3_android_bench.measuring.process_tree import PROCESS_TREE

PATIENCE_S = 30.0
WRAPPER = """#!/bin/sh
sh -c 'echo $$ >{folder}/inner; read x <{folder}/never; exit 0' 'a ) 1 (b'
exit $?
"""


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    """A script whose program waits for ever."""
    os.mkfifo(tmp_path / "never")
    script = tmp_path / "benchmark_model_mine"
    script.write_text(WRAPPER.format(folder=tmp_path))
    script.chmod(0o755)
    return script


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_what_a_killed_launch_started_does_not_go_on(wrapper: Path) -> None:
    folder = wrapper.parent
    command = LaunchCommand(
        folder=str(folder),
        program=str(wrapper),
        flags=(),
        cpus=(),
        other_cpus=(),
        temperature_file=None,
        limit_s=0.5,
    )
    done = subprocess.run(
        ["sh", "-c", launch_script(command)], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    output = parse_launch_output(done.stdout, ())
    assert output is not None
    assert output.exit_code is None  # it was late
    inner = int((folder / "inner").read_text())
    assert wait_for(lambda: not is_running(inner))


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_process_and_what_it_started(wrapper: Path, shell: str) -> None:
    program = subprocess.Popen([wrapper])
    try:
        told_inner = wrapper.parent / "inner"
        assert wait_for(lambda: told_inner.exists() and bool(told_inner.read_text()))
        inner = int((wrapper.parent / "inner").read_text())
        told = subprocess.check_output([shell, "-c", f"{PROCESS_TREE}\ntree {program.pid}"], text=True)
        assert told.split() == [str(program.pid), str(inner)]
        os.kill(inner, 9)
        program.wait(PATIENCE_S)
        told = subprocess.check_output([shell, "-c", f"{PROCESS_TREE}\ntree {program.pid}"], text=True)
        assert told.split() == [str(program.pid)]
    finally:
        program.kill()
        program.wait()
