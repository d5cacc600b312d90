"""The page of licences: every package that is required, directly or through others, and what it states."""

from __future__ import annotations

import re
from email.message import Message
from importlib import metadata

import licences
import pytest
import structure

REQUIRED = {
    "edge-mnv3": ["Click>=8", "adb.utils>=2; extra == 'adb'", "gone; python_version < '3'"],
    "click": ["colorama"],
    "adb-utils": ["click", "deep_one"],
}


@pytest.fixture
def stated(monkeypatch: pytest.MonkeyPatch) -> dict[str, Message]:
    """What is installed; a test changes it."""
    found: dict[str, Message] = {name: Message() for name in ("click", "colorama", "adb-utils", "deep-one")}
    monkeypatch.setattr(metadata, "requires", REQUIRED.get)
    monkeypatch.setattr(metadata, "metadata", found.__getitem__)
    return found


def test_the_page_names_all_that_is_required() -> None:
    """After a change of dependencies: `python tools/licences.py`."""
    told = set(re.findall(r"^\| `([a-z0-9-]+)` ", licences.PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    wanted = licences.direct_requirements((structure.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    only_elsewhere = {"tensorflow", "tomli"}  # on other systems, and on older Pythons
    assert {"numpy", "tensorflow-cpu", "pyarrow"} <= wanted
    assert wanted - told <= only_elsewhere


def test_packages_are_followed_to_their_end(stated: dict[str, Message]) -> None:
    assert [row[:2] for row in licences.rows()] == [
        ("`adb-utils`", "extra `adb`"),
        ("`click`", "required"),
        ("`colorama`", "through `click`"),
        ("`deep-one`", "through `adb-utils`"),
    ]
    assert "| `deep-one` | through `adb-utils` | see its files |" in licences.page()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "other")], "MIT OR Apache-2.0"),
        ([("License", "BSD\n 3-Clause")], "BSD 3-Clause"),
        ([("License", "x" * 61), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT License"),
        ([("License", "UNKNOWN"), ("Classifier", "Topic :: Other")], "see its files"),
    ],
)
def test_what_a_package_states(fields: list[tuple[str, str]], told: str, stated: dict[str, Message]) -> None:
    for key, value in fields:
        stated["click"][key] = value
    assert licences.licence("click") == told
