"""Which lines of a log are of the launch whose figures it holds.

A log that somebody has may hold parts of other launches, and Android's log lines of other programs. What the
program says of itself (flags, the file that it loads, what it applies) goes to the stream of its figures, and
stands between its start and them. What libraries say of delegates goes to stderr: where both streams were
caught in one, such lines stand where the streams happened to be written out, also before the start or behind
the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3_android_bench.benchmark_model.delegation import says_what_was_applied
from edge_mnv3_android_bench.benchmark_model.log_lines import LogLine
from edge_mnv3_android_bench.benchmark_model.told_flags import told_flag

START = "STARTING!"


class LaunchLines(NamedTuple):
    """The lines of one launch, and what stands around it in the same stream.

    Attributes:
        inside: From its start to its last figure, then those of the other stream.
        before: In front of its start.
        after: Behind its figures.
    """

    inside: list[LogLine]
    before: list[LogLine]
    after: list[LogLine]

    @property
    def all(self) -> list[LogLine]:
        """Every line, in no order that means anything."""
        return [*self.inside, *self.before, *self.after]


def lines_of_launch(stream: Sequence[LogLine], other: Sequence[LogLine], keys: Sequence[int]) -> LaunchLines:
    """Finds the lines of a launch; where Android's log tells processes, those of its process alone.

    Args:
        stream: The stream of the figures.
        other: The other one; empty where both came in one.
        keys: Places of the lines with the figures in `stream`.

    Raises:
        BenchmarkLogError: A program says something of itself outside of this launch.
    """
    process = stream[keys[0]].process

    def own(lines: Sequence[LogLine]) -> list[LogLine]:
        return [line for line in lines if not process or line.process == process]

    starts = [place for place in range(keys[0]) if stream[place].text == START]
    start = starts[-1] if starts else 0
    lines = LaunchLines(
        [*own(stream[start : keys[-1] + 1]), *own(other)], own(stream[:start]), own(stream[keys[-1] + 1 :])
    )
    for where, outside in (("in front of its start", lines.before), ("behind its figures", lines.after)):
        for line in outside:
            if line.text == START or told_flag(line.text) or says_what_was_applied(line.text):
                raise BenchmarkLogError(
                    "output of benchmark_model",
                    f"lines of another launch {where}: {line.text[:80]!r}",
                    "the log of one launch",
                )
    return lines
