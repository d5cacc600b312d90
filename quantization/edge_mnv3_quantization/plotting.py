"""What pictures of results have in common: matplotlib, without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_mnv3.core.errors import MissingExtraError, OutputError

SUFFIXES = (".png", ".svg")
DOTS_PER_INCH = 120
BLUE, ORANGE, GREY = "#1f5fa8", "#d9822b", "#8a8a8a"


def check_plot(path: Path) -> None:
    """Refuses a plot that could not be drawn, before any long work begins.

    Raises:
        OutputError: The file name says neither PNG nor SVG.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"plot {path}", f"a file of type '{path.suffix}'", " or ".join(SUFFIXES))
    figure_class()


def figure_class() -> Any:
    """Imports matplotlib's class of a figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "a plot needs matplotlib, which is not installed", next_step="pip install 'edge-mnv3[plot]'"
        ) from error
    return Figure
