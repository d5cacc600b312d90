"""Rows of `calibration_size.py`, and its table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from edge_mnv3.core.choices import SYNTHETIC, PreprocessName
from edge_mnv3.core.image_marks import unpacked
from edge_mnv3_quantization.validation.differences import paired_interval_points


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What every row of a table depends on.

    Attributes:
        calibration_sha256: SHA-256 of the file of calibration images; None for a folder.
        data_sha256: SHA-256 of the file of labelled images; None for a folder.
        recipe_sha256: Of the source of all recipes.
    """

    float_sha256: str
    calibration: str
    calibration_sha256: str | None
    data: str
    data_sha256: str | None
    preprocess: PreprocessName
    recipe_sha256: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The accuracy of an int8 file under one kind of kernels.

    Attributes:
        ci95_points: 95 % interval of int8 top-1 less float top-1.
        right: Which of the labelled images it has right, as `ImageAnswers` has it; None where none tells.
    """

    top1_percent: float
    agreement_percent: float
    ci95_points: tuple[float, float]
    right: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One int8 file.

    Attributes:
        kind: `synthetic`, or what the source of the images is: `csv`, `folder` and so on.
        images: Those that were there, which may be fewer than were asked for.
        images_sha256: Of their manifest.
        labelled_images: Images that the accuracies are over.
        xnnpack: None where it does not load under XNNPACK.
        builtin: None where it does not load under the built-in kernels.
        partitions: Subgraphs handed to XNNPACK.
        quantize_s: Time that the recipe took, without reading the images and making the float file.
        validate_s: Time of both validations.
    """

    recipe: str
    kind: str
    images: int
    images_sha256: str
    seed: int
    labelled_images: int
    float_top1_percent: float
    xnnpack: Accuracy | None
    builtin: Accuracy | None
    partitions: int | None
    int8_sha256: str
    quantize_s: float
    validate_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All rows that are there."""

    conditions: Conditions
    rows: tuple[Row, ...]


def table(rows: Sequence[Row]) -> str:
    """Writes Markdown: XNNPACK's figures, the built-in kernels' in brackets, seeds side by side."""
    if not rows:
        return "no rows yet"
    seeds = ", ".join(map(str, dict.fromkeys(row.seed for row in rows)))
    lines = [
        f"Float top-1 {rows[0].float_top1_percent:.1f} % of {rows[0].labelled_images} images; seeds {seeds}.",
        "",
        "| recipe | calibration images | top-1 % | more than the row above, points | agreement % | seconds |",
        "|---|---|---|---|---|---|",
    ]
    before: dict[tuple[str, str, int], Row] = {}
    for (recipe, kind, images), group in itertools.groupby(rows, key=_heading):
        same = list(group)
        cells = [
            f"`{recipe}`",
            f"{images}{f', {SYNTHETIC}' if kind == SYNTHETIC else ''}",
            ", ".join(_pair(row, attrgetter("top1_percent")) for row in same),
            ", ".join(_gain(row, before.get((recipe, kind, row.seed))) for row in same),
            ", ".join(_pair(row, attrgetter("agreement_percent")) for row in same),
            ", ".join(f"{row.quantize_s:.1f}" for row in same),
        ]
        before |= {(recipe, kind, row.seed): row for row in same}
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _heading(row: Row) -> tuple[str, str, int]:
    return row.recipe, row.kind, row.images


def _pair(row: Row, number: Callable[[Accuracy], float]) -> str:
    one, other = (
        "does not load" if accuracy is None else f"{number(accuracy):.1f}"
        for accuracy in (row.xnnpack, row.builtin)
    )
    return f"{one} ({other})"


def _gain(row: Row, before: Row | None) -> str:
    """Top-1 less that with fewer images of the same seed, with its 95 % interval; `-` where nothing tells."""
    if before is None:
        return "-"
    kinds = ((row.xnnpack, before.xnnpack), (row.builtin, before.builtin))
    for more, fewer in kinds:
        if more and fewer and more.right and fewer.right and row.labelled_images == before.labelled_images:
            n = row.labelled_images
            pairs = list(zip(unpacked(fewer.right, n), unpacked(more.right, n), strict=True))
            lost, won = pairs.count((True, False)), pairs.count((False, True))
            low, high = paired_interval_points(lost, won, n)
            return f"{100 * (won - lost) / n:+.1f} ({low:+.1f}..{high:+.1f})"
    return "-"
