"""Two models compared by what the store of results has of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.validate_statistics import (
    ClassTests,
    ConfidenceComparison,
    Confusion,
    PairedTest,
    Share,
)

# What must be the same of both evaluations, unless the caller names it.
Condition = Literal["preprocess", "kernels", "runtime", "decoder"]
CONDITIONS: tuple[Condition, ...] = ("preprocess", "kernels", "runtime", "decoder")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel:
    """One of the two, as it was evaluated.

    Attributes:
        file: Where it lay when it was run last.
        sha256: SHA-256 of its bytes.
        role: Whether `validate` was given it as the float or as the int8 file.
        evaluation: Key of the evaluation.
        data: Where the images came from.
        output: Name of the output that is compared.
        images: How many images.
        not_read: Images that could not be read.
        not_kept: Images of which the store has nothing: pruned, damaged, or changed while they were run.
        kernels: `xnnpack` or `builtin`.
        preprocess: Name of the preprocessing.
        runtime: Name and version of the TFLite runtime.
        top1: Images that it has right, of those that are compared; None without labels.
        top5: Images whose label is among its five highest; None without labels, or of one score.
    """

    file: str
    sha256: str
    role: Literal["float", "int8"]
    evaluation: str
    data: str
    output: str
    images: int
    not_read: int
    not_kept: int
    kernels: str
    preprocess: str
    runtime: str
    top1: Share | None
    top5: Share | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyDifference:
    """How much more often B is right than A, on the same images.

    Attributes:
        top1_points: B less A, in percentage points.
        ci95_points: Its 95 % interval.
        method: How that was computed.
        bootstrap_ci95_points: The same by resampling.
        bootstrap: How that was computed.
        test: Whether it is shown; `lost` are images that only A has right, `won` those that only B has right.
    """

    top1_points: float
    ci95_points: tuple[float, float]
    method: str
    bootstrap_ci95_points: tuple[float, float]
    bootstrap: str
    test: PairedTest


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsCompared:
    """Two models on the images that both were run on, image by image.

    Attributes:
        a: The first model.
        b: The second model.
        n: Images that are compared: the same bytes, and read in both evaluations.
        only_a: Images of A's evaluation that B's does not have, or could not read.
        only_b: Images of B's evaluation that A's does not have, or could not read.
        agreement: Images that both answer alike.
        difference: None without labels.
        class_tests: Which classes changed from A to B; None without labels.
        confusions: Wrong answers whose number changed most; `float_n` counts A's, `int8_n` B's.
        confidence: Of the answers' probabilities, with the changed answers by confidence; what is called
            `float` in it is A's, and `int8` B's. None where the outputs are no probabilities.
        differences: What is not the same of both evaluations, in words.
        warnings: What the user must know.
    """

    FORMAT: ClassVar[Format] = Format("comparison of stored models")
    schema_version: int = FORMAT.version
    a: ComparedModel
    b: ComparedModel
    n: int
    only_a: int
    only_b: int
    agreement: Share
    difference: AccuracyDifference | None
    class_tests: ClassTests | None
    confusions: tuple[Confusion, ...]
    confidence: ConfidenceComparison | None
    differences: tuple[str, ...]
    warnings: tuple[str, ...]
