"""What was noticed about the files, images and answers, and the gate that decides by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from edge_mnv3.core.results.validate import Gate, Noticed
from edge_mnv3_quantization.validation.chance import Agreement
from edge_mnv3_quantization.validation.label_numbering import Numbering

Which = Literal["float", "int8"]


class Finding(Protocol):
    """Something that the user must know.

    Attributes:
        kind: Its name in results.
        fails_gate: With it the comparison says nothing of the int8 file, or the file must not be shipped.
    """

    @property
    def kind(self) -> str:
        """Its name in results."""

    @property
    def fails_gate(self) -> bool:
        """Whether a gate fails with it."""

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""


@dataclass(frozen=True, slots=True)
class RefusedByXnnpack:
    """A file that phones cannot load with their default kernels."""

    kind: ClassVar[str] = "refused_by_xnnpack"
    fails_gate: ClassVar[bool] = True
    path: Path

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"{self.path.name} does not load under XNNPACK, the default on phones: do not ship it; "
            "its accuracy was measured with the built-in kernels"
        )


@dataclass(frozen=True, slots=True)
class BackgroundAssumed:
    """A file whose first output was taken for TF-Slim's class "background"."""

    kind: ClassVar[str] = "background_assumed"
    fails_gate: ClassVar[bool] = False
    path: Path

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return f"{self.path.name} has 1001 outputs: output 0 is taken for 'background', output 1 for label 0"


@dataclass(frozen=True, slots=True)
class InputDoubtful:
    """A file that is fed otherwise than it says, or that takes no pixels."""

    kind: ClassVar[str] = "input_doubtful"
    fails_gate: ClassVar[bool] = False
    text: str


@dataclass(frozen=True, slots=True)
class AtChance:
    """A file that is right no more often than chance has it.

    Attributes:
        which: The file.
        path: Its path.
        measure: What its figure is called.
        agreement: Its answers and the labels.
    """

    fails_gate: ClassVar[bool] = True
    which: Which
    path: Path
    measure: str
    agreement: Agreement

    @property
    def kind(self) -> str:
        """Name of the finding."""
        return f"{self.which}_at_chance"

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        low, high = self.agreement.ci95_percent
        cause = f"the labels, the preprocessing or the input range are not those of {self.path.name}"
        if self.which == "int8":
            cause = (
                f"where float is better, {self.path.name} is another model, is fed otherwise, or is broken"
            )
        return (
            f"{self.which} is right no more often than by chance: {self.measure} "
            f"{self.agreement.percent:.2f} % (95 % interval {low:.2f} to {high:.2f}), by chance "
            f"{self.agreement.chance_percent:.2f} %; {cause}"
        )


@dataclass(frozen=True, slots=True)
class WorseThanChance:
    """A float file that ranks images no better than chance.

    Attributes:
        measure: What ranks: 50 % is chance.
        percent: The figure.
    """

    kind: ClassVar[str] = "float_ranks_by_chance"
    fails_gate: ClassVar[bool] = True
    measure: str
    percent: float

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        swapped = "; are the labels of the two classes swapped?" if self.percent < 40 else ""
        return (
            f"float ranks the images no better than by chance: {self.measure} {self.percent:.2f} %{swapped}"
        )


@dataclass(frozen=True, slots=True)
class TooFewImages:
    """Too few images to tell even a model that is always right from chance."""

    kind: ClassVar[str] = "too_few_images"
    fails_gate: ClassVar[bool] = False
    n: int

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        images = "1 image is" if self.n == 1 else f"{self.n} images are"
        return f"{images} too few to tell a model that is always right from one that guesses"


@dataclass(frozen=True, slots=True)
class NumberedOtherwise:
    """Labels that are numbered otherwise than the model's outputs."""

    kind: ClassVar[str] = "labels_numbered_otherwise"
    fails_gate: ClassVar[bool] = True
    top1_percent: float
    numbering: Numbering

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"float top-1 is {self.top1_percent:.2f} %, but {self.numbering.percent:.2f} % with "
            f"{self.numbering.words}: {self.numbering.cause}; give the names of the outputs with --labels"
        )


@dataclass(frozen=True, slots=True)
class NamesUnknown:
    """Images whose class names are not those that the model brings."""

    kind: ClassVar[str] = "names_unknown"
    fails_gate: ClassVar[bool] = False
    source: str
    given: str
    known: str

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"the images' classes have other names (such as '{self.given}') than {self.source} (such as "
            f"'{self.known}'), so they are numbered in the order of their names; give --labels to name them"
        )


@dataclass(frozen=True, slots=True)
class BetterRange:
    """An input range with which the float file is right more often."""

    kind: ClassVar[str] = "other_input_range"
    fails_gate: ClassVar[bool] = True
    used: str
    used_percent: float
    better: str
    better_percent: float
    n: int

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"on {self.n} of the images float top-1 is {self.used_percent:.2f} % with input {self.used}, but "
            f"{self.better_percent:.2f} % with --input-range {self.better}"
        )


@dataclass(frozen=True, slots=True)
class FilesDisagree:
    """Files that answer most images differently."""

    kind: ClassVar[str] = "files_disagree"
    fails_gate: ClassVar[bool] = True
    agreement: Agreement

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        share = f"float and int8 agree on {self.agreement.percent:.2f} % of the images"
        if self.agreement.at_chance:
            return (
                f"{share}, no more than by chance ({self.agreement.chance_percent:.2f} %): the int8 file was "
                "not made from this float file, is fed otherwise, or is broken"
            )
        return f"{share}: it is another model, is fed otherwise, or lost most in quantization"


@dataclass(frozen=True, slots=True)
class FewerClasses:
    """Labels that name fewer classes than the model has, though there are images enough to meet more.

    Attributes:
        seen: Classes that have an image.
        classes: Classes of the model.
        expected: Classes that so many images would show on average, were all equally frequent.
        named: The labels were matched by name, so that none is shifted.
    """

    kind: ClassVar[str] = "fewer_classes"
    seen: int
    classes: int
    expected: float
    named: bool

    @property
    def fails_gate(self) -> bool:
        """Whether a gate fails with it: so many images would show all classes, or twice as many."""
        return not self.named and (self.classes - self.expected < 1 or self.expected >= 2 * self.seen)

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        text = f"the images are of {self.seen} of the model's {self.classes} classes"
        if not self.fails_gate:
            return text
        return (
            f"{text}: if class folders are missing or are others, give the names of the outputs with --labels"
        )


@dataclass(frozen=True, slots=True)
class OneAnswer:
    """A file that answers all images alike."""

    fails_gate: ClassVar[bool] = True
    which: Which
    path: Path
    answer: str

    @property
    def kind(self) -> str:
        """Name of the finding."""
        return f"{self.which}_answers_alike"

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return f"{self.which} answers all images alike, with {self.answer}: {self.path.name}"


@dataclass(frozen=True, slots=True)
class NotFinite:
    """A file with outputs that are no finite numbers."""

    fails_gate: ClassVar[bool] = True
    which: Which
    path: Path
    count: int
    n: int

    @property
    def kind(self) -> str:
        """Name of the finding."""
        return f"{self.which}_not_finite"

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"{self.which} answers {self.count} of {self.n} images with NaN or infinity, which count as "
            f"wrong: {self.path.name}"
        )


@dataclass(frozen=True, slots=True)
class Saturated:
    """A file whose highest output is shared by several classes on most images."""

    fails_gate: ClassVar[bool] = True
    which: Which
    path: Path
    count: int
    n: int

    @property
    def kind(self) -> str:
        """Name of the finding."""
        return f"{self.which}_saturated"

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"{self.which} gives several outputs the same highest number on {self.count} of {self.n} images: "
            f"the output of {self.path.name} is saturated, and its answer is the first of them"
        )


@dataclass(frozen=True, slots=True)
class LabelsWithoutImages:
    """Labels of a multi-label model that no figure can be made of."""

    kind: ClassVar[str] = "labels_without_images"
    fails_gate: ClassVar[bool] = False
    left_out: int
    labels: int

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return f"{self.left_out} of {self.labels} labels have no image, and do not count in the mean"


@dataclass(frozen=True, slots=True)
class Unlike:
    """Embeddings or maps whose int8 numbers have little to do with the float ones."""

    kind: ClassVar[str] = "outputs_unlike"
    fails_gate: ClassVar[bool] = True
    output: str
    cosine_mean: float

    @property
    def text(self) -> str:
        """The finding as a sentence for people."""
        return (
            f"output '{self.output}' of int8 has little to do with float's: mean cosine similarity "
            f"{self.cosine_mean:.3f}; it is another model, is fed otherwise, or is broken"
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
        problems.append(
            f"{measure} drops by {drop_points:.2f} points, at most {max_drop_points:g} are allowed"
        )
    return Gate(
        max_drop_points=max_drop_points,
        drop_points=drop_points,
        passed=not problems,
        problems=tuple(problems),
    )
