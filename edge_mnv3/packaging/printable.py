"""Which texts may be shown: all scripts, with the invisible characters that they are written with."""

from __future__ import annotations

# Joiners, without which Persian, the scripts of India and many emoji are written wrongly, and the marks of
# direction of right-to-left scripts. Other invisible characters stay out: overrides of the direction can make
# one text look like another.
_WRITTEN_WITH = frozenset("\u200c\u200d\u200e\u200f\u061c")
_TAGS = range(0xE0020, 0xE0080)  # spell the flags of regions behind a black flag


def is_printable(text: str) -> bool:
    """Whether a text is one line that people can read, with something to see in it if it is not empty."""
    seen = [letter for letter in text if letter not in _WRITTEN_WITH and ord(letter) not in _TAGS]
    return all(letter.isprintable() for letter in seen) and (not text or any(map(str.strip, seen)))
