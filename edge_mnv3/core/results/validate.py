"""The result of `validate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.images import SkippedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccuracy:
    """Accuracy of one file over the labelled images.

    Attributes:
        path: The `.tflite` file.
        sha256: SHA-256 of the file's bytes.
        kernels: `xnnpack` or `builtin`: which produced these outputs.
        class_offset: Output index less label: 1 for files with a "background" class at 0.
        top1_percent: Share of images whose highest output is the label; ties go to the lower index.
        top5_percent: Share of images whose label is among the five highest outputs.
    """

    path: str
    sha256: str
    kernels: str
    class_offset: int
    top1_percent: float
    top5_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyDelta:
    """int8 less float, on the same images: negative is a loss.

    Attributes:
        top1_points: Difference of top-1, in percentage points.
        top5_points: Difference of top-5, in percentage points.
        ci95_points: Lower and upper end of the 95 % interval of `top1_points`.
        method: How the interval was made.
        lost: Images that float has right and int8 wrong.
        won: Images that float has wrong and int8 right.
    """

    top1_points: float
    top5_points: float
    ci95_points: tuple[float, float]
    method: str
    lost: int
    won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLoss:
    """A class on which int8 is right less often than float.

    Attributes:
        label: Class, 0-based.
        n: Images of this class.
        float_correct: Images of the class that float has right.
        int8_correct: Images of the class that int8 has right.
    """

    label: int
    n: int
    float_correct: int
    int8_correct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """An image on which the two files answer differently.

    Attributes:
        file: Name of the image.
        label: Class, 0-based.
        float_class: Float's highest class, 0-based label.
        int8_class: Int8's highest class, 0-based label.
        float_margin: Float's output for float's class less its output for int8's class: how clear the answer
            was that int8 changed. In the unit of the float file's output.
    """

    file: str
    label: int
    float_class: int
    int8_class: int
    float_margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A limit on the accuracy drop: float top-1 less int8 top-1, in percentage points.

    Attributes:
        max_drop_points: The largest drop that passes.
        drop_points: The drop that was measured.
        passed: The drop is not larger, and nothing else is against the int8 file.
        problems: One line each; empty when `passed`.
    """

    max_drop_points: float
    drop_points: float
    passed: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """Accuracy of a float file against an int8 file on the same labelled images.

    Attributes:
        n: Images counted.
        data: Where the labelled images came from.
        preprocess: Name of the preprocessing.
        float_: Accuracy of the float file.
        int8: Accuracy of the int8 file.
        delta: The difference of the two.
        agreement_percent: Share of images on which both have the same highest class.
        per_class_losses: Classes on which int8 is right less often, worst first.
        worst: Disagreements with the largest float margin, largest first.
        skipped: Images that could not be read, with the reasons.
        workers: Threads that decoded and ran images.
        images_per_s: Images decoded and run through both files in a second of wall time.
        runtime: Name and version of the TFLite runtime.
        gate: The limit on the drop; None where none was asked for.
        warnings: What the user must know.
    """

    FORMAT: ClassVar[Format] = Format("validate")
    schema_version: int = FORMAT.version
    n: int
    data: str
    preprocess: str
    float_: ModelAccuracy
    int8: ModelAccuracy
    delta: AccuracyDelta
    agreement_percent: float
    per_class_losses: tuple[ClassLoss, ...]
    worst: tuple[Disagreement, ...]
    skipped: tuple[SkippedImage, ...]
    workers: int
    images_per_s: float
    runtime: str
    gate: Gate | None
    warnings: tuple[str, ...]
