"""What the script of a launch is, and what is read from what it prints."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand, launch_script, parse_launch_output

COMMAND = LaunchCommand(
    folder="/data/local/tmp/edge-mnv3",
    program="/data/local/tmp/edge-mnv3/benchmark_model_current",
    flags=("--graph=/data/a b.tflite", "--num_threads=1"),
    cpus=(4, 5),
    other_cpus=(0, 1),
    temperature_file="/sys/class/thermal/thermal_zone0/temp",
    limit_s=170.0,
)
BATTERY = "\n== edge-mnv3 battery\nCurrent Battery Service state:\n  level: {level}\n  scale: 100\n"
STDOUT = "STARTING!\ncount=1 curr=5\n"
STDERR = "ERROR: one\n"


def printed(
    samples: str = "", code: str = "0 ", stdout: str = STDOUT, stderr: str = STDERR, after: int = 79
) -> str:
    return (
        f"{BATTERY.format(level=80)}\n== edge-mnv3 run\n{samples}\n== edge-mnv3 exit\n{code}\n"
        f"\n== edge-mnv3 stdout\n{stdout}\n== edge-mnv3 stderr\n{stderr}\n== edge-mnv3 after\n"
        f"{BATTERY.format(level=after)}"
    )


def test_the_command_line() -> None:
    script = launch_script(COMMAND)
    command = (
        "( exec taskset 30 /data/local/tmp/edge-mnv3/benchmark_model_current "
        "'--graph=/data/a b.tflite' --num_threads=1 ) "
    )
    started = re.search(rf"{re.escape(command)}>(run-\w+)\.out 2>(run-\w+)\.err </dev/null &", script)
    assert started
    assert started[1] == started[2]
    # No two launches share a file, whoever makes them.
    assert started[1] not in launch_script(COMMAND)
    assert "taskset -p 3 $$" in script
    assert "if test $n -ge 680" in script  # 170 s in quarters of a second
    unpinned = launch_script(dataclasses.replace(COMMAND, cpus=(), other_cpus=(), temperature_file=None))
    assert "taskset" not in unpinned
    assert "( exec /data/local/tmp/edge-mnv3/benchmark_model_current" in unpinned


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_it_is_a_script_of_any_shell(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    argv = [program, *(["sh"] if shell == "busybox" else []), "-n", "-c", launch_script(COMMAND)]
    assert subprocess.run(argv, capture_output=True, check=False).stderr == b""


def test_everything_is_read() -> None:
    samples = (
        "sample 100.25 41500 30 2400000 2400000\n"
        "sample 100.60 415 00000000,00000030 2400000 -\n"
        "sample 100.90 - - - -\n"
        "sample 101.20 40 ff 1 1\n"
    )
    output = parse_launch_output(printed(samples), (4, 5))
    assert output is not None
    assert (output.before.battery_percent, output.after.battery_percent) == (80.0, 79.0)
    assert (output.stdout, output.stderr, output.exit_code) == (STDOUT, STDERR, 0)
    # The last sample is left out: it may fall into the program's end.
    assert [sample.khz for sample in output.samples] == [
        (2_400_000, 2_400_000),
        (2_400_000, None),
        (None, None),
    ]
    assert [sample.celsius for sample in output.samples] == [41.5, 41.5, None]
    assert [sample.time_s for sample in output.samples] == [0.25, 0.6, 0.9]
    assert output.masks == (0x30, 0x30, None)


def test_a_clock_that_stands_still_is_helped_by_counting() -> None:
    output = parse_launch_output(printed("sample 9.00 - 30 1 1\n" * 4), (4, 5))
    assert output is not None
    assert [sample.time_s for sample in output.samples] == [0.25, 0.5, 0.75]


def test_the_streams_are_exact() -> None:
    for stdout in ("", "no line feed", "two\n\n", "\n"):
        output = parse_launch_output(printed(stdout=stdout), (4, 5))
        assert output is not None
        assert output.stdout == stdout


def test_its_time_was_up() -> None:
    output = parse_launch_output(printed(code="137 late"), (4, 5))
    assert output is not None
    assert output.exit_code is None


def test_a_sample_that_is_not_whole_is_left_out() -> None:
    output = parse_launch_output(printed("sample 1 2 30 5\nsample\nsample 1 40 30 7 7\n"), (4, 5))
    assert output is not None
    assert [sample.khz for sample in output.samples] == [(7, 7)]


@given(st.integers(0, len(printed())))
def test_a_cut_output_is_none_until_the_program_has_ended(size: int) -> None:
    whole = printed("sample 1 2 30 5 5\n")
    text = whole[:size]
    output = parse_launch_output(text, (4, 5))
    if "\n== edge-mnv3 after\n" not in text:
        assert output is None
    else:
        assert output is not None
        assert output.stdout == STDOUT
