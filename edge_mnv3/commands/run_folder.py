"""The folder of a config: where a run keeps everything, told of configs too that are refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_mnv3.stages.run_plan import CONFIG_FILE, RUN_MARK

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = "pyproject.toml"
FOLDER_KEY = "output_dir"
_STATED = re.compile(rf"""^\s*{FOLDER_KEY}\s*=\s*(["'])(.+?)\1""", re.MULTILINE)


def own_table(path: Path, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The tables of a run in what a TOML file holds: all of it, or `[tool.edge-mnv3]` of a `pyproject.toml`.

    Returns:
        None of a `pyproject.toml` that has no such table.
    """
    if path.name != PYPROJECT:
        return dict(data)
    tool = data.get("tool")
    own = tool.get("edge-mnv3") if isinstance(tool, dict) else None
    return own if isinstance(own, dict) else None


def folder_of(path: Path, table: Mapping[str, Any]) -> Path:
    """Where the run of a config keeps everything, unless `-o` says otherwise.

    Args:
        path: The config.
        table: What it says; an `output_dir` that is no text is passed over.
    """
    stated = table.get(FOLDER_KEY)
    if isinstance(stated, str) and stated:
        return path.parent / stated
    if path.name == CONFIG_FILE and (path.parent / RUN_MARK).is_file():
        return path.parent
    stem = "edge-mnv3" if path.name == PYPROJECT else path.stem
    return path.parent / f"{stem.replace('-', '_')}_run"


def folder_of_refused(path: Path) -> Path:
    """The same of a config that is refused, as far as its text tells: it may be no TOML, or not be there."""
    text = path.read_bytes().decode("utf-8", errors="replace") if path.is_file() else ""
    try:
        table = own_table(path, tomllib.loads(text)) or {}
    except (tomllib.TOMLDecodeError, RecursionError):
        stated = _STATED.search(text)
        table = {FOLDER_KEY: stated[2]} if stated else {}
    return folder_of(path, table)
