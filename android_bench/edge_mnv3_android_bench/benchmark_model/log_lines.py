"""Lines of `benchmark_model` without what builds, and Android's log, put in front of them.

`logcat` writes in the formats brief, tag, process, time, threadtime and long, each with or without colours,
years, zones and users. Lines of other tags are not the program's, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Builds from about TensorFlow 2.10 on name the severity.
_SEVERITY = re.compile(r"(?:VERBOSE|INFO|WARN|WARNING|ERROR|FATAL): ")
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_TIME = r"(?:(?:\d{4}-)?\d\d-\d\d +\d\d:\d\d:\d\d\.\d{3,9}(?: [+-]\d{4})?|\d+\.\d{3,9})"
_BEGIN = r"(?P<priority>[VDIWEFS])/(?P<tag>[^()\n]{0,80}?)"
_PROCESS = r"\( *(?:\w+: *)?(?P<process>\d+)\)"
_TEXT = r": (?P<text>.*)"
_LOGCAT = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"(?:{_TIME} +)?{_BEGIN} *{_PROCESS}{_TEXT}",  # brief, time
        rf"{_TIME} +(?:\w+ +)?(?P<process>\d+) +\d+ (?P<priority>[VDIWEFS]) (?P<tag>.{{0,80}}?) *{_TEXT}",
        rf"(?P<priority>[VDIWEFS]){_PROCESS} (?P<text>.*)  \((?P<tag>[^()]{{0,80}}?) *\)",  # process
        r"(?P<priority>[VDIWEFS])/(?=[^:]{8})(?P<tag>[^:\n]{1,80}?) *: (?P<text>.*)",  # tag, padded to 8
        r"(?P<priority>[VDIWEFS]) (?P<tag>tflite) *: (?P<text>.*)",
    )
)
# Format long has a line of its own in front of each message.
_HEADING = re.compile(
    rf"\[ {_TIME} +(?:\w+: *)?(?P<process>\d+): *\d+ (?P<priority>[VDIWEFS])/(?P<tag>.{{0,80}}?) *\]",
    re.ASCII,
)
_TAGS = ("tflite", "litert")
_SEVERITIES = {"V": "VERBOSE", "D": "", "I": "", "W": "WARN", "E": "ERROR", "F": "FATAL", "S": ""}


class LogLine(NamedTuple):
    """One line.

    Attributes:
        severity: `INFO`, `WARN`, `ERROR` and so on; empty where the build names none.
        text: The rest, without carriage returns at its end.
        ended: A line break follows.
        process: Number of the process that wrote it, from Android's log; empty where that is not told.
    """

    severity: str
    text: str
    ended: bool
    process: str = ""


def split_log(stream: str) -> list[LogLine]:
    """Splits a stream at line feeds alone, so that no other control character can make two lines of one."""
    return list(_lines(stream.split("\n")))


def _lines(parts: list[str]) -> Iterator[LogLine]:
    heading: re.Match[str] | None = None
    for number, part in enumerate(parts):
        plain = (_COLOURS.sub("", part) if "\x1b" in part else part).rstrip("\r")
        headed = _HEADING.fullmatch(plain) if plain.startswith("[ ") else None
        if headed:
            heading = headed
            continue
        match = heading or _logcat(plain)
        if match and match["tag"] not in _TAGS:
            continue
        yield _line(plain, match, ended=number < len(parts) - 1)


def _logcat(line: str) -> re.Match[str] | None:
    return next((match for form in _LOGCAT if (match := form.fullmatch(line))), None)


def _line(plain: str, match: re.Match[str] | None, *, ended: bool) -> LogLine:
    told = match.groupdict() if match else {}
    text = told.get("text", plain) or ""
    severity = _SEVERITY.match(text)
    if severity:
        name, text = severity[0].removesuffix(": "), text[severity.end() :]
    else:
        name = _SEVERITIES[told["priority"]] if match and text else ""
    return LogLine(name, text, ended, told.get("process") or "")
