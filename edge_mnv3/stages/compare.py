"""The stage `compare`: whether two results of `bench` or `reproduce` differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.verdicts import CompareResult
from edge_mnv3_android_bench.comparison.latencies import compare_files


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest(Request):
    """What to compare.

    Attributes:
        a: JSON result of `bench` or `reproduce`.
        b: Another one.
        allow: Conditions that are meant to differ, such as `model`, `kernels`, `threads` or `device`.
    """

    a: AnyPath
    b: AnyPath
    allow: Sequence[str] = ()


def compare(request: CompareRequest, reporter: Reporter = SILENT) -> CompareResult:
    """Says in words whether the latencies of two files differ, and by how much.

    Raises:
        ArgumentError: `allow` has a name that is no condition.
        InputFileError: A file cannot be read, or is no result.
        ConditionsDifferError: Nothing can be compared; the text says which conditions differ.
    """
    check_call("compare", (CompareRequest,), request, reporter)
    reporter.step("comparing")
    return compare_files(Path(request.a), Path(request.b), allow=request.allow)
