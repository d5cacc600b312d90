"""The results of one pair of files: what is of other files has no part in the page, and is told.

The pair is that of the first of `quantize`, `demo`, `validate` and `diagnose` that is there. Files are told
by their SHA-256, never by name or folder: results that lie in one folder need not be of one run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from edge_mnv3.core.counts import count, listed
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.cost import CostResult, FileCost
from edge_mnv3.core.results.demo import DemoResult
from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.core.results.models import InspectResult
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.run import RunResult
from edge_mnv3.core.results.sweep import SweepResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.results.verdicts import Comparison
from edge_mnv3.html_report.recognition import FoundResult, Shown
from edge_mnv3.html_report.words import hash_words

PairResult = QuantizeResult | ValidateResult | DiagnoseResult
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The two files that the page is about.

    Attributes:
        float_path: The float file, as the result calls it.
        float_sha256: Its SHA-256.
        int8_path: The int8 file.
        int8_sha256: Its SHA-256.
        told_by: The result that says so.
    """

    float_path: str
    float_sha256: str
    int8_path: str
    int8_sha256: str
    told_by: Path

    def role(self, sha256: str) -> str | None:
        """`float` or `int8`; None for other files."""
        return {self.int8_sha256: "int8", self.float_sha256: "float"}.get(sha256)


class LeftOut(NamedTuple):
    """A file that the page does not show, or not whole, or that is not the one it is about, and why."""

    path: Path
    reason: str


class HostLatencies(NamedTuple):
    """What one `bench --host` measured of the two files, and the comparisons between them."""

    path: Path
    results: tuple[HostBenchResult, ...]
    comparisons: tuple[Comparison, ...]


class DeviceLatencies(NamedTuple):
    """What one `bench --device` measured of the two files; `others` counts the results of other files."""

    path: Path
    report: DeviceBenchReport
    others: int


class FileCosts(NamedTuple):
    """What one `cost` counted of the two files."""

    path: Path
    result: CostResult
    files: tuple[FileCost, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """What is known of one pair of files.

    Attributes:
        subject: The pair.
        quantize: How the pair was made; None where no result tells.
        validations: Comparisons on images, that of most images first.
        diagnoses: Diagnoses, that of most images first.
        inspections: What the files hold.
        host: Latencies on computers.
        devices: Latencies on devices.
        costs: Costs on Arm processors, counted.
        sweeps: Grids of which the int8 file is a point.
        run: The run whose stages made or measured the pair, with its gates; None where there was none.
        read: The files that the page was made of, but for that of `run`: it changes once the page is written.
        left_out: What else was given, and why it is not shown.
        int8_size_bytes: Size of the int8 file where it lies at its path now; None where it does not.
        run_config: The config that repeats the run, and its SHA-256; None where there is none.
    """

    subject: Subject
    quantize: QuantizeResult | None
    validations: tuple[ValidateResult, ...]
    diagnoses: tuple[DiagnoseResult, ...]
    inspections: tuple[InspectResult, ...]
    host: tuple[HostLatencies, ...]
    devices: tuple[DeviceLatencies, ...]
    costs: tuple[FileCosts, ...]
    sweeps: tuple[SweepResult, ...]
    run: RunResult | None
    read: tuple[FoundResult, ...]
    left_out: tuple[LeftOut, ...]
    int8_size_bytes: int | None = None
    run_config: tuple[Path, str] | None = None

    @property
    def validation(self) -> ValidateResult | None:
        """The comparison on most images."""
        return self.validations[0] if self.validations else None

    @property
    def diagnosis(self) -> DiagnoseResult | None:
        """The diagnosis on most images."""
        return self.diagnoses[0] if self.diagnoses else None


class _Part(NamedTuple):
    """A result, or one of those that a `demo.json` holds."""

    path: Path
    result: Shown


def gather(found: Sequence[FoundResult], left_out: Sequence[LeftOut] = ()) -> Gathered:
    """Takes together what is of one pair of files.

    Args:
        found: Results, in the order given.
        left_out: What was left out before.

    Raises:
        InputFileError: Nothing tells which pair it is about; there are two runs; or a file that the user
            named is of other files.
    """
    subject = _subject(found)
    not_shown = list(left_out)
    kept: list[FoundResult] = []
    parts: list[_Part] = []
    runs: list[RunResult] = []
    for each in found:
        if isinstance(each.result, RunResult):
            runs += _runs(each, each.result, found, subject, not_shown)
            continue
        mine = [_of_subject(part, subject) for part in _parts(each)]
        shown = [part for part in mine if part is not None]
        if not shown:
            reason = _other(each, subject)
            if each.named or isinstance(each.result, QuantizeResult):
                raise InputFileError(
                    f"result {each.path}",
                    reason,
                    f"results of the pair in {subject.told_by}",
                    "measure those files again, or make another report of these",
                )
            not_shown.append(LeftOut(each.path, f"left out: {reason}"))
            continue
        kept.append(each)
        parts += shown
        others = _others(each, subject)
        if others:
            what = f"{count(others, 'result is', 'results are')} of other files than this pair"
            not_shown.append(LeftOut(each.path, f"left out in part: {what}"))
    gathered = _gathered(subject, parts, kept, not_shown)
    return dataclasses.replace(gathered, run=runs[0]) if runs else gathered


def _runs(
    each: FoundResult,
    run: RunResult,
    found: Sequence[FoundResult],
    subject: Subject,
    left_out: list[LeftOut],
) -> list[RunResult]:
    """A run, where its gates hold figures of the pair: those of the results that lie there now."""
    known = set(_hashes(run))
    here = {other.path.name: other.sha256 for other in found}
    replaced = [
        stage.name
        for stage in run.stages
        for output in stage.outputs
        if stage.name != "report" and here.get(output.path, output.sha256) != output.sha256
    ]
    is_mine = subject.int8_sha256 in known or not known.isdisjoint(here.values())
    if is_mine and not replaced:
        return [run]
    reason = "its gates are of another int8 file"
    if replaced:
        reason = f"its gates are of an earlier {listed(list(dict.fromkeys(replaced)))}"
    if each.named:
        raise InputFileError(
            f"result {each.path}", reason, f"a run of the pair in {subject.told_by}", "run it again"
        )
    left_out.append(LeftOut(each.path, f"left out: {reason}"))
    return []


def _gathered(
    subject: Subject, parts: Sequence[_Part], kept: Sequence[FoundResult], left_out: Sequence[LeftOut]
) -> Gathered:
    quantized = _all(parts, QuantizeResult)
    return Gathered(
        subject=subject,
        quantize=quantized[0] if quantized else None,
        validations=tuple(sorted(_all(parts, ValidateResult), key=lambda result: -result.n)),
        diagnoses=tuple(sorted(_all(parts, DiagnoseResult), key=lambda result: -result.n)),
        inspections=tuple(_all(parts, InspectResult)),
        host=tuple(
            _host(part.path, part.result, subject)
            for part in parts
            if isinstance(part.result, (HostBenchResult, HostTurnsResult))
        ),
        devices=tuple(
            _devices(part.path, part.result, subject)
            for part in parts
            if isinstance(part.result, DeviceBenchReport)
        ),
        costs=tuple(
            FileCosts(part.path, part.result, tuple(f for f in part.result.files if subject.role(f.sha256)))
            for part in parts
            if isinstance(part.result, CostResult)
        ),
        sweeps=tuple(_all(parts, SweepResult)),
        run=None,
        read=tuple(kept),
        left_out=tuple(left_out),
    )


def _all(parts: Sequence[_Part], kind: type[R]) -> list[R]:
    """The results of a kind; one that is there twice, in a file of its own and in `demo.json`, is one."""
    found: list[R] = []
    for part in parts:
        if isinstance(part.result, kind) and part.result not in found:
            found.append(part.result)
    return found


def _subject(found: Sequence[FoundResult]) -> Subject:
    """The pair of the result that is first in the order of the pipeline; one of a `demo.json` comes last.

    `quantize --force` into the folder of a demo leaves an old `demo.json` there.
    """
    ordered = sorted(found, key=lambda each: isinstance(each.result, DemoResult))
    parts = [part for each in ordered for part in _parts(each)]
    for kind in (QuantizeResult, ValidateResult, DiagnoseResult):
        for part in parts:
            if isinstance(part.result, kind):
                return _pair(part.path, part.result)
    raise InputFileError(
        "report",
        "no result that tells which float and int8 file it is about" if found else "no result of edge-mnv3",
        "the result of quantize, demo, validate or diagnose, or the folder of a run or sweep",
        "give a folder with quantize.json, or name the files",
    )


def _pair(path: Path, result: PairResult) -> Subject:
    float_path, float_sha256, int8_path, int8_sha256 = _files(result)
    return Subject(
        float_path=float_path,
        float_sha256=float_sha256,
        int8_path=int8_path,
        int8_sha256=int8_sha256,
        told_by=path,
    )


def _files(result: PairResult) -> tuple[str, str, str, str]:
    if isinstance(result, ValidateResult):
        return (result.float_.path, result.float_.sha256, result.int8.path, result.int8.sha256)
    return (result.float_path, result.float_sha256, result.int8_path, result.int8_sha256)


def _parts(each: FoundResult) -> list[_Part]:
    """The results that a file holds."""
    result = each.result
    if isinstance(result, DemoResult):
        held = (result.quantize, result.validate, result.bench_float, result.bench_int8)
        return [_Part(each.path, one) for one in held]
    return [_Part(each.path, result)]


def _hashes(result: Shown) -> list[str]:
    """The SHA-256 of each file that a result has figures of."""
    if isinstance(result, (QuantizeResult, ValidateResult, DiagnoseResult)):
        _, float_sha256, _, int8_sha256 = _files(result)
        return [float_sha256, int8_sha256]
    if isinstance(result, InspectResult):
        return [result.sha256]
    if isinstance(result, HostBenchResult):
        return [result.conditions.model_sha256]
    if isinstance(result, HostTurnsResult):
        return [one.conditions.model_sha256 for one in result.results]
    if isinstance(result, CostResult):
        return [one.sha256 for one in result.files]
    if isinstance(result, SweepResult):
        return [point.int8_sha256 for point in result.points if point.int8_sha256 is not None]
    if isinstance(result, RunResult):
        return [output.sha256 for stage in result.stages for output in stage.outputs]
    if isinstance(result, DeviceBenchReport):
        return [
            *(one.conditions.model_sha256 for one in result.results),
            *(one.conditions.model_sha256 for one in result.sustained),
            *(one.conditions.model_sha256 for one in result.profiles),
            *(one.model_sha256 for one in result.outputs),
        ]
    return [sha256 for part in (result.quantize, result.validate) for sha256 in _hashes(part)]


def _of_subject(part: _Part, subject: Subject) -> _Part | None:
    """The part where it has figures of the pair: of both files, for what compares the two; else None."""
    roles = [subject.role(sha256) for sha256 in _hashes(part.result)]
    if isinstance(part.result, (QuantizeResult, ValidateResult, DiagnoseResult)):
        return part if roles == ["float", "int8"] else None
    return part if any(roles) else None


def _others(each: FoundResult, subject: Subject) -> int:
    """How many results of other files there are beside those of the pair; a sweep is of many by nature."""
    if isinstance(each.result, SweepResult):
        return 0
    if isinstance(each.result, DemoResult):
        return sum(_of_subject(part, subject) is None for part in _parts(each))
    return sum(subject.role(sha256) is None for sha256 in _hashes(each.result))


def _other(each: FoundResult, subject: Subject) -> str:
    """Says of which other files a result is."""
    hashes = _hashes(each.result)
    if not hashes:
        return f"a result of {each.command} without figures"
    pairs = [part.result for part in _parts(each) if isinstance(part.result, PairResult)]
    if not pairs:
        return f"figures of {count(len(set(hashes)), 'other file')} ({_named(set(hashes))})"
    _, float_sha256, _, int8_sha256 = _files(pairs[0])
    if float_sha256 == subject.float_sha256:
        return f"figures of another int8 file ({_named({int8_sha256})}, not {_named({subject.int8_sha256})})"
    return f"figures of another float file ({_named({float_sha256})}, not {_named({subject.float_sha256})})"


def _named(hashes: set[str]) -> str:
    return ", ".join(hash_words(sha256) for sha256 in sorted(hashes))


def _host(path: Path, result: HostBenchResult | HostTurnsResult, subject: Subject) -> HostLatencies:
    """The measurements of the two files, and the comparisons of one with the other."""
    if isinstance(result, HostBenchResult):
        return HostLatencies(path, (result,), ())
    return HostLatencies(
        path,
        tuple(one for one in result.results if subject.role(one.conditions.model_sha256)),
        tuple(one for one in result.comparisons if _compares(one, subject)),
    )


def _compares(comparison: Comparison, subject: Subject) -> bool:
    """Whether a comparison is of the pair: the files' SHA-256 are a difference that it names."""
    models = [each for each in comparison.differences if each.name == "model"]
    return any(subject.role(each.a) and subject.role(each.b) for each in models)


def _devices(path: Path, report: DeviceBenchReport, subject: Subject) -> DeviceLatencies:
    """A report of the two files alone."""

    def mine(sha256: str) -> bool:
        return subject.role(sha256) is not None

    kept = dataclasses.replace(
        report,
        results=tuple(one for one in report.results if mine(one.conditions.model_sha256)),
        sustained=tuple(one for one in report.sustained if mine(one.conditions.model_sha256)),
        profiles=tuple(one for one in report.profiles if mine(one.conditions.model_sha256)),
        outputs=tuple(one for one in report.outputs if mine(one.model_sha256)),
    )
    return DeviceLatencies(path, kept, sum(not mine(sha256) for sha256 in _hashes(report)))
