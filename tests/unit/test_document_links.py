"""Links between the pages lead to pages and headings that are there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "tests").rglob("README.md")),
]
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def headings(page: Path) -> set[str]:
    """Their anchors, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_no_link_leads_nowhere() -> None:
    anchors = {page.resolve(): headings(page) for page in PAGES}
    for page in PAGES:
        for path, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
            if ":" in path:
                address = urlsplit(path)
                assert address.scheme == "https", f"{page.name}: {path}"
                assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", address.netloc), f"{page.name}: {path}"
                continue
            target = (page.parent / path).resolve() if path else page.resolve()
            assert target.exists(), f"{page.name}: {path}"
            assert not anchor or target not in anchors or anchor in anchors[target], (
                f"{page.name}: {path}#{anchor}"
            )


def test_pictures_are_shown() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = set(re.findall(r"!\[[^]]+\]\(images/([^)]+)\)", text))
    assert shown == {path.name for path in (ROOT / "docs" / "images").iterdir()}


def test_no_conflict_is_left() -> None:
    for page in [*PAGES, ROOT / "mkdocs.yml", ROOT / "pyproject.toml"]:
        marks = re.findall(r"^(?:<{7} |={7}$|>{7} ).*", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert marks == [], page.name
