"""Results of one pair of files for tests of the report: those that earlier releases wrote."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.sweep import SweepResult
from edge_mnv3.core.results.validate import AccuracyDelta, ValidateResult
from edge_mnv3.html_report.gathered import Gathered, gather
from edge_mnv3.html_report.names import ClassNames
from edge_mnv3.html_report.page import render
from edge_mnv3.html_report.pictures import Pictures
from edge_mnv3.html_report.recognition import FoundResult, Shown
from edge_mnv3.html_report.sections.every import Told, sections_of, title_of

FORMATS = Path(__file__).parent / "golden" / "formats"
RUN = ("quantize-v3.json", "validate-v1.json", "diagnose-v1.json", "host-bench-v2.json")
OTHER = "f" * 64


def _golden(kind: Any, name: str) -> Any:
    return from_json(kind, (FORMATS / name).read_text(encoding="utf-8"))


def quantized(**changes: Any) -> QuantizeResult:
    """A run, but for changes."""
    result: QuantizeResult = _golden(QuantizeResult, "quantize-v3.json")
    return dataclasses.replace(result, **changes)


def diagnosed(**changes: Any) -> DiagnoseResult:
    """The diagnosis of its files."""
    result: DiagnoseResult = _golden(DiagnoseResult, "diagnose-v1.json")
    return dataclasses.replace(result, **changes)


def validated(**changes: Any) -> ValidateResult:
    """The comparison of its files."""
    result: ValidateResult = _golden(ValidateResult, "validate-v1.json")
    return dataclasses.replace(result, **changes)


def swept(int8_sha256: str, **changes: Any) -> SweepResult:
    """A sweep whose first point has this int8 file."""
    result: SweepResult = _golden(SweepResult, "sweep-v1.json")
    first = dataclasses.replace(result.points[0], int8_sha256=int8_sha256)
    return dataclasses.replace(result, points=(first, *result.points[1:]), **changes)


def with_interval(points: float, low: float, high: float, **changes: Any) -> ValidateResult:
    """A comparison whose difference has this interval."""
    result = validated()
    assert result.delta is not None
    delta: AccuracyDelta = dataclasses.replace(result.delta, top1_points=points, ci95_points=(low, high))
    return dataclasses.replace(result, delta=delta, **changes)


def of_other_int8(result: ValidateResult) -> ValidateResult:
    """The same figures, of another int8 file."""
    return dataclasses.replace(result, int8=dataclasses.replace(result.int8, sha256=OTHER))


def found(
    result: Shown, *, name: str = "some.json", command: str = "some", named: bool = False
) -> FoundResult:
    """A result as if it had been read."""
    return FoundResult(path=Path(name), sha256="0" * 64, command=command, result=result, named=named)


def gathered(*results: Shown) -> Gathered:
    """Results as if they lay in one folder."""
    return gather([found(result, name=f"{place}.json") for place, result in enumerate(results)])


def page(run: Gathered, *, names: ClassNames | None = None, pictures: Pictures | None = None) -> str:
    """The page of some results."""
    told = Told(names or ClassNames(), pictures or Pictures())
    return render(title_of(run), sections_of(run, told))


def device_report(*results: Any) -> DeviceBenchReport:
    """A report of these results and nothing else."""
    return DeviceBenchReport(
        results=tuple(results), not_measured=(), published=(), profiles=(), outputs=(), failures=()
    )


def turns(*results: Any, comparisons: Any = ()) -> HostTurnsResult:
    """Files that ran in turns."""
    return HostTurnsResult(results=tuple(results), comparisons=tuple(comparisons))
