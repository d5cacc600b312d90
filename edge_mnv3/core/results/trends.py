"""The frozen results of `history`: latencies over time; `json_format` writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.verdicts import ConditionDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """One stored measurement that has a figure.

    Attributes:
        recorded_at: When it was stored, ISO 8601, UTC.
        median_us: Its median.
        ci95_us: 95 % interval of that; None where there is none, as on this machine.
        model_sha256: SHA-256 of the file.
        program: Build of `benchmark_model`, or runtime, with its version as far as it is known.
        system: Android's build, or the system of this machine.
    """

    recorded_at: str
    median_us: float
    ci95_us: tuple[float, float] | None
    model_sha256: str
    program: str
    system: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendChange:
    """A point from which measurements are slower or faster than before.

    Attributes:
        recorded_at: When the first of them was stored.
        before_us: Median of the medians before it, back to the change before.
        after_us: Median of the medians from it on, up to the next change.
        ratio: The latter by the former.
        p_value: Chance of so clear a change where there is none, by permutation.
        differences: What differs between the last measurement before it and it.
        text: The change in words.
    """

    recorded_at: str
    before_us: float
    after_us: float
    ratio: float
    p_value: float
    differences: tuple[ConditionDifference, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The measurements of one file on one device under one set of conditions.

    Attributes:
        model_path: The file, whatever it held.
        device: The device's name.
        conditions: The conditions that are the same in all of them.
        emulated: The device is emulated: the figures say nothing about a phone.
        points: Oldest first.
        not_quotable: Measurements that have no figure to quote.
        changes: Oldest first.
    """

    model_path: str
    device: str
    conditions: dict[str, str]
    emulated: bool
    points: tuple[TrendPoint, ...]
    not_quotable: int
    changes: tuple[TrendChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendsResult:
    """What a history shows.

    Attributes:
        history: The file.
        level: Chance of a change that is none in the whole history, at most; shared out to the trends.
        trends: In the order of their first measurement.
    """

    FORMAT: ClassVar[Format] = Format("history trends")
    schema_version: int = FORMAT.version
    history: str
    level: float
    trends: tuple[Trend, ...]
