"""Names of classes, for people; a number stays a number where nothing tells its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNames:
    """What the numbers of an output mean.

    Attributes:
        names: Names in the order of the labels; empty where they are not known.
        source: Where they come from, in words; empty where they are not known.
        output: The output that they are of; empty for the only one.
    """

    names: tuple[str, ...] = ()
    source: str = ""
    output: str = ""

    def of_output(self, name: str) -> ClassNames:
        """The names where they are of this output; none for another one, whose numbers mean other things."""
        return self if self.output in ("", name) else ClassNames()

    def of(self, label: int) -> str:
        """The name of a class with its number, or `class 7`; `background` for the output before the first."""
        if label < 0:
            return "background"
        if label < len(self.names):
            return f"{self.names[label]} ({label})"
        return f"class {label}"
