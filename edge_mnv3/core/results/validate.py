"""The result of `validate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.images import ImageShape, SkippedImage
from edge_mnv3.core.results.model_facts import InputFacts, OutputFacts, TaskSource
from edge_mnv3.core.results.validate_statistics import OutputStatistics


def _of_classes(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 1, which knew classes only, and fed all files pixels without telling so."""
    files = {key: {**data[key], "input": None} for key in ("float", "int8")}
    return {**data, **files, "outputs": [], "findings": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccuracy:
    """Accuracy of one file over the labelled images.

    Attributes:
        path: The `.tflite` file.
        sha256: SHA-256 of the file's bytes.
        kernels: `xnnpack` or `builtin`: which produced these outputs.
        input: What the file took, and what told so; None in results of version 1, which do not tell.
        class_offset: Output index less label: 1 for files with a "background" class at 0.
        top1_percent: Share of images whose highest output is the label; ties go to the lower index. None
            where no output is of classes with labels.
        top5_percent: Share of images whose label is among the five highest outputs. None where no output
            is of classes with labels.
    """

    path: str
    sha256: str
    kernels: str
    input: InputFacts | None
    class_offset: int
    top1_percent: float | None
    top5_percent: float | None


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
    """A limit on the accuracy drop: float less int8, in percentage points.

    The accuracy is top-1 of classes, accuracy at 0.5 of one score, mean average precision of labels, and for
    embeddings how often the nearest neighbour stays the same.

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
class Noticed:
    """Something that was noticed about the files, the images or the answers.

    Attributes:
        kind: Its name, such as `float_at_chance`.
        text: A sentence for people.
        fails_gate: With it the comparison says nothing of the int8 file, or the file must not be shipped.
    """

    kind: str
    text: str
    fails_gate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreComparison:
    """A figure of accuracy of both files on the same images, the higher the better.

    Attributes:
        name: `top-1`, `accuracy at 0.5`, `ROC AUC` or `mean average precision`.
        float_percent: The float file's.
        int8_percent: The int8 file's.
        difference_points: int8 less float, in percentage points.
        ci95_points: The 95 % interval of the difference.
        method: How the interval was made.
    """

    name: str
    float_percent: float
    int8_percent: float
    difference_points: float
    ci95_points: tuple[float, float]
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """How near an int8 output is to the float output, image by image.

    Attributes:
        cosine_mean: Mean over the images of the cosine of the angle between both outputs.
        cosine_least: The least cosine.
        least_file: The image that has it.
        snr_db: Energy of the float outputs about their mean over that of the difference; None where one of
            them is zero.
        neighbour_agreement_percent: Share of images whose nearest other image, by cosine, is the same in both
            files; None for maps, and for fewer than three images.
    """

    cosine_mean: float
    cosine_least: float
    least_file: str
    snr_db: float | None
    neighbour_agreement_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputComparison:
    """One output of both files on the same images.

    Attributes:
        output: What it gives.
        labelled: The labels of the images are held against it.
        agreement_percent: Share of images on which both files decide alike: on the highest class, or on each
            label; None for embeddings and maps.
        threshold: The score above which a label, or the class of a single score, was taken to hold; None for
            other outputs, and in earlier releases.
        scores: Figures of accuracy; empty without labels.
        similarity: How near the numbers are; None for classes and labels.
    """

    output: OutputFacts
    labelled: bool
    agreement_percent: float | None
    threshold: float | None
    scores: tuple[ScoreComparison, ...]
    similarity: Similarity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnswers:
    """Which images each file has right, for comparisons with other runs over the same images.

    Attributes:
        sha256: Hash of the images' names and labels, in the order of the names.
        float_right: The images that float has right, in the order of the names, eight a byte, hexadecimal.
        int8_right: Those that int8 has right.
    """

    sha256: str
    float_right: str
    int8_right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """The figures of an output of classes with labels.

    Attributes:
        float_top1_percent: Share of images that float has right.
        int8_top1_percent: Share of images that int8 has right.
        float_top5_percent: Share of images whose label is among float's five highest.
        int8_top5_percent: Share of images whose label is among int8's five highest.
        delta: int8 less float.
        agreement_percent: Share of images on which both have the same highest class.
    """

    float_top1_percent: float
    int8_top1_percent: float
    float_top5_percent: float
    int8_top5_percent: float
    delta: AccuracyDelta
    agreement_percent: float


def _without_task_source(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 2, which does not say what told the outputs' tasks."""
    return {**data, "task_source": None}


def _without_names(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 3, which does not say by which names labels were found."""
    return {**data, "label_names_sha256": {}}


def _without_order(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 4, which does not say what numbered the labels, and above which scores they hold."""
    outputs = [{**output, "threshold": None} for output in data["outputs"]]
    return {**data, "ordered_names": {}, "outputs": outputs}


def _without_statistics(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 5: no statistics of outputs, but how fast images were run, and by how many workers."""
    kept = {key: value for key, value in data.items() if key not in ("workers", "images_per_s")}
    return {**kept, "statistics": [], "image_answers": None}


def _without_hashes(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 6, which does not tell the bytes of the images that it names."""
    return {**data, "image_sha256": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """A float file against an int8 file on the same images, output by output.

    It is the same, byte by byte in JSON, whatever the number of workers.

    Attributes:
        n: Images counted.
        data: Where the images came from.
        preprocess: Name of the preprocessing.
        float_: Accuracy of the float file.
        int8: Accuracy of the int8 file.
        delta: The difference of the two; None where no output is of classes with labels.
        agreement_percent: Share of images on which both have the same highest class; None where no output
            is of classes.
        per_class_losses: Classes on which int8 is right less often, worst first.
        worst: Disagreements with the largest float margin, largest first.
        skipped: Images that could not be read, with the reasons.
        runtime: Name and version of the TFLite runtime.
        gate: The limit on the drop; None where none was asked for.
        outputs: Each output of the files; empty in results of version 1.
        image_answers: Which images each file has right; None where no output is of classes with labels, for
            more than 100,000 images, and in results of earlier releases.
        statistics: Of each output of classes and each single score, what the counts show; empty in results of
            earlier releases.
        task_source: What told the tasks of the outputs: the user (`stated`), `quantize.json` (`recorded`), or
            the float file's last layers (`graph`); None in results of earlier releases.
        label_names_sha256: Name of an output to the SHA-256 of the names by which its labels were found, one
            a line in the order of its numbers; empty where labels are numbers, and in earlier releases.
        ordered_names: Name of an output to the names whose order numbered its labels: of class folders, or of
            a table's columns; empty where labels were found by names, were numbers already, and in earlier
            releases.
        findings: What was noticed; empty in results of version 1.
        warnings: What the user must know, with the findings in words.
        image_sha256: Name of each image in `worst` and among the flips to the SHA-256 of the file's bytes, or
            of the pixels where there is no file; empty in results of earlier releases.
    """

    FORMAT: ClassVar[Format] = Format(
        "validate",
        (
            _of_classes,
            _without_task_source,
            _without_names,
            _without_order,
            _without_statistics,
            _without_hashes,
        ),
    )
    schema_version: int = FORMAT.version
    n: int
    data: str
    preprocess: str
    float_: ModelAccuracy
    int8: ModelAccuracy
    delta: AccuracyDelta | None
    agreement_percent: float | None
    per_class_losses: tuple[ClassLoss, ...]
    worst: tuple[Disagreement, ...]
    skipped: tuple[SkippedImage, ...]
    runtime: str
    gate: Gate | None
    outputs: tuple[OutputComparison, ...]
    image_answers: ImageAnswers | None
    statistics: tuple[OutputStatistics, ...]
    task_source: TaskSource | None
    label_names_sha256: dict[str, str]
    ordered_names: dict[str, tuple[str, ...]]
    findings: tuple[Noticed, ...]
    warnings: tuple[str, ...]
    image_sha256: dict[str, str] = field(default_factory=dict)

    @property
    def named_images(self) -> tuple[str, ...]:
        """The images in `worst` and among the flips, each once."""
        flips = [
            flip.file
            for statistics in self.statistics
            if statistics.confidence is not None
            for flip in statistics.confidence.flips
        ]
        return tuple(dict.fromkeys([*flips, *(worst.file for worst in self.worst)]))

    @property
    def image_shape(self) -> ImageShape | None:
        """Shape of the images that both files took; None in results of version 1, which do not tell."""
        facts = self.int8.input or self.float_.input
        if facts is None:
            return None
        return ImageShape(height_px=facts.height_px, width_px=facts.width_px, channels=facts.channels)

    @property
    def figures(self) -> ClassFigures | None:
        """The figures of classes; None where no output is of classes with labels."""
        values = (
            self.float_.top1_percent,
            self.int8.top1_percent,
            self.float_.top5_percent,
            self.int8.top5_percent,
            self.agreement_percent,
        )
        known = [value for value in values if value is not None]
        if self.delta is None or len(known) < len(values):
            return None
        float_top1, int8_top1, float_top5, int8_top5, agreement = known
        return ClassFigures(
            float_top1_percent=float_top1,
            int8_top1_percent=int8_top1,
            float_top5_percent=float_top5,
            int8_top5_percent=int8_top5,
            delta=self.delta,
            agreement_percent=agreement,
        )
