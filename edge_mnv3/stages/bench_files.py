"""Where results of `bench` and `reproduce` are written: a file of their own, and the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge_mnv3.core.cache import cache_folder
from edge_mnv3.core.errors import InputFileError, OutputError
from edge_mnv3.core.outputs import check_apart, check_appendable, check_writable, write_text
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.sustained import TIME_IS_UP
from edge_mnv3_android_bench.comparison.history import (
    HistoryResult,
    append_history,
    check_history,
    read_history,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFiles(Request):
    """The files that a result goes to.

    Attributes:
        output: For the JSON of the result; None for none.
        history: To append to; None for none.
        force: Overwrite `output`.
    """

    output: AnyPath | None = None
    history: AnyPath | None = None
    force: bool = False

    def check_output(
        self,
        *,
        over_unfinished: bool = False,
        inputs: Sequence[AnyPath] = (),
        folders: Mapping[str, AnyPath | None] | None = None,
    ) -> None:
        """Refuses an output or a history that could not be written, before anything is measured.

        Args:
            over_unfinished: It may be the report of a measurement that was not finished, as in `write`.
            inputs: Files that are read, none of which may be written to.
            folders: Folders that are filled beside, by what errors call them; None for those of the cache.

        Raises:
            OutputError: The output exists and may not be overwritten, one of the two cannot be written to,
                is the other one, an input or a folder, or the history is a file of another kind.
        """
        written = {"output": self.output, "history": self.history}
        check_apart(
            {name: Path(path) for name, path in written.items() if path},
            folders={name: Path(path) for name, path in (folders or {}).items() if path},
            inputs=[Path(path) for path in inputs],
        )
        if self.history:
            check_appendable(Path(self.history), name="history (--history names another)")
            check_history(Path(self.history))
        if self.output:
            output = Path(self.output)
            check_writable([output], force=self._may_overwrite(output, over_unfinished))

    def write(self, result: Any, entries: tuple[HistoryResult, ...], reporter: Reporter = SILENT) -> None:
        """Writes a result, and appends to the history what is not in it already, with the present time.

        What was measured is never lost: an output that cannot be written any more goes to the cache.

        Args:
            result: For the output; the report of phones is written over one that was not finished.
            entries: For the history.
            reporter: Warned of damaged lines in the history, and of one that cannot be written any more.

        Raises:
            OutputError: The system refused to write the output; the text says where the result is.
        """
        if self.history is not None:
            try:
                _append(Path(self.history), entries, reporter)
            except (OutputError, InputFileError) as error:
                reporter.warn(f"{error}; this result is not in the history")
        if self.output:
            output = Path(self.output)
            over_unfinished = isinstance(result, DeviceBenchReport)
            try:
                write_text(output, to_json(result), force=self._may_overwrite(output, over_unfinished))
            except OutputError as error:
                kept = _keep(to_json(result))
                raise OutputError(
                    error.what, error.got, error.expected, f"the result is in {kept}"
                ) from error

    def _may_overwrite(self, output: Path, over_unfinished: bool) -> bool:
        return self.force or (over_unfinished and _is_unfinished(output))


NO_FILES = ResultFiles()


def _append(history: Path, entries: tuple[HistoryResult, ...], reporter: Reporter) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    known = [entry.result for entry in read_history(history, reporter)]
    for entry in entries:
        if entry not in known:
            append_history(history, entry, recorded_at=now)


def _keep(text: str) -> Path:
    """Writes a result to the cache."""
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S-%f")
    path = cache_folder() / "bench" / "results" / f"{now}.json"
    write_text(path, text, force=True)
    return path


def _is_unfinished(path: Path) -> bool:
    """Whether a file is the report of a measurement that was not finished, and so may be written again."""
    try:
        report = from_json(DeviceBenchReport, path.read_text(encoding="utf-8"))
        return bool(report.failures) or any(one.ended_by != TIME_IS_UP for one in report.sustained)
    except (OSError, ValueError):
        return False
