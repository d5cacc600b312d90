"""Results read from the files that commands wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.quantize import QuantizeResult

QUANTIZE_FILE = "quantize.json"

# What is easily taken for a measurement: keys of its JSON, what it is, and what to give in its place.
_NO_MEASUREMENTS = (
    (
        {"kind", "recorded_at", "result"},
        "a history, one measurement a line",
        "give the file of one measurement, which bench -o FILE writes",
    ),
    (
        {"launches", "failures"},
        "figures of logs (bench --log), which tell no phone, cores, clocks or heat",
        "measure with bench --device or bench --host",
    ),
)

R = TypeVar("R")


def read_result(kind: type[R], path: Path, *, command: str) -> R:
    """Reads the JSON result of a command.

    Args:
        kind: Class of the result.
        path: The file.
        command: Which command writes such results, for the error.

    Raises:
        InputFileError: It is missing, or not of this command.
    """
    wanted = f"what edge-mnv3 {command} --json wrote"
    try:
        return from_json(kind, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputFileError(f"result {path}", why_unreadable(path, error), wanted) from error
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"result {path}", str(error), wanted) from error


def refuse_no_measurement(path: Path, text: str, *, wanted: str) -> None:
    """Refuses a history and the figures of logs where a measurement is wanted; others are read, and judged.

    Args:
        path: The file, for the error.
        text: What is in it.
        wanted: What was expected, for the error.

    Raises:
        InputFileError: It is one of them; the text says which.
    """
    keys = json_keys(text) or json_keys(next((line for line in text.splitlines() if line.strip()), ""))
    for telling, got, next_step in _NO_MEASUREMENTS:
        if telling <= keys and "conditions" not in keys:
            raise InputFileError(f"result {path}", got, wanted, next_step)


def json_keys(text: str) -> frozenset[str]:
    """Gives the keys of a JSON object; of anything else, which is refused when it is read, none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(data) if isinstance(data, dict) else frozenset()


def read_quantize_result(path: Path) -> QuantizeResult:
    """Reads a `quantize.json`.

    Raises:
        InputFileError: It is missing, or not what `quantize` wrote.
    """
    return read_result(QuantizeResult, path, command="quantize")


def read_calibration_manifest(path: Path) -> CalibrationManifest:
    """Reads a calibration manifest: a whole file, or the part `calibration` of a `quantize.json`.

    The rest of a `quantize.json` is not looked at, so that its images serve every version of this program.

    Raises:
        InputFileError: It is neither.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and "calibration" in data:
            data = data["calibration"]
        return from_json(CalibrationManifest, json.dumps(data))
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"manifest {path}", str(error), "the quantize.json of an earlier run") from error


def read_int8_sha256(path: Path) -> str | None:
    """Reads which int8 file a `quantize.json` speaks of; None if it does not tell.

    Raises:
        OSError: It cannot be read.
    """
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    sha256 = data.get("int8_sha256") if isinstance(data, dict) else None
    return sha256 if isinstance(sha256, str) else None
