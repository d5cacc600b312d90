"""How the outputs of two files of classes are numbered."""

from __future__ import annotations

from typing import NamedTuple

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3_quantization.validation.file_pair import FilePair, PairedOutput
from edge_mnv3_quantization.validation.findings import BackgroundAssumed
from edge_mnv3_quantization.validation.hits import default_class_offset


class ClassNumbers(NamedTuple):
    """How many classes labels may name, and where they begin.

    Attributes:
        classes: Number of outputs from the offset on, the same in both files.
        offsets: Output index of label 0, in the float and in the int8 file.
        findings: Files whose offset was assumed.
    """

    classes: int
    offsets: tuple[int, int]
    findings: tuple[BackgroundAssumed, ...]


def class_numbers(pair: FilePair, output: PairedOutput, class_offset: int | None) -> ClassNumbers:
    """Numbers the classes of an output.

    Args:
        pair: Both files.
        output: Their output of classes.
        class_offset: Output index of label 0; None means 1 for 1001 outputs, else 0.

    Raises:
        ModelFileError: The files have other classes.
    """
    counts = (output.float_count, output.int8_count)
    if class_offset is None:
        offsets = default_class_offset(counts[0]), default_class_offset(counts[1])
    else:
        same = counts[0] == counts[1]
        float_offset, int8_offset = (class_offset if same or count > min(counts) else 0 for count in counts)
        offsets = float_offset, int8_offset
    if counts[0] - offsets[0] != counts[1] - offsets[1]:
        raise ModelFileError(
            "class counts of the two models",
            f"{counts[0]} and {counts[1]} outputs",
            "the same classes",
            "use --class-offset where one has a background class",
        )
    if counts[0] - offsets[0] < 1:
        raise ModelFileError("class offset", str(class_offset), f"below {counts[0]}, the number of outputs")
    paths = (pair.float_.path, pair.int8.path)
    assumed = (
        BackgroundAssumed(path)
        for path, offset in zip(paths, offsets, strict=True)
        if class_offset is None and offset
    )
    return ClassNumbers(counts[0] - offsets[0], offsets, tuple(assumed))
