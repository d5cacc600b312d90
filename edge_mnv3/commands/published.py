"""`edge-mnv3 published`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import json_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.types import Choice
from edge_mnv3.model.arch import VARIANTS, Variant, parse_variant

if TYPE_CHECKING:
    from edge_mnv3.core.published import Figure, Published
    from edge_mnv3.stages.published import PublishedRequest


def _to_variant(context: click.Context, option: click.Parameter, name: str | None) -> Variant | None:
    return None if name is None else parse_variant(name)


@click.command("published")
@click.option("--variant", type=Choice(tuple(VARIANTS)), callback=_to_variant, help="Show this network only.")
@json_option
@requests("published.PublishedRequest")
def command(request: PublishedRequest, as_json: bool) -> None:
    """Show the published accuracies and latencies, each with its source.

    Sources contradict one another, so no two are merged into one row.

    \b
    Examples:
      edge-mnv3 published
      edge-mnv3 published --variant large_0.75 --json
    """
    from edge_mnv3.stages.published import published

    result = published(request)
    show(result, _table, as_json=as_json)


def _table(published: Published) -> str:
    lines = [
        "variant              alpha precision  top-1 %  M madds M params  device                ms  source"
    ]
    lines += [_row(figure) for figure in published.figures]
    lines += ["", "sources:"]
    lines += [
        f"  {name}: {source.title}, {source.address} ({source.conditions})"
        for name, source in published.sources.items()
    ]
    return "\n".join(lines)


def _row(figure: Figure) -> str:
    def number(value: float | None, width: int) -> str:
        return f"{'' if value is None else value:>{width}}"

    note = f" ({figure.conditions})" if figure.conditions else ""
    return (
        f"{figure.variant:<20}{figure.alpha:>6} {figure.precision:<10}{number(figure.top1_percent, 8)}"
        f"{number(figure.multiply_adds_m, 9)}{number(figure.parameters_m, 9)}  {figure.device or '':<16}"
        f"{number(figure.latency_ms, 8)}  {figure.source}{note}"
    )
