"""What a log says about the flags that the program was given, held against the command that was meant.

Builds from TensorFlow 1.14 on print the flags that were given, one a line: `Graph: [small.tflite]`; all say
which file they load. A line of another value, or of another graph, means that the log is another launch's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3_android_bench.benchmark_model.log_lines import split_log

_LABELS = {
    "graph": ("Graph",),
    "num_runs": ("Min num runs", "Num runs"),
    "min_secs": ("Min runs duration (seconds)",),
    "max_secs": ("Max runs duration (seconds)",),
    "num_threads": ("Num threads", "#threads used for CPU inference"),
    "warmup_runs": ("Min warmup runs",),
    "warmup_min_secs": ("Min warmup runs duration (seconds)",),
    "use_xnnpack": ("Use xnnpack",),
    "use_gpu": ("Use gpu",),
    "use_nnapi": ("Use NNAPI",),
    "disable_nnapi_cpu": ("Disable NNAPI cpu",),
    "use_hexagon": ("Use Hexagon",),
    "enable_op_profiling": ("Enable op profiling",),
    "use_profiler": ("Use profiler",),
    "run_delay": ("Inter-run delay (seconds)",),
    "run_frequency": ("Number of prorated runs per second",),
}
# The second is LiteRT's, whose logger names the line of the source.
_LOADED = re.compile(r"Loaded model (.+)|(?:\[[^\[\]]*\] )?Loading model from: (.+)")
# Flags that move inferences to another processor: a log that tells one that was not given is no log of
# this launch.
_ACCELERATORS = ("use_gpu", "use_nnapi", "use_hexagon")
_ON = ("1", "true")
_FLAG_OF = {label.lower(): flag for flag, labels in _LABELS.items() for label in labels}


def check_told_flags(stdout: str, stderr: str, flags: Sequence[str]) -> None:
    """Refuses a log that says of a flag of the command that it has another value.

    A build that says nothing of its flags, as TensorFlow 1.13, is not held against it.

    Args:
        stdout: All that the program wrote there.
        stderr: All that it wrote there.
        flags: Arguments of the command, `--name=value`.

    Raises:
        BenchmarkLogError: A value differs; the text names flag and both values.
    """
    given = dict(flag.removeprefix("--").split("=", 1) for flag in flags if "=" in flag)
    for name, told in told_flags(f"{stdout}\n{stderr}"):
        foreign = name in _ACCELERATORS and name not in given and told.lower() in _ON
        if foreign or (name in given and not _equal(told, given[name])):
            raise BenchmarkLogError(
                "output of benchmark_model",
                f"the log of a launch with --{name}={told}",
                f"--{name}={given[name]}" if name in given else "one on the CPU",
                "another program measures on this device: wait until it is done",
            )


def told_flags(text: str) -> list[tuple[str, str]]:
    """Reads which flags a log says were given: names and values as printed, in the order of the log."""
    return [told for line in split_log(text) if (told := told_flag(line.text))]


def told_flag(text: str) -> tuple[str, str] | None:
    """Reads a flag's name and value from a line; the file that is loaded is that of `graph`."""
    label, opened, value = text.partition(": [")
    name = _FLAG_OF.get(label.rstrip().lower())
    if opened and name and value.endswith("]"):
        return name, value[:-1]
    loaded = _LOADED.fullmatch(text)
    return ("graph", loaded[1] or loaded[2]) if loaded else None


def _equal(told: str, given: str) -> bool:
    both = {told.lower(), given.lower()}
    if told == given or both <= {"true", "1"} or both <= {"false", "0"}:
        return True
    try:
        return f"{float(told):g}" == f"{float(given):g}"
    except ValueError:
        return False
