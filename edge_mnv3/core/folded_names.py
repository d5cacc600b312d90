"""Names of classes as they are compared."""

from __future__ import annotations

import unicodedata


def written(name: str) -> str:
    """A name without blanks around it, in one form of Unicode."""
    return unicodedata.normalize("NFC", name).strip()


def folded(name: str) -> str:
    """A name without blanks around it, in one form of Unicode, without regard to case."""
    return written(name).casefold()
