"""Writes `docs/licences.md`: the licences of what this package requires, as installed packages state them.

Run it where every extra that it lists is installed: `python tools/licences.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from importlib import metadata
from typing import cast

import structure
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edge_mnv3.core.markdown import markdown_table

PAGE = structure.ROOT / "docs" / "licences.md"
PACKAGE = "edge-mnv3"
# The base, and the extras for users that go together in one environment.
EXTRAS = ("", "tensorflow-cpu", "adb", "dask", "digits", "heif", "parquet", "plot", "remote", "tfrecord")
# What apps link that use the generated sources. Nothing of it is in the package.
FOR_APPS = (
    ("`com.google.ai.edge.litert:litert`", "Kotlin, `LiteRtClassifier.kt`", "Apache-2.0"),
    ("`com.google.mediapipe:tasks-vision`", "Kotlin, `MediaPipeClassifier.kt`", "Apache-2.0"),
    ("`TensorFlowLiteSwift`", "Swift", "Apache-2.0"),
    ("`MediaPipeTasksVision`", "Swift", "Apache-2.0"),
    ("LiteRT's C API", "C++", "Apache-2.0"),
)
_LONGEST = 60  # characters of a statement; longer ones are whole licence texts
_HEAD = """# Licences

edge-mnv3 is under Apache-2.0. It contains weights of the demo, trained by this project, and the list of
ImageNet's class names, which is torchvision's, under BSD-3-Clause, whose text lies beside it. The published
weights that it downloads are Google's, under Apache-2.0.

Here is what it requires, with what each package says of its own licence. pip installs these; none is part of
the package. Written by `python tools/licences.py`, on Linux.
"""


def requirements(name: str, extra: str) -> Iterator[str]:
    """Yields the packages that one requires on this machine, by normalized name."""
    for text in metadata.requires(name) or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            is_base = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if not extra or not is_base:
                yield canonicalize_name(needed.name)


def licence(name: str) -> str:
    """Says what a package states: its expression, else its short statement, else its classifiers."""
    stated = cast(Message, metadata.metadata(name))
    for key in ("License-Expression", "License"):
        value = " ".join(str(stated.get(key, "")).split())
        if value and len(value) <= _LONGEST and value != "UNKNOWN":
            return value
    classifiers = [each for each in stated.get_all("Classifier") or () if each.startswith("License :: ")]
    return ", ".join(each.rpartition(" :: ")[2] for each in classifiers) or "see its files"


def rows() -> list[tuple[str, str, str]]:
    """The packages, each once, with where they come from."""
    waiting = [
        (name, f"extra `{extra}`" if extra else "required")
        for extra in EXTRAS
        for name in requirements(PACKAGE, extra)
    ]
    found: dict[str, str] = {}
    for name, why in waiting:  # which grows: what is asked for directly comes first
        if name not in found:
            found[name] = why
            waiting += [(each, f"through `{name}`") for each in requirements(name, "")]
    return [(f"`{name}`", why, licence(name).replace("|", "/")) for name, why in sorted(found.items())]


def page() -> str:
    """The whole page."""
    tables = (
        markdown_table(("package", "comes", "licence"), rows()),
        markdown_table(("library", "for apps in", "licence"), FOR_APPS),
    )
    apps = f"## Apps\n\nWhat the generated sources link.\n\n{tables[1]}\n"
    return f"{_HEAD}\n## Python\n\n{tables[0]}\n\n{apps}"


def direct_requirements(pyproject: str) -> set[str]:
    """The names that `pyproject.toml` requires in the base and in the listed extras."""
    base = pyproject[pyproject.index("\ndependencies = [") :].partition("\n]")[0]
    section = pyproject.split("[project.optional-dependencies]")[1].split("\n[")[0]
    listed = [base]
    for extra in filter(None, EXTRAS):
        listed += re.findall(rf"^{extra} = (\[.*?\])$", section, re.MULTILINE | re.DOTALL)
    names = re.findall(r'^[^#\n]*?"([A-Za-z0-9_.-]+)', "\n".join(listed), re.MULTILINE)
    names += re.findall(r', "([A-Za-z0-9_.-]+)', "\n".join(listed))
    return {str(canonicalize_name(name)) for name in names}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
