"""What a section of the page is built of; the templates draw each kind.

All texts are plain: the templates escape them. Shares of a width are in percent, 0 to 100.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Tone = Literal["plain", "good", "bad", "unsure", "chosen"]
_SHORT_WORD = 16  # characters that fit a narrow column


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    KIND: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that must be seen.

    Attributes:
        tone: Its colour; the text says the same.
        text: A sentence.
        command: What to run; empty for nothing.
    """

    KIND: ClassVar[str] = "notice"
    tone: Tone
    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names with what they are."""

    KIND: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure of the headline.

    Attributes:
        label: What it is.
        value: The figure with its unit; empty where it was not measured.
        detail: Its interval and conditions, or why there is none.
    """

    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The figures of the headline."""

    KIND: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar in a cell, beside its number: from `start` to `end`, in percent of the column's width."""

    start_percent: float
    end_percent: float
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell.

    Attributes:
        text: What it says.
        number: What it is sorted by, where that is no text.
        bar: A bar under the text.
        tone: The colour of the text, which says the same.
    """

    text: str
    number: float | None = None
    bar: Bar | None = None
    tone: Tone = "plain"

    @property
    def whole(self) -> bool:
        """Its words are short, and are not broken in a narrow column."""
        return max(map(len, self.text.split()), default=0) <= _SHORT_WORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        title: Its heading.
        numeric: It is set flush right.
    """

    title: str
    numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; the first cell of a row heads it.

    Attributes:
        caption: What it shows.
        columns: Its columns.
        rows: Its rows, each as long as `columns`.
        folded: It is shown when its caption is clicked.
        wide: Its texts are too long for three columns side by side on a phone.
    """

    KIND: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A figure with its interval, on the common axis of an `Intervals`.

    Attributes:
        label: What it is of.
        text: The figure in words.
        at_percent: Its place.
        low_percent: Place of the interval's lower end.
        high_percent: Place of the interval's upper end.
        tone: Its colour.
    """

    label: str
    text: str
    at_percent: float
    low_percent: float
    high_percent: float
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line of a scale: its place, and what it says."""

    at_percent: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Figures with intervals, one under the other.

    Attributes:
        caption: What they show.
        marks: The figures.
        ticks: The axis.
    """

    KIND: ClassVar[str] = "intervals"
    caption: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a `Curve`: its name, and the points of an SVG polyline, one text for each unbroken part."""

    name: str
    parts: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line chart, 100 units wide and high.

    Attributes:
        caption: What it shows.
        alt: The same in words, for who does not see it.
        lines: What is drawn.
        x_ticks: Places along it.
        y_ticks: Its scale, from the top.
        unit: Unit of the scale.
    """

    KIND: ClassVar[str] = "curve"
    caption: str
    alt: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A point of a `Scatter`: what stands beside it, and its place from the left and the top, in percent."""

    text: str
    left_percent: float
    top_percent: float
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Points over two scales, some of them joined.

    Attributes:
        caption: What it shows.
        alt: The same in words, for who does not see it.
        dots: The points.
        line: The points of an SVG polyline.
        x_ticks: The scale below.
        y_ticks: The scale at the left, from the top.
        x_name: What the scale below is.
        y_name: What the scale at the left is.
    """

    KIND: ClassVar[str] = "scatter"
    caption: str
    alt: str
    dots: tuple[Dot, ...]
    line: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_name: str
    y_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A small histogram with a range marked in it, 100 units wide and high.

    Attributes:
        title: What it is of.
        group: What it is part of, by which a reader may choose.
        alt: The same in words, for who does not see it.
        bars: An SVG path.
        low_percent: Place of the range's lower end.
        high_percent: Place of its upper end.
        low_text: The lower end in words.
        high_text: The upper end in words.
        lines: What is said of it.
    """

    title: str
    group: str
    alt: str
    bars: str
    low_percent: float
    high_percent: float
    low_text: str
    high_text: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histograms:
    """Small histograms side by side.

    Attributes:
        caption: What they show.
        histograms: The histograms.
        folded: They are shown when the caption is clicked.
    """

    KIND: ClassVar[str] = "histograms"
    caption: str
    histograms: tuple[Histogram, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture with what is said of it.

    Attributes:
        source: A `data:` address; empty where the picture could not be had.
        alt: What it is, in words.
        lines: What stands below it.
        tone: Colour of its first line.
    """

    source: str
    alt: str
    lines: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures side by side.

    Attributes:
        caption: What they show.
        pictures: The pictures.
        small: A contact sheet, without words.
    """

    KIND: ClassVar[str] = "gallery"
    caption: str
    pictures: tuple[Picture, ...]
    small: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands to copy, a line each."""

    KIND: ClassVar[str] = "commands"
    caption: str
    lines: tuple[str, ...]


Block: TypeAlias = (
    Text | Notice | Facts | Tiles | Table | Intervals | Curve | Scatter | Histograms | Gallery | Commands
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        key: Its anchor.
        title: Its heading.
        blocks: What it shows, or, where there is nothing, the notice that says so.
        present: It shows results.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    present: bool = True


def absent(key: str, title: str, text: str, command: str) -> Section:
    """A section without results, which says how to get them."""
    return Section(
        key=key,
        title=title,
        blocks=(Notice(tone="plain", text=text, command=command),),
        present=False,
    )


def columns(*titles: str) -> tuple[Column, ...]:
    """Makes columns; those whose title begins with `#` are of numbers."""
    return tuple(Column(title=title.lstrip("#"), numeric=title.startswith("#")) for title in titles)


def without_empty(table: Table) -> Table:
    """Takes columns out of which no cell says anything; the first stays, which heads the rows."""
    kept = [
        place
        for place in range(len(table.columns))
        if not place or any(cells[place].text for cells in table.rows)
    ]
    return dataclasses.replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple(tuple(cells[place] for place in kept) for cells in table.rows),
    )


def row(*cells: Cell | str) -> tuple[Cell, ...]:
    """Makes a row; texts become cells."""
    return tuple(Cell(text=cell) if isinstance(cell, str) else cell for cell in cells)


def number(value: float | None, text: str, *, bar: Bar | None = None, tone: Tone = "plain") -> Cell:
    """A cell that is sorted by a number."""
    return Cell(text=text, number=value, bar=bar, tone=tone)


def ends(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest of some numbers, or 0 and 1 where there are none; never equal."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
