"""Links between the pages lead to pages and headings that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def headings(page: Path) -> set[str]:
    """Their anchors, as GitHub makes them."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_no_link_leads_nowhere() -> None:
    anchors = {page.resolve(): headings(page) for page in PAGES}
    for page in PAGES:
        for path, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
            if path.startswith(("http:", "https:")):
                continue
            target = (page.parent / path).resolve() if path else page.resolve()
            assert target.exists(), f"{page.name}: {path}"
            assert not anchor or target not in anchors or anchor in anchors[target], (
                f"{page.name}: {path}#{anchor}"
            )
