"""The statistics of a comparison: what the counts of `validate` show, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effect = Literal["lost", "won", "neither"]
Probabilities = Literal[
    "as given", "softmax of the scores", "exponential of the scores", "sigmoid of the score"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of images.

    Attributes:
        hits: Images that count.
        n: Images in all.
        percent: Their share.
        ci95_percent: Its 95 % Wilson score interval.
    """

    hits: int
    n: int
    percent: float
    ci95_percent: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """How many images it takes.

    Attributes:
        difference_points: A difference of the accuracies, in percentage points.
        n: Images with which the test tells it in 8 of 10 cases, where as many images change as now.
    """

    difference_points: float
    n: int

    @property
    def text(self) -> str:
        """Both in words: `2,851 images for 1 point`."""
        images = "image" if self.n == 1 else "images"
        points = "point" if self.difference_points == 1 else "points"
        return f"{self.n:,} {images} for {self.difference_points:g} {points}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Whether int8 is right as often as float, on the same images.

    Attributes:
        lost: Images that only float has right.
        won: Images that only int8 has right.
        test: Name of the test.
        p_value: How often files that are right equally often divide so many images so unevenly.
        shown: `p_value` is at most 0.05.
        shown_points: The least difference that so many images tell in 8 of 10 cases, where as many change as
            now; None where they are too few for any.
        needed: How many images smaller differences take, by `sample_size`.
        sample_size: How that was computed.
    """

    lost: int
    won: int
    test: str
    p_value: float
    shown: bool
    shown_points: float | None
    needed: tuple[SampleSize, ...]
    sample_size: str

    @property
    def smaller(self) -> tuple[SampleSize, ...]:
        """Those of `needed` that so many images do not tell."""
        shown = self.shown_points
        return tuple(each for each in self.needed if shown is None or each.difference_points < shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChange:
    """A class of which int8 has other images right than float.

    Attributes:
        label: Class, 0-based.
        n: Images of it.
        lost: Images of it that only float has right.
        won: Images of it that only int8 has right.
        p_value: Of the test of this class alone.
        corrected_p_value: Corrected for the number of classes that are tested.
        shown: `corrected_p_value` is at most 0.05.
    """

    label: int
    n: int
    lost: int
    won: int
    p_value: float
    corrected_p_value: float
    shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTests:
    """Which classes changed, by a test of each.

    Attributes:
        test: Name of the test, and of the correction for several.
        tested: Classes that are tested: those of which enough images changed for the test to tell anything.
        changed: Classes of which any image changed.
        shown: Classes whose change is no chance.
        classes: Those that changed most, the least `corrected_p_value` first; at most 20.
    """

    test: str
    tested: int
    changed: int
    shown: int
    classes: tuple[ClassChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """A wrong answer to images of a class.

    Attributes:
        label: Class of the images, 0-based.
        answer: The wrong class, 0-based.
        float_n: Images of the class for which float gives it.
        int8_n: Images of the class for which int8 gives it.
    """

    label: int
    answer: int
    float_n: int
    int8_n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An image to which int8 gives another answer than float.

    Attributes:
        file: Name of the image.
        label: Class, 0-based; None without labels.
        float_class: Float's answer, 0-based.
        int8_class: Int8's answer, 0-based.
        float_confidence: Probability that float gives its answer, 0 to 1.
        int8_confidence: Probability that int8 gives its answer, 0 to 1.
        effect: Whether int8 `lost` or `won` the image, or `neither`; None without labels.
    """

    file: str
    label: int | None
    float_class: int
    int8_class: int
    float_confidence: float
    int8_confidence: float
    effect: Effect | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationError:
    """The expected calibration error: how far confidences are from how often the answers are right.

    Attributes:
        method: How it is computed.
        float_percent: The float file's, in percentage points.
        int8_percent: The int8 file's.
        difference_points: int8 less float.
        ci95_points: Its 95 % interval; None with fewer than 20 images.
    """

    method: str
    float_percent: float
    int8_percent: float
    difference_points: float
    ci95_points: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceComparison:
    """The probabilities that both files give their answers.

    Attributes:
        probabilities: How they follow from the outputs.
        float_mean_percent: Mean over the images of float's.
        int8_mean_percent: Mean of int8's.
        shift_points: int8 less float.
        ci95_points: Its 95 % interval; None with fewer than 20 images.
        interval: How intervals were made.
        calibration: How true they are; None without labels.
        flips: The answers that int8 changed, the most confident of float first; at most 20.
    """

    probabilities: Probabilities
    float_mean_percent: float
    int8_mean_percent: float
    shift_points: float
    ci95_points: tuple[float, float] | None
    interval: str
    calibration: CalibrationError | None
    flips: tuple[Flip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputStatistics:
    """The statistics of an output of classes, or of one score.

    Attributes:
        output: Name of the output.
        agreement: Images on which both files answer alike.
        float_top1: Images that float has right; None without labels.
        int8_top1: Images that int8 has right; None without labels.
        float_top5: Images whose label is among float's five highest; None without labels, or of one score.
        int8_top5: Images whose label is among int8's five highest; None without labels, or of one score.
        difference: Whether the two are right equally often; None without labels.
        class_tests: Which classes changed; None without labels.
        confusions: Wrong answers whose number changed most, the largest change first; at most 20.
        confidence: None where the outputs are no probabilities and none follow from them.
    """

    output: str
    agreement: Share
    float_top1: Share | None
    int8_top1: Share | None
    float_top5: Share | None
    int8_top5: Share | None
    difference: PairedTest | None
    class_tests: ClassTests | None
    confusions: tuple[Confusion, ...]
    confidence: ConfidenceComparison | None
