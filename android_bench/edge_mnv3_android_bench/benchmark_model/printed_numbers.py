"""Numbers as C++ streams print them, read strictly.

`benchmark_model` prints whole microseconds in full, and everything else with six significant digits without
trailing zeros, which is what `%g` does. A text that this form would not have been printed for is refused:
it was damaged.
"""

from __future__ import annotations

import math

_LONGEST_INTEGER = 15  # digits: 30 years in microseconds, and exact as a float


def read_integer(text: str) -> int | None:
    """Reads a whole number from 0 on; None for anything else, leading zeros included."""
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_INTEGER:
        return None
    return None if text[0] == "0" and text != "0" else int(text)


def read_float(text: str) -> float | None:
    """Reads a finite number from 0 on, in the form that a stream prints; None for anything else."""
    if not text.isascii() or not set(text) <= set("0123456789.e+-"):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value >= 0 and math.isfinite(value) and print_float(value) == text else None


def print_float(value: float) -> str:
    """Prints a number as a stream does."""
    return f"{value:g}"


def rounding(value: float) -> float:
    """How far a printed number may be from the one that was printed: half of its sixth digit.

    A trifle more, so that sums of such numbers in double precision stay within.
    """
    return 0.0 if value == 0 else 0.5 * (1 + 1e-6) * 10.0 ** (math.floor(math.log10(abs(value))) - 5)
