"""`edge-mnv3 history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import json_option
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.choices import HISTORY_FILE

if TYPE_CHECKING:
    from edge_mnv3.core.results.trends import Trend, TrendPoint, TrendsResult

EMULATED_TITLE = "EMULATED DEVICE, NOT A PHONE: "


@click.command("history")
@click.argument("file", required=False, default=HISTORY_FILE, type=PATH, metavar="[HISTORY.jsonl]")
@click.option("--model", metavar="TEXT", help="Show only files whose path contains this.")
@click.option("--device", metavar="TEXT", help="Show only devices whose name or serial number contains this.")
@click.option(
    "--last",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Show so many measurements of each trend; all are looked at.",
)
@json_option
def command(file: Path, model: str | None, device: str | None, last: int, as_json: bool) -> None:
    """Show how measured latencies changed over time, and from when on they were slower.

    The history is what bench and reproduce append to. Each file on each device under each set of conditions
    is a trend; what differs where it changes is named: the file, the build, Android. Measurements that are
    not to be quoted are left out.

    \b
    Examples:
      edge-mnv3 history
      edge-mnv3 history nightly.jsonl --model small_int8 --device "Pixel 8"
    """
    from edge_mnv3.stages.history import HistoryRequest, history

    reporter = TerminalReporter()
    result = history(HistoryRequest(history=file, model=model, device=device), reporter)
    reporter.close()
    show(result, lambda shown: trends_text(shown, last), as_json=as_json)


def trends_text(result: TrendsResult, last: int) -> str:
    """Writes trends for people."""
    return "\n\n".join("\n".join(_lines(trend, last)) for trend in result.trends)


def _lines(trend: Trend, last: int) -> list[str]:
    shared = ", ".join(f"{name} {value}" for name, value in trend.conditions.items() if "=" not in value)
    title = EMULATED_TITLE if trend.emulated else ""
    shown = trend.points[-last:]
    lines = [f"{title}{trend.model_path} on {trend.device}: {shared}"]
    lines += [f"  {len(trend.points) - len(shown)} earlier ones"] if len(shown) < len(trend.points) else []
    changed = {change.recorded_at: change.ratio for change in trend.changes}
    lines += [_point_line(point, changed.get(point.recorded_at)) for point in shown]
    if trend.not_quotable:
        lines.append(f"  left out, not to be quoted: {trend.not_quotable}")
    return (
        [*lines, *(f"  {change.text}" for change in trend.changes)]
        if trend.changes
        else [
            *lines,
            "  no change is shown",
        ]
    )


def _point_line(point: TrendPoint, ratio: float | None) -> str:
    spread = ""
    if point.ci95_us is not None:
        low, high = point.ci95_us
        spread = f" ({low / 1e3:.3f} to {high / 1e3:.3f})"
    mark = "" if ratio is None else "  <- slower" if ratio > 1 else "  <- faster"
    figure = f"{point.median_us / 1e3:9.3f} ms{spread}"
    return f"  {point.recorded_at}  {figure}  {point.model_sha256[:12]}  {point.program}{mark}"
