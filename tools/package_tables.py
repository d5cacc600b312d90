"""Tables of the documentation on the package itself, from `pyproject.toml`.

Refresh them with `cog -I tools -I tests -r README.md docs/*.md`.
"""

from __future__ import annotations

import re

import structure

from edge_mnv3.core.markdown import markdown_table


def extras() -> str:
    """Table of the extras, each with the first sentence of its comment in `pyproject.toml`."""
    text = (structure.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.optional-dependencies]\n")[1].split("\ndev = [")[0]
    rows = []
    for comment, name in re.findall(r"((?:^# .*\n)+)([a-z-]+) = ", section, re.MULTILINE):
        reason = comment.replace("# ", "").replace("\n", " ").strip()
        rows.append((f"`{name}`", re.split(r"\.(?: |$)", reason)[0]))
    return markdown_table(("extra", "for"), rows)
