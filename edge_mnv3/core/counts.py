"""Numbers of things, as sentences have them."""

from __future__ import annotations


def count(number: int, one: str, several: str = "") -> str:
    """A number of things: `1 image`, `1,200 images`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
