"""The stage `report`: one HTML page of the results of a run."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.outputs import check_apart, check_writable, write_text
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call, optional_path
from edge_mnv3.core.result_files import read_result
from edge_mnv3.core.results.report import LeftOutFile, ReportResult, ReportSection, ReportSource
from edge_mnv3.core.results.sweep import SweepResult
from edge_mnv3.core.special_files import check_no_special_file
from edge_mnv3.html_report.blocks import Gallery, Notice, Section
from edge_mnv3.html_report.gathered import Gathered, LeftOut, gather
from edge_mnv3.html_report.page import render
from edge_mnv3.html_report.recognition import FoundResult, recognize
from edge_mnv3.html_report.sections.every import Told, sections_of, title_of
from edge_mnv3.html_report.words import MINUS
from edge_mnv3.stages.done_file import DONE_FILE
from edge_mnv3.stages.run_config_file import not_yet_run, planned_stages
from edge_mnv3.stages.run_kept import Notes
from edge_mnv3.stages.run_plan import CONFIG_FILE, RUN_FILE
from edge_mnv3.stages.sweep import SWEEP_FILE
from edge_mnv3.stages.sweep_measure import HELD_OUT_FILE

REPORT_FILE = "report.html"
# What sweep and run keep for themselves, and results of stages that have no part in the page.
_NOTES = (DONE_FILE, HELD_OUT_FILE, "package.json", "report.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest(Request):
    """What to report of.

    Attributes:
        run: Folders with results of `quantize` or `demo` and of what measured these, or of `sweep`, whose
            recommended point is taken; or JSON results one by one.
        output: The page; None for `report.html` in the first folder, or beside the first result.
        labels: Names of the classes: a text file of a name a line, a folder of class folders, or `imagenet`;
            None for what the results tell.
        data: Where the images of `validate` lie now; None for where they lay then.
        force: Overwrite `output`.
    """

    run: Sequence[AnyPath]
    output: AnyPath | None = None
    labels: AnyPath | None = None
    data: AnyPath | None = None
    force: bool = False

    def check(self) -> None:
        """Refuses a request without a run.

        Raises:
            ArgumentError: There is none.
        """
        if not self.run:
            raise ArgumentError("ReportRequest: run", "none", "a folder, or at least one result")


def report(request: ReportRequest, reporter: Reporter = SILENT) -> ReportResult:
    """Writes the page of one pair of files.

    What lies in a folder and is of other files, or no result, is left out, which the page says; what the user
    named must be of the pair.

    Raises:
        InputFileError: There are no results, one is damaged, two are of different files, or labels cannot be
            read or are not those that were used.
        OutputError: The page exists and `force` is off, or cannot be written.
    """
    from edge_mnv3.stages.report_names import class_names
    from edge_mnv3.stages.report_pictures import pictures

    check_call("report", (ReportRequest,), request, reporter)
    runs = [Path(run) for run in request.run]
    for run in runs:
        if not run.exists():
            raise InputFileError(f"run {run}", no_file(run), "a folder with results, or a JSON result")
    output = optional_path(request.output) or _beside(runs[0])
    check_writable([output], force=request.force)
    reporter.step("reading results")
    found, left_out = _read(runs)
    check_apart({"page": output}, inputs=[each.path for each in found])
    gathered = gather(found, left_out)
    gathered = dataclasses.replace(
        gathered,
        left_out=(*gathered.left_out, *_changed_files(gathered)),
        int8_size_bytes=_int8_size(gathered),
        run_config=_run_config(gathered, found),
    )
    for each in gathered.left_out:
        reporter.warn(f"{each.path}: {each.reason}")
    told = Told(class_names(gathered, request.labels), pictures(gathered, request.data, reporter))
    reporter.step("writing the page")
    sections = sections_of(gathered, told)
    text = render(title_of(gathered), sections)
    write_text(output, text, force=request.force)
    return _result(output, text, gathered, sections)


def _beside(run: Path) -> Path:
    return (run if run.is_dir() else run.parent) / REPORT_FILE


def _read(runs: Sequence[Path]) -> tuple[list[FoundResult], list[LeftOut]]:
    """The results that were named, and those that lie in the folders; each file once."""
    found: dict[Path, FoundResult] = {}
    left_out: list[LeftOut] = []
    for run in runs:
        files = _files(run) if run.is_dir() else [run]
        if not files:
            raise InputFileError(
                f"run {run}",
                "a folder without JSON results",
                "what edge-mnv3 run, quantize, demo, sweep, validate --json or diagnose --json wrote",
            )
        planned = planned_stages(run)
        old = [] if planned is None else Notes(run).left(planned)
        for path in files:
            if path.name in old and run.is_dir():
                if path.name not in _NOTES:
                    left_out.append(LeftOut(path, "left out: it is left from an earlier run"))
                continue
            if run.is_dir() and not path.is_file():
                left_out.append(LeftOut(path, "left out: it is no file"))
                continue
            if run.is_dir() and path.name == RUN_FILE and (missing := not_yet_run(run)):
                reason = f"the run is unfinished: {', '.join(missing)} had no turn, and their results are old"
                left_out.append(LeftOut(path, reason))
                continue
            check_no_special_file(path, f"result {path}")
            result = recognize(path, named=not run.is_dir())
            if result is not None:
                found.setdefault(path.resolve(), result)
            elif run.is_dir() and path.name in _NOTES:
                continue
            elif run.is_dir():
                left_out.append(LeftOut(path, "left out: it is no result that the page shows"))
            else:
                raise InputFileError(
                    f"result {path}",
                    "a file of another kind",
                    "JSON that run, quantize, demo, sweep, validate, diagnose, inspect, bench or cost wrote",
                )
    return list(found.values()), left_out


def _changed_files(gathered: Gathered) -> list[LeftOut]:
    """The two files where others lie at their paths now: the figures are not of these."""
    subject = gathered.subject
    changed = []
    for name, sha256 in (
        (subject.float_path, subject.float_sha256),
        (subject.int8_path, subject.int8_sha256),
    ):
        path = next(iter(_lies_at(gathered, name)), None)
        if path is not None and sha256_file(path) != sha256:
            changed.append(LeftOut(path, "another file lies here now than the one that these figures are of"))
    return changed


def _lies_at(gathered: Gathered, name: str) -> list[Path]:
    """Where a file is: where the result lies, for a folder may have been moved, else where it was made."""
    places = (gathered.subject.told_by.parent / Path(name).name, Path(name))
    return [each for each in places if each.is_file()]


def _int8_size(gathered: Gathered) -> int | None:
    """The size of the int8 file in bytes; None where it is not there, or only others are."""
    for path in _lies_at(gathered, gathered.subject.int8_path):
        if sha256_file(path) == gathered.subject.int8_sha256:
            return path.stat().st_size
    return None


def _run_config(gathered: Gathered, found: Sequence[FoundResult]) -> tuple[Path, str] | None:
    """The config beside the run that the page shows, with its SHA-256."""
    beside = (each.path.with_name(CONFIG_FILE) for each in found if each.result is gathered.run)
    path = next((each for each in beside if each.is_file()), None)
    return None if path is None else (path, sha256_file(path))


def _files(folder: Path) -> list[Path]:
    """The JSON files of a folder; of a sweep those of the point that it recommends, too."""
    files = sorted(folder.glob("*.json"))
    sweep = folder / SWEEP_FILE
    if sweep not in files:
        return files
    point = read_result(SweepResult, sweep, command="sweep").recommendation.point
    if point is None:
        raise InputFileError(
            f"run {folder}",
            "a sweep that recommends no point",
            "a pair of files to tell of",
            f"name the folder of a point, and {sweep}",
        )
    return [*files, *sorted((folder / Path(point).name).glob("*.json"))]


def _result(output: Path, text: str, gathered: Gathered, sections: Sequence[Section]) -> ReportResult:
    content = text.encode()
    galleries = [block for section in sections for block in section.blocks if isinstance(block, Gallery)]
    verdicts = [block.text for block in sections[0].blocks if isinstance(block, Notice)]
    return ReportResult(
        path=str(output),
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        float_sha256=gathered.subject.float_sha256,
        int8_sha256=gathered.subject.int8_sha256,
        verdict=verdicts[0].replace(MINUS, "-").replace("\N{NO-BREAK SPACE}", " "),
        sections=tuple(
            ReportSection(key=section.key, title=section.title, present=section.present)
            for section in sections
        ),
        sources=tuple(
            ReportSource(path=str(each.path), command=each.command, sha256=each.sha256)
            for each in gathered.read
        ),
        left_out=tuple(LeftOutFile(path=str(each.path), reason=each.reason) for each in gathered.left_out),
        pictures=sum(bool(picture.source) for gallery in galleries for picture in gallery.pictures),
    )
