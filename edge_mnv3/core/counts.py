"""Numbers, and numbers of things, as sentences have them."""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, one: str, several: str = "") -> str:
    """A number of things: `1 image`, `1,200 images`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def rounded(value: float, digits: int) -> float:
    """A number with so many digits behind the point; what rounds to zero has no minus."""
    return round(value, digits) + 0.0


def three_digits(value: float) -> str:
    """A number with three digits that count, and no exponent below a million: `0.0123`, `1000`."""
    return f"{float(f'{value:.3g}'):g}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
