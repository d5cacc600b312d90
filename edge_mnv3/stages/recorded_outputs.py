"""What the outputs of a file mean, as the `quantize.json` beside it says."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.model_facts import OutputFacts


def recorded_outputs(path: Path) -> tuple[OutputFacts, ...]:
    """Returns the facts of a file's outputs, in its order; empty where no `quantize.json` speaks of it.

    Raises:
        InputFileError: There is such a file, but it cannot be read.
    """
    beside = path.parent / QUANTIZE_FILE
    if not beside.is_file() or not path.is_file():
        return ()
    result = read_quantize_result(beside)
    if sha256_file(path) not in (result.int8_sha256, result.float_sha256):
        return ()
    return result.model.outputs
