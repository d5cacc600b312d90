"""The history: every result of `bench` and `reproduce`, one JSON object a line, only ever appended to.

A line is written by one call, so that programs that write at once do not mix their lines, and is on the disk
before the call returns. A line that a crash cut stays where it is: the next one begins on a new line,
and reading skips what is cut and says so.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from edge_mnv3.core.errors import InputFileError, OutputError
from edge_mnv3.core.outputs import append_line
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult
from edge_mnv3.core.results.json_format import from_json, to_jsonable
from edge_mnv3.core.results.verdicts import ReproduceResult

HistoryResult: TypeAlias = HostBenchResult | DeviceBenchResult | ReproduceResult
_KINDS: dict[str, type[Any]] = {
    "bench_host": HostBenchResult,
    "bench_device": DeviceBenchResult,
    "reproduce": ReproduceResult,
}
_ENTRY_START = b'{"kind":'


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A result that was measured before.

    Attributes:
        recorded_at: ISO 8601, UTC.
    """

    recorded_at: str
    result: HistoryResult


def append_history(path: Path, result: HistoryResult, *, recorded_at: str) -> None:
    """Appends a result; makes the file and its folder where there are none.

    Raises:
        OutputError: The system refused to write, or wrote a part only.
    """
    kind = next(name for name, kind in _KINDS.items() if isinstance(result, kind))
    entry = {"kind": kind, "recorded_at": recorded_at, "result": to_jsonable(result)}
    append_line(path, json.dumps(entry, allow_nan=False, separators=(",", ":")), name="history")


def check_history(path: Path) -> None:
    """Refuses a file of another kind as the history, so that nothing is appended to a result or a model.

    A file without lines is taken, and one of which the lines were cut.

    Raises:
        OutputError: No line of it begins as those of a history do.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return  # Whether it can be written to is another question.
    if _is_another_kind(data):
        raise OutputError(
            f"history {path}", "a file of another kind", "a history, or a new file", "use another --history"
        )


def _is_another_kind(data: bytes) -> bool:
    """Whether there is something in a file, and no line begins as those of a history do."""
    return bool(data.strip()) and not any(line.startswith(_ENTRY_START) for line in data.split(b"\n"))


def read_history(path: Path, reporter: Reporter = SILENT) -> tuple[HistoryEntry, ...]:
    """Reads all results, oldest first; a file that is not there holds none.

    Args:
        path: The history.
        reporter: Warned of each line that is skipped because it is damaged or cut.

    Raises:
        InputFileError: The file cannot be read, or is of another kind.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputFileError(f"history {path}", why_unreadable(path, error)) from error
    if _is_another_kind(data):
        raise InputFileError(
            f"history {path}",
            "a file of another kind",
            "what bench and reproduce append to (--history)",
            "compare and export read single results",
        )
    lines = data.split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            entries.append(_read_entry(line))
        except (ValueError, KeyError, TypeError) as error:
            cut = "was cut" if number == len(lines) else f"cannot be read ({error})"
            reporter.warn(f"history {path}: line {number} {cut} and is skipped")
    return tuple(entries)


def _read_entry(line: bytes) -> HistoryEntry:
    entry = json.loads(line)
    result = from_json(_KINDS[entry["kind"]], json.dumps(entry["result"]))
    for each in result.results if isinstance(result, ReproduceResult) else (result,):
        if each.median_us is not None and not 0 < each.median_us < math.inf:
            raise ValueError(f"a median of {each.median_us:g} us")
    return HistoryEntry(recorded_at=str(entry["recorded_at"]), result=result)
