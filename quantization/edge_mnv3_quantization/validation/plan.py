"""How each output of two files is compared, by what it means, and which of them has the images' labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from edge_mnv3.core.images import ImageSource, check_labelled
from edge_mnv3.core.results.model_facts import LABELLED_TASKS, Task
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.class_numbers import ClassNumbers, class_numbers
from edge_mnv3_quantization.validation.comparing import Comparison, Label, PairNames
from edge_mnv3_quantization.validation.file_pair import FilePair, PairedOutput
from edge_mnv3_quantization.validation.findings import Finding
from edge_mnv3_quantization.validation.label_names import Labelled, OutputNames, labels_of
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison
from edge_mnv3_quantization.validation.similarity import FeatureComparison


class ComparisonPlan(NamedTuple):
    """How each output is compared, and which of them has the images' labels.

    Attributes:
        comparisons: One for each output.
        labelled: Its place; None where no output has labels.
        labels: The labels of all images.
        findings: What was noticed before anything ran.
    """

    comparisons: list[Comparison[Any]]
    labelled: int | None
    labels: list[Label | None]
    findings: list[Finding]


def plan_comparisons(
    pair: FilePair, images: ImageSource, *, class_offset: int | None, names: OutputNames | None
) -> ComparisonPlan:
    """Decides how each output is compared, and finds the labels of the images.

    Args:
        pair: Both files.
        images: The images. Their labels are those of the first output that can have some.
        class_offset: Output index of label 0; None means 1 for 1001 outputs, else 0.
        names: Names of the outputs, for images that name their classes.

    Raises:
        ModelFileError: The files have other classes.
        CalibrationDataError: Labels are missing or wrong.
    """
    labelled = _labelled_output(pair.outputs, images)
    comparisons: list[Comparison[Any]] = []
    findings: list[Finding] = []
    labels: list[Label | None] = []
    for place, output in enumerate(pair.outputs):
        numbers = ClassNumbers(2 if output.facts.task == "binary" else output.float_count, (0, 0), ())
        if output.facts.task == "classes":
            numbers = class_numbers(pair, output, class_offset)
        found = Labelled([], False, ())
        if place == labelled:
            found = _labels(images, output.facts.task, numbers, names)
            labels = found.labels
        comparisons.append(_comparison(pair, output, numbers, found.named))
        findings += [*numbers.findings, *found.findings]
    return ComparisonPlan(comparisons, labelled, labels, findings)


def _labelled_output(outputs: Sequence[PairedOutput], images: ImageSource) -> int | None:
    """The first output that can have labels, where the images have some.

    Raises:
        CalibrationDataError: They have none, and no output says anything without.
    """
    places = [place for place, each in enumerate(outputs) if each.facts.task in LABELLED_TASKS]
    if not places:
        return None
    if any(each is not None for each in (*images.labels(), *images.label_names())):
        return places[0]
    if len(places) == len(outputs):
        check_labelled(images)
    return None


def _labels(images: ImageSource, task: Task, numbers: ClassNumbers, names: OutputNames | None) -> Labelled:
    # The name of a background class is left out, which labels cannot have.
    if names is not None and len(names.names) == numbers.classes + numbers.offsets[0]:
        names = OutputNames(names.names[numbers.offsets[0] :], names.source, names.stated)
    found = labels_of(images, task=task, classes=numbers.classes, names=names)
    if None in found.labels:
        check_labelled(images)
    return found


def _comparison(pair: FilePair, output: PairedOutput, numbers: ClassNumbers, named: bool) -> Comparison[Any]:
    files, facts = PairNames(pair.float_.path, pair.int8.path), output.facts
    if facts.task == "classes":
        return ClassComparison(
            facts=facts,
            files=files,
            classes=numbers.classes,
            offsets=numbers.offsets,
            named=named,
            place=output.float_place,
        )
    if facts.task in LABELLED_TASKS:
        return ScoresComparison(facts=facts, files=files)
    return FeatureComparison(facts=facts, files=files)
