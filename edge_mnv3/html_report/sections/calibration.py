"""The images that the ranges were chosen by."""

from __future__ import annotations

from edge_mnv3.core.counts import count
from edge_mnv3.html_report.blocks import (
    Block,
    Facts,
    Gallery,
    Notice,
    Picture,
    Section,
    Table,
    absent,
    columns,
    row,
)
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.pictures import Pictures
from edge_mnv3.html_report.words import NONE

KEY, TITLE = "calibration", "Calibration images"


def calibration(gathered: Gathered, pictures: Pictures) -> Section:
    """Which images they are, and a contact sheet of some."""
    if gathered.quantize is None:
        text = "Which images calibrated the int8 file is not told: there is no quantize.json of this pair."
        return absent(KEY, TITLE, text, "edge-mnv3 quantize --help")
    manifest = gathered.quantize.calibration
    total = len(manifest.images)
    available = NONE if manifest.available is None else f"{manifest.available:,}"
    blocks: list[Block] = [
        Facts(
            rows=(
                ("Images", f"{count(total, 'image')} of {available}, {manifest.requested:,} asked for"),
                ("Source", f"{manifest.kind}{'' if manifest.root is None else f' in {manifest.root}'}"),
                (
                    "Preprocessing",
                    f"{manifest.preprocess}, {manifest.input_shape.text}, seed {manifest.seed}",
                ),
                ("Manifest's SHA-256", manifest.sha256),
            )
        )
    ]
    if pictures.calibration_note:
        blocks.append(Notice(tone="plain", text=pictures.calibration_note))
    if pictures.calibration:
        shown = tuple(
            Picture(source=source, alt=f"Calibration image {name}", lines=(name,))
            for name, source in pictures.calibration
        )
        caption = (
            f"{len(shown)} of {count(total, 'calibration image')}, evenly spread, as the model sees them"
        )
        blocks.append(Gallery(caption=caption, pictures=shown, small=True))
    if manifest.skipped:
        rows = tuple(row(each.file, each.reason) for each in manifest.skipped)
        caption = f"{count(len(rows), 'image')} that could not be read"
        blocks.append(Table(caption=caption, columns=columns("Image", "Why"), rows=rows, folded=True))
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))
