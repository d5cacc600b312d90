"""Names of classes, for people; a number stays a number where nothing tells its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNames:
    """What the numbers of an output mean.

    Attributes:
        names: Names in the order of the labels; empty where they are not known.
        source: Where they come from, in words; empty where they are not known.
    """

    names: tuple[str, ...] = ()
    source: str = ""

    def of(self, label: int) -> str:
        """The name of a class with its number, or `class 7`; `background` for the output before the first."""
        if label < 0:
            return "background"
        if label < len(self.names):
            return f"{self.names[label]} ({label})"
        return f"class {label}"
