"""The stage `history`: stored measurements over time, and where they became slower."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import HISTORY_FILE
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.trends import TrendsResult
from edge_mnv3_android_bench.comparison.change_points import LEVEL
from edge_mnv3_android_bench.comparison.history import read_history
from edge_mnv3_android_bench.comparison.trends import trends


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest(Request):
    """Which stored measurements to look at.

    Attributes:
        history: The file that `bench` and `reproduce` append to.
        model: Only files whose path contains this; None for all.
        device: Only devices whose name or serial number contains this; None for all.
    """

    history: AnyPath = HISTORY_FILE
    model: str | None = None
    device: str | None = None


def history(request: HistoryRequest, reporter: Reporter = SILENT) -> TrendsResult:
    """Shows the latencies of each file, device and set of conditions over time, and finds their changes.

    The chance of a change that is none is at most 5 % in all trends of the history together, as long as
    measurements without a change are as independent of one another as of their order.

    Raises:
        InputFileError: There is no such file, it cannot be read, or nothing in it has a figure to quote.
    """
    check_call("history", (HistoryRequest,), request, reporter)
    path = Path(request.history)
    if not path.is_file():
        raise InputFileError(
            f"history {path}", no_file(path), "what bench and reproduce append to", "measure with bench"
        )
    reporter.step("reading")
    found = trends(read_history(path, reporter))
    chosen = tuple(
        trend
        for trend in found
        if (request.model or "") in trend.model_path and (request.device or "") in trend.device
    )
    if not chosen:
        raise InputFileError(f"history {path}", "no such measurement with a figure to quote", "one at least")
    return TrendsResult(history=str(path), level=LEVEL, trends=chosen)
