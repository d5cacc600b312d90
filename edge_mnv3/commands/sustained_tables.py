"""Latency, clocks and temperature under load for minutes, minute by minute, for people."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.bench_tables import aligned, device_line, file_and_binary, protocol_line
from edge_mnv3.commands.exit_codes import EXPECTED_ERROR, GATE_FAILED
from edge_mnv3.commands.terminal import TerminalReporter

if TYPE_CHECKING:
    from edge_mnv3.core.results.bench_report import DeviceBenchReport
    from edge_mnv3.core.results.sustained import SustainedResult, SustainedWindow

_HEADINGS = ("minute", "median ms", "fastest core MHz", "°C", "thermal status", "launches")


def sustained_table(report: DeviceBenchReport) -> str:
    """Writes the series of each device, a row a minute, and the first minute against the last."""
    return "\n\n".join("\n".join(_lines(result)) for result in report.sustained)


def leave_sustained(reporter: TerminalReporter, report: DeviceBenchReport) -> None:
    """Says what failed and what is less than was asked for, and ends the command as `leave` does."""
    reporter.close()
    for failure in report.failures:
        click.echo(f"error: {failure.error}", err=True)
    shorter = [result for result in report.sustained if result.problems]
    for result in shorter:
        name, serial = file_and_binary(result.conditions), result.conditions.device.serial
        told, log = "; ".join(result.problems), result.windows[-1].log_path
        click.echo(f"not quotable: {name} on device {serial}: {told}; see {log}", err=True)
    if report.failures or not report.sustained or any(map(_never_ran, report.sustained)):
        click.get_current_context().exit(EXPECTED_ERROR)
    if shorter:
        click.get_current_context().exit(GATE_FAILED)


def _never_ran(result: SustainedResult) -> bool:
    """Whether the program gave no figure at all; what an accelerator refused ran, though elsewhere."""
    return result.conditions.accelerator == "cpu" and not any(w.num_runs for w in result.windows)


def _lines(result: SustainedResult) -> list[str]:
    conditions = result.conditions
    minutes: dict[int, list[SustainedWindow]] = {}
    for window in result.windows:
        minutes.setdefault(int(window.start_s // 60) + 1, []).append(window)
    rows = [_HEADINGS, *(_row(minute, windows) for minute, windows in minutes.items())]
    lines = [
        device_line(conditions.device),
        protocol_line(conditions),
        f"{file_and_binary(conditions)} under load for {result.measured_minutes:.1f} of "
        f"{result.asked_minutes:g} minutes",
        "",
        *aligned(rows, right={0, 1, 2, 3, 4, 5}),
        "",
    ]
    lines += [result.delegated.text] if result.delegated else []
    return [*lines, result.text]


def _row(minute: int, windows: Sequence[SustainedWindow]) -> tuple[str, ...]:
    figures = [window.figure_us for window in windows if window.figure_us is not None]
    clocks = [khz for window in windows if (khz := max((k for k in window.khz if k), default=None))]
    warmth = [window.celsius for window in windows if window.celsius is not None]
    statuses = [window.thermal_status for window in windows if window.thermal_status is not None]
    return (
        f"{minute}",
        f"{statistics.median(figures) / 1e3:.3f}" if figures else "no figure",
        f"{min(clocks) / 1e3:.0f}" if clocks else "",
        f"{max(warmth):.1f}" if warmth else "",
        f"{max(statuses)}" if statuses else "",
        f"{len(figures)} of {len(windows)}",
    )
