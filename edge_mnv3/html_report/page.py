"""The page as HTML: one file, without anything from outside, the same bytes for the same results."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from itertools import zip_longest
from typing import TYPE_CHECKING

from edge_mnv3.core.versions import __version__
from edge_mnv3.html_report.blocks import Section

if TYPE_CHECKING:
    import jinja2


def render(title: str, sections: Sequence[Section]) -> str:
    """Writes the page.

    Every text of a section is escaped by the template. The page carries a policy that allows no address but
    `data:` pictures and no script but its own, by that script's hash: what got through would not run.
    """
    script = _resource("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page: str = (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            sections=sections,
            version=__version__,
            style=_resource("style.css"),
            script=script,
            script_hash=f"sha256-{digest}",
        )
    )
    return page


# Of a longer table paper has this many, as style.css says: those of all tensors would fill thirty pages.
PRINTED_ROWS = 25
_HASH = re.compile(r"[0-9a-f]{64}")
_PERCENT = re.compile(r"(?<=\d) %")
_OPTION = re.compile(r"(?<!\S)(--?[a-z][a-z0-9-]*)")
# Bytes of names that are no UTF-8, control characters, and those that turn the direction of a text about.
_HIDDEN = re.compile(r"[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _visible(value: object) -> object:
    """Writes characters of a text that cannot be seen, or not be written, as Python does."""
    if type(value) is not str:
        return value  # a number, or what the templates made and escaped
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape", "backslashreplace").decode(), value)


@functools.cache
def _environment() -> jinja2.Environment:
    """The templates, compiled when they are first used."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edge_mnv3.html_report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )
    environment.filters |= {"breakable": _breakable, "prose": _prose}
    environment.globals["printed_rows"] = PRINTED_ROWS
    return environment


def _breakable(text: str) -> str:
    """Escapes a text, lets a narrow column break names at their underscores, and keeps options whole.

    A SHA-256 is set so that two lines hold it.
    """
    from markupsafe import Markup

    if _HASH.fullmatch(text):
        return Markup('<span class="hash">{}</span>').format(text)
    return _prose(text, breaks=True)


def _prose(text: str, *, breaks: bool = False) -> str:
    """Escapes a text; options, which browsers break behind a hyphen, and numbers of percent stay whole."""
    from markupsafe import Markup, escape

    words = _OPTION.split(_PERCENT.sub("\N{NO-BREAK SPACE}%", str(_visible(text))))
    underscore = Markup("_<wbr>") if breaks else Markup("_")
    between = [underscore.join(map(escape, word.split("_"))) for word in words[::2]]
    options = [Markup('<span class="option">{}</span>').format(word) for word in words[1::2]]
    return Markup("").join(part for pair in zip_longest(between, options, fillvalue="") for part in pair)


def _resource(name: str) -> str:
    return (resources.files("edge_mnv3.html_report") / "templates" / name).read_text(encoding="utf-8")
