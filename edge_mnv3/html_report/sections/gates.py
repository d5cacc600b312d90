"""The gates of a run: each limit, what was measured, and whether it was kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from edge_mnv3.core.counts import count, listed
from edge_mnv3.core.results.run import RunGate, RunResult
from edge_mnv3.html_report.blocks import (
    Block,
    Notice,
    Section,
    Table,
    Text,
    columns,
    number,
    row,
    without_empty,
)
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.words import NONE, percent, plain, points

KEY, TITLE = "gates", "Gates"


class _Words(NamedTuple):
    """A gate in words.

    Attributes:
        asks: What it asks.
        figure: Writes its limit, or what was measured.
        bound: What goes before the limit.
    """

    asks: str
    figure: Callable[[float], str]
    bound: str


_GATES: Mapping[str, _Words] = {
    "int8_checks": _Words("Problems that the checks of quantize found", lambda v: plain(v, 0), "at most"),
    "max_drop_points": _Words("Drop of accuracy from float to int8", points, "at most"),
    "min_top1_percent": _Words("Top-1 accuracy of the int8 file", percent, "at least"),
    "min_agreement_percent": _Words("Images with the same answer of both files", percent, "at least"),
    "max_int8_bytes": _Words("Size of the int8 file", lambda v: f"{plain(v, 0)} bytes", "at most"),
    "max_instructions": _Words("Instructions of one inference", lambda v: plain(v, 0), "at most"),
    "max_instructions_percent": _Words("Growth of instructions since the baseline", percent, "at most"),
}
# The one gate without figures.
_QUOTABLE = "bench_quotable"


def gates(gathered: Gathered) -> tuple[Section, ...]:
    """The section; none without a run."""
    run = gathered.run
    if run is None:
        return ()
    blocks: list[Block] = [Notice(tone="unsure", text=text) for text in _not_done(run)]
    if run.gates:
        failed = failed_gates(run)
        text = "The limits of the run, and what its stages measured. A gate without a figure fails. "
        text += f"{summary(run)}." if failed else "All of them passed."
        blocks += [Text(text=text), _table(run.gates)]
    else:
        blocks.append(Text(text="The run has no gates: its config sets no limits."))
    return (Section(key=KEY, title=TITLE, blocks=tuple(blocks)),)


def failed_gates(run: RunResult) -> tuple[RunGate, ...]:
    """Those that did not pass."""
    return tuple(gate for gate in run.gates if not gate.passed)


def summary(run: RunResult) -> str:
    """How many gates passed, and the names of those that did not."""
    failed = failed_gates(run)
    if failed:
        names = listed([gate.name for gate in failed])
        return f"{len(failed)} of {count(len(run.gates), 'gate')} failed: {names}"
    return f"All {len(run.gates)} passed" if len(run.gates) > 1 else "Passed"


def failure(gate: RunGate) -> str:
    """Says in words what is wrong with a gate that failed."""
    known = _GATES.get(gate.name)
    if known is None or gate.value is None:
        return f"{gate.name}: {gate.detail or 'there is no figure'}"
    more = f" ({gate.detail})" if gate.detail else ""
    asked = f"{known.bound} {known.figure(gate.limit)}"
    return f"{known.asks[0].lower()}{known.asks[1:]} is {known.figure(gate.value)}, allowed is {asked}{more}"


def _not_done(run: RunResult) -> list[str]:
    """Stages that failed or were skipped; the others have their figures on the page."""
    return [
        f"{stage.name} {'failed' if stage.status == 'failed' else 'was skipped'}: {stage.reason}."
        for stage in run.stages
        if stage.status in ("failed", "skipped") and stage.name != "report"
    ]


def _table(every: Sequence[RunGate]) -> Table:
    rows = []
    for gate in every:
        known = _GATES.get(gate.name)
        if known is None:
            asks = "Latencies that can be quoted" if gate.name == _QUOTABLE else gate.name
            limit, measured = "", ""
        else:
            asks, limit = known.asks, f"{known.bound} {known.figure(gate.limit)}"
            measured = NONE if gate.value is None else known.figure(gate.value)
        warned = gate.passed and bool(gate.detail)
        rows.append(
            row(
                asks,
                number(
                    float(gate.passed),
                    "failed" if not gate.passed else "passed, warned" if warned else "passed",
                    tone="good" if gate.passed else "bad",
                ),
                number(gate.value, measured),
                number(gate.limit, limit),
                gate.stage,
                gate.name,
                gate.detail,
            )
        )
    titles = ("Gate", "Result", "#Measured", "#Allowed", "By", "Name", "Remark")
    caption = f"{count(len(rows), 'gate')}; the name is that in the table [gates] of the config"
    return without_empty(Table(caption=caption, columns=columns(*titles), rows=tuple(rows)))
