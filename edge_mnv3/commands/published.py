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
    lines = [f"{'accuracy':<20}{'alpha':>5} {'':<6}{'top-1 %':>8}{'M madds':>9}{'M params':>10}  source"]
    lines += [_accuracy(each) for each in published.figures if each.top1_percent is not None]
    lines += ["", f"{'latency':<18}{'ms':>6}  source"]
    networks: dict[str, list[str]] = {}
    for figure in published.figures:
        if figure.latency_ms is not None:
            network = f"{figure.variant}, alpha {figure.alpha}, {figure.precision}"
            networks.setdefault(network, []).append(_latency(figure))
    for network, latencies in networks.items():
        lines += [network, *latencies]
    lines += ["", "sources:"]
    lines += [
        f"  {name}: {source.title}, {source.address} ({source.conditions})"
        for name, source in published.sources.items()
    ]
    return "\n".join(lines)


def _accuracy(figure: Figure) -> str:
    def number(value: float | None, width: int) -> str:
        return f"{'' if value is None else value:>{width}}"

    return (
        f"{figure.variant:<20}{figure.alpha:>5} {figure.precision:<6}{number(figure.top1_percent, 8)}"
        f"{number(figure.multiply_adds_m, 9)}{number(figure.parameters_m, 10)}  "
        f"{figure.source}{_note(figure)}"
    )


def _latency(figure: Figure) -> str:
    return f"  {figure.device or '':<15} {figure.latency_ms:>6}  {figure.source}{_note(figure)}"


def _note(figure: Figure) -> str:
    return f" ({figure.conditions})" if figure.conditions else ""
