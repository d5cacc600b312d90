"""Lines of `benchmark_model` without what builds put in front of them."""

from __future__ import annotations

import re
from typing import NamedTuple

# Builds from about TensorFlow 2.10 on name the severity; Android's log names time, process and tag.
_PREFIX = re.compile(
    r"(?:(?:\d\d-\d\d [\d:.]+ +\d+ +\d+ )?[VDIWEF] tflite *: )?"
    r"(?:(?P<severity>VERBOSE|INFO|WARN|WARNING|ERROR|FATAL): )?"
)


class LogLine(NamedTuple):
    """One line.

    Attributes:
        severity: `INFO`, `WARN`, `ERROR` and so on; empty where the build names none.
        text: The rest, without carriage returns at its end.
        ended: A line break follows.
    """

    severity: str
    text: str
    ended: bool


def split_log(stream: str) -> list[LogLine]:
    """Splits a stream at line feeds alone, so that no other control character can make two lines of one."""
    parts = stream.split("\n")
    lines = []
    for number, part in enumerate(parts):
        prefix = _PREFIX.match(part)
        severity, end = (prefix["severity"] or "", prefix.end()) if prefix else ("", 0)
        lines.append(LogLine(severity, part[end:].rstrip("\r"), number < len(parts) - 1))
    return lines
