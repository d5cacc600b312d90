"""What the `quantize.json` beside a file says of it: its outputs, and the calibration's preprocessing."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.choices import SYNTHETIC
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.quantize import QuantizeResult


def recorded_outputs(path: Path) -> tuple[OutputFacts, ...]:
    """Returns the facts of a file's outputs, in its order; empty where no `quantize.json` speaks of it.

    Raises:
        InputFileError: There is such a file, but it cannot be read.
    """
    result = _beside(path)
    return () if result is None else result.model.outputs


def recorded_preprocess(path: Path) -> str | None:
    """Returns how a file's calibration images were preprocessed; None of synthetic ones, or if unknown.

    Raises:
        InputFileError: There is such a file, but it cannot be read.
    """
    result = _beside(path)
    return None if result is None or result.calibration.kind == SYNTHETIC else result.calibration.preprocess


def _beside(path: Path) -> QuantizeResult | None:
    """The result that is of this very file."""
    beside = path.parent / QUANTIZE_FILE
    if not beside.is_file() or not path.is_file():
        return None
    result = read_quantize_result(beside)
    return result if sha256_file(path) in (result.int8_sha256, result.float_sha256) else None
