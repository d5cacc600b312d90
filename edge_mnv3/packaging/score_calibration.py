"""Score calibration: a sigmoid for each class, in the file that MediaPipe and the Task Library read."""

from __future__ import annotations

import math

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import InputFileError

SCORE_CALIBRATION_FILE = "score_calibration.txt"
_EXPECTED = (
    "'scale,slope,offset' or 'scale,slope,offset,min_score', or nothing for a class without calibration"
)


def check_score_calibration(content: bytes, *, name: str, class_count: int) -> bytes:
    """Checks a score calibration file, and returns it with plain line ends.

    Each line holds, for one class, scale (not negative), slope, offset, and optionally the lowest score to
    which they apply: score = scale / (1 + exp(-(slope * transformed score + offset))). An empty line is a
    class without calibration.

    Args:
        content: The file's content.
        name: The file, as the user named it.
        class_count: Outputs of the model.

    Raises:
        InputFileError: A line is not of this form, or their number is not that of the classes.
    """
    lines = content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if line.strip() and not _valid(line):
            raise InputFileError(f"score calibration {name}, line {number}", repr(line), _EXPECTED)
    if len(lines) != class_count:
        raise InputFileError(
            f"score calibration {name}", count(len(lines), "line"), f"{class_count:,}, one for each class"
        )
    # MediaPipe takes an end of line at the end of the file for one more, empty, line.
    return "\n".join(line.strip() for line in lines).encode()


def _valid(line: str) -> bool:
    try:
        numbers = [float(part) for part in line.split(",")]
    except ValueError:
        return False
    return len(numbers) in (3, 4) and all(map(math.isfinite, numbers)) and numbers[0] >= 0
