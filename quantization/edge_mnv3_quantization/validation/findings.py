"""What was noticed about the files, images and answers, and the gate that decides by it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from edge_mnv3.core.counts import rounded
from edge_mnv3.core.results.validate import Gate, Noticed
from edge_mnv3_quantization.validation.chance import Agreement
from edge_mnv3_quantization.validation.label_numbering import Numbering

# Of two models of which neither is made from the other, A and B.
Which = Literal["float", "int8", "A", "B"]


class Finding(ABC):
    """Something that the user must know. Each kind says its name, its sentence, whether it is harmless."""

    __slots__ = ()
    NAME: ClassVar[str]
    FAILS_GATE: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """Its name in results."""
        return self.NAME

    @property
    def fails_gate(self) -> bool:
        """Whether the comparison says nothing of the int8 file with it, or the file must not be shipped."""
        return self.FAILS_GATE

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return self._sentence()

    @abstractmethod
    def _sentence(self) -> str: ...


@dataclass(frozen=True, slots=True)
class FileFinding(Finding):
    """Something about one of the two files, which stands in the finding's name.

    Attributes:
        which: The file.
        path: Its path.
    """

    which: Which
    path: Path

    @property
    def kind(self) -> str:
        """Its name in results, which begins with the file's."""
        return f"{self.which}_{self.NAME}"


@dataclass(frozen=True, slots=True)
class RefusedByXnnpack(Finding):
    """A file that phones cannot load with their default kernels."""

    NAME: ClassVar[str] = "refused_by_xnnpack"
    path: Path

    def _sentence(self) -> str:
        return (
            f"{self.path.name} does not load under XNNPACK, the default on phones: do not ship it; "
            "its accuracy was measured with the built-in kernels"
        )


@dataclass(frozen=True, slots=True)
class BackgroundAssumed(Finding):
    """A file whose first output was taken for TF-Slim's class "background"."""

    NAME: ClassVar[str] = "background_assumed"
    FAILS_GATE: ClassVar[bool] = False
    path: Path

    def _sentence(self) -> str:
        return f"{self.path.name} has 1001 outputs: output 0 is taken for 'background', output 1 for label 0"


@dataclass(frozen=True, slots=True)
class InputDoubtful(Finding):
    """A file that is fed other numbers than it says, or that takes no pixels."""

    NAME: ClassVar[str] = "input_doubtful"
    FAILS_GATE: ClassVar[bool] = False
    said: str

    def _sentence(self) -> str:
        return self.said


@dataclass(frozen=True, slots=True)
class AtChance(FileFinding):
    """A file that is right no more often than chance has it.

    Attributes:
        measure: What its figure is called.
        agreement: Its answers and the labels.
    """

    NAME: ClassVar[str] = "at_chance"
    measure: str
    agreement: Agreement

    def _sentence(self) -> str:
        low, high = self.agreement.ci95_percent
        cause = f"the labels, the preprocessing or the input range are not those of {self.path.name}"
        if self.which == "int8":
            other = f"{self.path.name} is another model, is fed other numbers, or is broken"
            cause = f"where float is better, {other}"
        return (
            f"{self.which} is right no more often than by chance: {self.measure} "
            f"{self.agreement.percent:.2f} % (95 % interval {low:.2f} to {high:.2f}), by chance "
            f"{self.agreement.chance_percent:.2f} %; {cause}"
        )


@dataclass(frozen=True, slots=True)
class WorseThanChance(Finding):
    """A float file that ranks images no better than chance may.

    Attributes:
        measure: What ranks: 50 % is chance.
        percent: The figure.
        reach_percent: What chance reaches in 1 of 20 cases with so many images.
    """

    NAME: ClassVar[str] = "float_ranks_by_chance"
    measure: str
    percent: float
    reach_percent: float

    def _sentence(self) -> str:
        swapped = "; are the labels of the two classes swapped?" if self.percent < 40 else ""
        return (
            f"float ranks the images no better than by chance: {self.measure} {self.percent:.2f} %, where "
            f"chance reaches {self.reach_percent:.2f} % with so many images{swapped}"
        )


@dataclass(frozen=True, slots=True)
class TooFewImages(Finding):
    """Too few images to tell even a model that is always right from chance."""

    NAME: ClassVar[str] = "too_few_images"
    FAILS_GATE: ClassVar[bool] = False
    n: int

    def _sentence(self) -> str:
        images = "1 image is" if self.n == 1 else f"{self.n} images are"
        return f"{images} too few to tell a model that is always right from one that guesses"


@dataclass(frozen=True, slots=True)
class NumberedOtherwise(Finding):
    """Labels that are numbered otherwise than the model's outputs."""

    NAME: ClassVar[str] = "labels_numbered_otherwise"
    top1_percent: float
    numbering: Numbering

    def _sentence(self) -> str:
        return (
            f"float top-1 is {self.top1_percent:.2f} %, but {self.numbering.percent:.2f} % with "
            f"{self.numbering.words}: {self.numbering.cause}; give the names of the outputs with --labels, "
            "or say with --class-offset which output has label 0"
        )


@dataclass(frozen=True, slots=True)
class NamesUnknown(Finding):
    """Images whose class names are not those that the model brings."""

    NAME: ClassVar[str] = "names_unknown"
    FAILS_GATE: ClassVar[bool] = False
    source: str
    given: str
    known: str

    def _sentence(self) -> str:
        return (
            f"the images' classes have other names (such as '{self.given}') than {self.source} (such as "
            f"'{self.known}'), so they are numbered in the order of their names; give --labels to name them"
        )


@dataclass(frozen=True, slots=True)
class BetterRange(Finding):
    """An input range with which the float file is right more often."""

    NAME: ClassVar[str] = "other_input_range"
    used: str
    used_percent: float
    better: str
    better_percent: float
    n: int

    def _sentence(self) -> str:
        return (
            f"on {self.n} of the images float top-1 is {self.used_percent:.2f} % with input {self.used}, but "
            f"{self.better_percent:.2f} % with --input-range {self.better}"
        )


@dataclass(frozen=True, slots=True)
class FilesDisagree(Finding):
    """Files that answer most images differently."""

    NAME: ClassVar[str] = "files_disagree"
    agreement: Agreement

    def _sentence(self) -> str:
        share = f"float and int8 agree on {self.agreement.percent:.2f} % of the images"
        if self.agreement.at_chance:
            return (
                f"{share}, no more than by chance ({self.agreement.chance_percent:.2f} %): the int8 file was "
                "not made from this float file, is fed other numbers, or is broken"
            )
        return f"{share}: it is another model, is fed other numbers, or lost most in quantization"


@dataclass(frozen=True, slots=True)
class FewerClasses(Finding):
    """Labels that name fewer classes than the model has, though there are images enough to meet more.

    Attributes:
        seen: Classes that have an image.
        classes: Classes of the model.
        expected: Classes that so many images would show on average, were all equally frequent.
        named: The labels were matched by name, so that none is shifted.
    """

    NAME: ClassVar[str] = "fewer_classes"
    seen: int
    classes: int
    expected: float
    named: bool

    @property
    def fails_gate(self) -> bool:
        """It does when so many images would show all classes, or twice as many."""
        return not self.named and (self.classes - self.expected < 1 or self.expected >= 2 * self.seen)

    def _sentence(self) -> str:
        text = f"the images show {self.seen} of the model's {self.classes:,} classes"
        if not self.fails_gate:
            return text
        return (
            f"{text}: if class folders are missing or are others, give the names of the outputs with --labels"
        )


@dataclass(frozen=True, slots=True)
class OneAnswer(FileFinding):
    """A file that answers all images alike."""

    NAME: ClassVar[str] = "answers_alike"
    answer: str

    def _sentence(self) -> str:
        return f"{self.which} answers all images alike, with {self.answer}: {self.path.name}"


@dataclass(frozen=True, slots=True)
class NotFinite(FileFinding):
    """A file with outputs that are no finite numbers."""

    NAME: ClassVar[str] = "not_finite"
    count: int
    n: int

    def _sentence(self) -> str:
        return (
            f"{self.which} answers {self.count} of {self.n} images with NaN or infinity, which count as "
            f"wrong: {self.path.name}"
        )


@dataclass(frozen=True, slots=True)
class Saturated(FileFinding):
    """A file whose highest output is shared by several classes on most images."""

    NAME: ClassVar[str] = "saturated"
    count: int
    n: int

    def _sentence(self) -> str:
        return (
            f"{self.which} gives several outputs the same highest number on {self.count} of {self.n} images: "
            f"the output of {self.path.name} is saturated, and its answer is the first of them"
        )


@dataclass(frozen=True, slots=True)
class LabelsWithoutImages(Finding):
    """Labels of a multi-label model that no figure can be made of."""

    NAME: ClassVar[str] = "labels_without_images"
    FAILS_GATE: ClassVar[bool] = False
    left_out: int
    labels: int

    def _sentence(self) -> str:
        return f"{self.left_out} of {self.labels} labels have no image, and do not count in the mean"


@dataclass(frozen=True, slots=True)
class Unlike(Finding):
    """Embeddings or maps whose int8 numbers have little to do with the float ones."""

    NAME: ClassVar[str] = "outputs_unlike"
    output: str
    cosine_mean: float

    def _sentence(self) -> str:
        return (
            f"output '{self.output}' of int8 has little to do with float's: mean cosine similarity "
            f"{self.cosine_mean:.3f}; it is another model, is fed other numbers, or is broken"
        )


def noticed(finding: Finding) -> Noticed:
    """Writes a finding for results."""
    return Noticed(kind=finding.kind, text=finding.text, fails_gate=finding.fails_gate)


def decide_gate(
    measure: str, drop_points: float, max_drop_points: float, findings: Sequence[Finding]
) -> Gate:
    """Compares a drop with a limit; a finding that fails the gate does so whatever the accuracy.

    Args:
        measure: What drops.
        drop_points: float less int8, in percentage points.
        max_drop_points: Largest drop that passes, in percentage points.
        findings: What was noticed.
    """
    problems = [finding.text for finding in findings if finding.fails_gate]
    # Written so that NaN fails.
    if not drop_points <= max_drop_points:
        drop = rounded(drop_points, 2)
        problems.append(f"{measure} drops by {drop:.2f} points, at most {max_drop_points:g} are allowed")
    return Gate(
        max_drop_points=max_drop_points,
        drop_points=drop_points,
        passed=not problems,
        problems=tuple(problems),
    )
