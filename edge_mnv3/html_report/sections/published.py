"""What was published of the same network, beside what was measured here; the two never share a cell."""

from __future__ import annotations

from edge_mnv3.core.counts import listed
from edge_mnv3.core.published import Published, read_published
from edge_mnv3.core.results.models import VariantInfo
from edge_mnv3.core.results.verdicts import ReproduceCell
from edge_mnv3.html_report.blocks import (
    Block,
    Cell,
    Section,
    Table,
    Text,
    absent,
    columns,
    number,
    row,
    without_empty,
)
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.words import NONE, percent, plain

KEY, TITLE = "published", "Published figures"


def published(gathered: Gathered) -> Section:
    """Figures of the network from the packaged sources, and the verdicts of devices that measured it."""
    made = gathered.quantize
    if made is None or made.variant is None:
        text = "Nothing is published of this network: it is none of the variants, or no quantize.json tells."
        return absent(KEY, TITLE, text, "edge-mnv3 published")
    variant = made.variant
    name = f"{variant.size}{'_minimalistic' if variant.minimalistic else ''}"
    known = read_published().of_variant(name, variant.alpha)
    same = variant.input_size_px == 224 and variant.classes in (1000, 1001)
    if not known.figures or not same:
        size = f"{variant.input_size_px} px and {variant.classes} classes"
        text = (
            f"Nothing is published of {variant.name} at {size}: published figures are of 224 px and ImageNet."
        )
        return absent(KEY, TITLE, text, "edge-mnv3 published")
    blocks: list[Block] = [
        Text(
            text="Published accuracies are of the published weights on ImageNet's 50,000 validation images. "
            "Accuracies measured on other images, or with other weights, are not to be held against them. "
            "Multiply-adds and weights are as the source counts them, which may differ from the summary."
        )
    ]
    blocks += _networks(known)
    blocks += _latencies(known)
    blocks += _measured(gathered, variant)
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _networks(known: Published) -> list[Block]:
    rows = tuple(
        row(
            known.sources[figure.source].title,
            figure.precision,
            number(figure.top1_percent, percent(figure.top1_percent, 1)),
            number(figure.multiply_adds_m, plain(figure.multiply_adds_m)),
            number(figure.parameters_m, plain(figure.parameters_m, 2)),
            figure.conditions or "",
        )
        for figure in known.figures
        if figure.top1_percent is not None
    )
    titles = ("Source", "Precision", "#Top-1", "#Multiply-adds, M", "#Weights, M", "Conditions")
    table = Table(caption="Published accuracy", columns=columns(*titles), rows=rows)
    return [without_empty(table)] if rows else []


def _latencies(known: Published) -> list[Block]:
    rows = tuple(
        row(
            figure.device or "",
            figure.precision,
            number(figure.latency_ms, f"{plain(figure.latency_ms, 1)} ms"),
            known.sources[figure.source].title,
            figure.conditions or "",
        )
        for figure in known.figures
        if figure.latency_ms is not None
    )
    titles = ("Phone", "Precision", "#Published latency", "Source", "Conditions")
    caption = "Published latency; nothing of it was measured here"
    table = Table(caption=caption, columns=columns(*titles), rows=rows, folded=len(rows) > 12)
    return [without_empty(table)] if rows else []


def _measured(gathered: Gathered, variant: VariantInfo) -> list[Block]:
    blocks: list[Block] = []
    for devices in gathered.devices:
        cells = [cell for report in devices.report.published for cell in report.cells]
        if not cells:
            continue
        if devices.others:
            text = (
                f"{devices.path.name} also measured other files, and its verdicts name networks, not files: "
            )
            blocks.append(Text(text=f"{text}they are not shown."))
            continue
        rows = tuple(line for cell in cells for line in _cell(cell))
        titles = ("Network", "Precision", "Source", "#Published", "#Measured", "#Ratio", "Verdict")
        blocks.append(Table(caption="Measured beside published", columns=columns(*titles), rows=rows))
    if not blocks:
        blocks.append(Text(text=f"No phone was measured beside the published figures of {variant.name}."))
    return blocks


def _cell(cell: ReproduceCell) -> list[tuple[Cell, ...]]:
    lines = []
    for measured in cell.measured:
        reasons = f" ({listed(measured.reasons)})" if measured.reasons else ""
        lines.append(
            row(
                f"{cell.variant} {cell.alpha:g}",
                cell.precision,
                cell.source or NONE,
                number(
                    cell.published_ms, NONE if cell.published_ms is None else f"{plain(cell.published_ms)} ms"
                ),
                number(
                    measured.measured_ms,
                    NONE if measured.measured_ms is None else f"{plain(measured.measured_ms)} ms",
                ),
                number(measured.ratio, plain(measured.ratio, 2)),
                f"{measured.verdict}{reasons}",
            )
        )
    return lines
