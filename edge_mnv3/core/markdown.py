"""Markdown that bundles and the documentation are written in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Writes a table, without a line end after its last row.

    Args:
        head: The columns' titles.
        rows: The cells of each row, as many as there are titles; a `|` in them is escaped already.
    """
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))
