"""Figures in words: the same number of digits and the same signs everywhere on the page."""

from __future__ import annotations

import math

from edge_mnv3.html_report.blocks import Tick

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"  # what stands for a figure that a result does not have
_SPACE = "\N{NO-BREAK SPACE}"


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign; one that rounds to zero has none."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


def plain(value: float | None, digits: int = 1) -> str:
    """A number with so many digits behind the point; a dash where there is none."""
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text.lstrip("-")


def short(value: float) -> str:
    """A number with four digits that count."""
    return f"{value:.4g}".replace("-", MINUS)


def percent(value: float | None, digits: int = 2) -> str:
    """A share."""
    return NONE if value is None else f"{plain(value, digits)}{_SPACE}%"


def between(low: float, high: float, digits: int = 2) -> str:
    """An interval of numbers without sign."""
    return f"{plain(low, digits)} to {plain(high, digits)}"


def signed_between(low: float, high: float, digits: int = 2) -> str:
    """An interval of differences."""
    return f"{signed(low, digits)} to {signed(high, digits)}"


def megabytes(size_bytes: int) -> str:
    """A size in megabytes of 1,000,000 bytes."""
    return f"{size_bytes / 1e6:.2f}{_SPACE}MB"


def points(value: float) -> str:
    """Percentage points."""
    return f"{plain(value, 2)} {'point' if abs(value) == 1 else 'points'}"


def milliseconds(time_us: float | None) -> str:
    """A time in milliseconds."""
    return NONE if time_us is None else f"{plain(time_us / 1000, 3)}{_SPACE}ms"


def decibels(value: float | None) -> str:
    """A ratio in decibels."""
    return NONE if value is None else f"{plain(value, 1)}{_SPACE}dB"


def hash_words(sha256: str) -> str:
    """The first digits of a SHA-256, to tell files apart by eye."""
    return f"{sha256[:12]}…"


def share(value: float, low: float, high: float) -> float:
    """The place of a value between two others, in percent; at an end where it lies beyond."""
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)


def ticks(low: float, high: float, *, most: int = 6) -> tuple[float, ...]:
    """Round numbers within two others, at most so many, at steps of 1, 2 or 5 times a power of ten.

    Args:
        low: The least.
        high: The largest, above `low`.
        most: How many there may be, at least 2.
    """
    rough = (high - low) / (most - 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return tuple(round(place * step, digits) + 0.0 for place in range(first, last + 1))


def axis(low: float, high: float, *, most: int = 6, from_top: bool = False) -> tuple[Tick, ...]:
    """The ticks of a scale between two numbers, each with its place."""
    made = []
    for value in ticks(low, high, most=most):
        at = share(value, low, high)
        made.append(Tick(at_percent=100 - at if from_top else at, text=f"{value:g}".replace("-", MINUS)))
    return tuple(made)
