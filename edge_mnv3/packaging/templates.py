"""Templates of the sources for apps: `%%{name}` in them is a place to fill in."""

from __future__ import annotations

import string
from collections.abc import Mapping
from importlib import resources

FOLDER = "app_templates"


class _Template(string.Template):
    delimiter = "%%"


def filled(path: str, values: Mapping[str, str]) -> str:
    """Returns the text of a template with all its places filled in.

    Args:
        path: Its path below the folder of templates, with `/`.
        values: Name of a place to its text; there may be more than the template has.

    Raises:
        KeyError: A place has no value.
    """
    template = resources.files("edge_mnv3.packaging").joinpath(FOLDER, *path.split("/"))
    return _Template(template.read_text(encoding="utf-8")).substitute(values)
