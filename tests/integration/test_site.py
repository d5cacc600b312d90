"""The documentation as a site: built strictly, with every page, and nothing in it comes from other hosts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge_mnv3.core.process import run
from headless_chromium import Browser, Screen, browser, chromium

pytestmark = pytest.mark.xdist_group("site")  # it is built once
ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
# Attributes by which a page loads something, where `href` of a link is only where one may go.
LOADS = {"src", "srcset", "data", "poster"}
# The theme's script asks for these if a page has a diagram of Mermaid, and none has, or a browser is
# older than 2020.
NEVER_ASKED = {
    "https://unpkg.com/mermaid@11/dist/mermaid.min.js",
    "https://unpkg.com/resize-observer-polyfill",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-f", str(ROOT / "mkdocs.yml")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        done = run([*command, "-d", str(folder)], timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Loaded(HTMLParser):
    """Addresses that a page loads by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.diagrams = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what the tag loads."""
        for name, value in attrs:
            if name in LOADS or (tag == "link" and name == "href"):
                self.addresses.append(value or "")
            self.diagrams += name == "class" and "mermaid" in (value or "").split()


def foreign(addresses: list[str]) -> list[str]:
    """Those of other hosts."""
    return [each for each in addresses if re.match(r"(?:[a-z+]+:)?//", each)]


def test_the_check_sees_other_hosts() -> None:
    loaded = Loaded(
        '<link href="https://fonts.example/a.css"><script src="//x.example/b.js"></script>'
        '<a href="https://link.example">a link</a><img src="c.png"><pre class="mermaid">'
    )
    assert foreign(loaded.addresses) == ["https://fonts.example/a.css", "//x.example/b.js"]
    assert loaded.diagrams == 1


def test_no_page_loads_from_another_host(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        loaded = Loaded(page.read_text(encoding="utf-8"))
        assert loaded.addresses
        assert foreign(loaded.addresses) == [], page.name
        assert loaded.diagrams == 0, page.name
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert foreign(re.findall(r"""(?:url\(|@import )["']?([^"')]*)""", text)) == [], sheet.name
    asked = {
        address
        for script in site.rglob("*.js")
        for address in re.findall(r"""["'`](https?://[^"'`\s]+)["'`]""", script.read_text(encoding="utf-8"))
    }
    assert {each for each in asked if "unpkg.com" in each or each.endswith((".js", ".css"))} <= NEVER_ASKED


def test_every_page_is_in_the_navigation(site: Path) -> None:
    names = {page.stem for page in PAGES}
    assert {page.stem for page in site.glob("*.html")} == names | {"404"}
    navigation = (site / "404.html").read_text(encoding="utf-8")
    assert names <= set(re.findall(r'href="/?([\w-]+)\.html"', navigation))


def test_the_reference_has_every_name(site: Path) -> None:
    import edge_mnv3

    text = (site / "python-reference.html").read_text(encoding="utf-8")
    names = [name for name in edge_mnv3.__all__ if not name.startswith("_")]
    assert [name for name in names if f'id="edge_mnv3.{name}"' not in text] == []


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed; on Debian: apt-get install chromium")
    with browser(program, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize("page", ["index", "python-reference", "quantization"])
def test_a_browser_asks_no_other_host(site: Path, opened: Browser, page: str) -> None:
    opened.show(site / f"{page}.html", Screen(1200))
    assert opened.requests
    assert [each for each in opened.requests if not each.startswith(("file:", "data:", "blob:"))] == []
