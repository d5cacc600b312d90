"""The file in a folder that tells which steps of a run or a sweep are done there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_mnv3.core.outputs import write_text

DONE_FILE = "done.json"


def read_done(folder: Path) -> dict[str, Any]:
    """Returns what is noted of each step, by its name; nothing where the file is absent or damaged."""
    try:
        data = json.loads((folder / DONE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def write_done(folder: Path, steps: Mapping[str, Any]) -> None:
    """Replaces the file by what is noted now.

    Raises:
        OutputError: It cannot be written.
    """
    write_text(folder / DONE_FILE, json.dumps(steps, indent=2) + "\n", force=True)
