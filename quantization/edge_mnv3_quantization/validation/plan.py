"""How each output of two files is compared, by what it means, and which of them has the images' labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edge_mnv3.core.errors import ArgumentError, CalibrationDataError
from edge_mnv3.core.folded_names import folded
from edge_mnv3.core.hashing import sha256_names
from edge_mnv3.core.images import ImageSource, check_labelled
from edge_mnv3.core.results.model_facts import LABELLED_TASKS, OutputFacts
from edge_mnv3_quantization.validation.class_comparison import ClassComparison
from edge_mnv3_quantization.validation.class_numbers import ClassNumbers, class_numbers
from edge_mnv3_quantization.validation.comparing import Comparison, Label, PairNames
from edge_mnv3_quantization.validation.file_pair import FilePair, PairedOutput
from edge_mnv3_quantization.validation.findings import Finding
from edge_mnv3_quantization.validation.label_columns import ColumnsUnread, labels_of_columns
from edge_mnv3_quantization.validation.label_names import (
    Labelled,
    LabelsOfFirst,
    OutputNames,
    has_any,
    labels_of,
    written_in,
)
from edge_mnv3_quantization.validation.score_comparison import ScoresComparison
from edge_mnv3_quantization.validation.similarity import FeatureComparison


class ComparisonPlan(NamedTuple):
    """How each output is compared, and which of them have labels.

    Attributes:
        comparisons: One for each output.
        labels: Place of an output to the labels of all images, in the order of the outputs.
        columns: Columns of a table that labels were read from, other than the one called label.
        findings: What was noticed before anything ran.
        names_sha256: Name of an output, of classes or labels, to the hash of the names by which its labels
            were found (`sha256_names`).
        ordered_names: Name of an output to the class folders, or columns of a table, in the order that
            numbered its labels; none where they were found by names.
    """

    comparisons: list[Comparison[Any]]
    labels: dict[int, list[Label | None]]
    columns: tuple[str, ...]
    findings: list[Finding]
    names_sha256: dict[str, str]
    ordered_names: dict[str, tuple[str, ...]]

    @property
    def labelled(self) -> int | None:
        """Place of the first output that has labels; None where none has."""
        return next(iter(self.labels), None)


def plan_comparisons(
    pair: FilePair,
    images: ImageSource,
    *,
    class_offset: int | None,
    names: Mapping[str, OutputNames],
    threshold: float | None = None,
) -> ComparisonPlan:
    """Decides how each output is compared, and finds the labels of the images.

    The images' labels are those of the output whose names the user gives, else of that which has such names,
    else of the first one that can have some. A table's column that has the name of an output has the labels
    of that output.

    Args:
        pair: Both files.
        images: The images.
        class_offset: Output index of label 0; None means 1 for 1001 outputs, else 0.
        names: Name of an output to the names of its numbers, for images that name their classes; an empty
            name stands for the first output of scores.
        threshold: The score above which labels, and a single score, hold; None for that of a probability of
            one half.

    Raises:
        ModelFileError: The files have other classes.
        ArgumentError: The user names numbers of an output that there is not; or there is a threshold without
            scores that it is for, or none for scores whose middle nothing tells.
        CalibrationDataError: Labels are missing or wrong.
    """
    _check_names(pair.outputs, names)
    thresholds = _thresholds(pair.outputs, threshold)
    first = next((each for each in pair.outputs if each.facts.task in LABELLED_TASKS), None)
    owner = _labelled_output(pair.outputs, images, names)
    own = owner.place
    comparisons: list[Comparison[Any]] = []
    findings: list[Finding] = list(owner.findings)
    labels: dict[int, list[Label | None]] = {}
    columns: list[str] = []
    hashes: dict[str, str] = {}
    ordered: dict[str, tuple[str, ...]] = {}
    for place, output in enumerate(pair.outputs):
        numbers = ClassNumbers(2 if output.facts.task == "binary" else output.float_count, (0, 0), ())
        if output.facts.task == "classes":
            numbers = class_numbers(pair, output, class_offset)
        found = _Found(Labelled([], False, ()), ())
        if output.facts.task in LABELLED_TASKS:
            named = names.get(output.facts.name) or (names.get("") if output is first else None)
            found = _labels(images, output.facts, numbers, named, own=place == own)
            if named is not None and _were_names(images, output.facts, named, found):
                hashes[output.facts.name] = sha256_names(_shown(named.names, output.facts, numbers))
        if found.ordered:
            ordered[output.facts.name] = found.ordered
        if found.labelled.labels:
            labels[place] = found.labelled.labels
        if place in thresholds:
            comparisons.append(
                ScoresComparison(
                    facts=output.facts,
                    files=PairNames(pair.float_.path, pair.int8.path),
                    threshold=thresholds[place],
                )
            )
        else:
            comparisons.append(_comparison(pair, output, numbers, found.labelled.named))
        columns += found.columns
        findings += [*numbers.findings, *found.labelled.findings]
    unread = tuple(each for each in images.columns if each not in columns)
    if own is None and unread:
        findings.append(ColumnsUnread(unread))
    if not labels and all(each.facts.task in LABELLED_TASKS for each in pair.outputs):
        check_labelled(images)
    return ComparisonPlan(comparisons, labels, tuple(columns), findings, hashes, ordered)


def _thresholds(outputs: Sequence[PairedOutput], stated: float | None) -> dict[int, float]:
    """For the place of each output of labels, or of one score, the score above which a label holds."""
    scores = {
        place: each.facts for place, each in enumerate(outputs) if each.facts.task in ("binary", "labels")
    }
    if stated is not None and not scores:
        tasks = " and ".join(sorted({each.facts.task for each in outputs}))
        raise ArgumentError(f"--threshold {stated:g}", f"outputs of {tasks}", "one score, or several labels")
    thresholds = {}
    for place, facts in scores.items():
        found = facts.even if stated is None else stated
        if found is None:
            raise ArgumentError(
                f"output '{facts.name}' ({facts.task})",
                "scores whose middle its last layers do not tell, as those of a sigmoid or of logits would",
                "the score above which a label holds",
                "state it with --threshold",
            )
        if facts.scores_are_probabilities and not 0 <= found < 1:
            raise ArgumentError(f"--threshold {found:g}", "no probability", "0 to less than 1")
        thresholds[place] = found
    return thresholds


def _shown(names: Sequence[str], facts: OutputFacts, numbers: ClassNumbers) -> Sequence[str]:
    """The names that an app shows: without the background's, and of one score that of its class."""
    if facts.task == "binary":
        return names[-1:]
    return names if len(names) == numbers.classes else names[numbers.offsets[0] :]


def _were_names(images: ImageSource, facts: OutputFacts, names: OutputNames, found: _Found) -> bool:
    """Whether the labels of an output were found by names, and not as numbers."""
    if not found.labelled.named:
        return False
    column = next((each for each in found.columns if folded(each) == folded(facts.name)), None)
    written = images.label_names() if column is None else written_in(images, column, facts.task).texts
    return bool(found.columns and column is None) or has_any(names, [each for each in written if each])


def _check_names(outputs: Sequence[PairedOutput], names: Mapping[str, OutputNames]) -> None:
    known = [output.facts.name for output in outputs]
    for name, given in names.items():
        if given.stated and name not in ("", *known):
            raise ArgumentError(
                f"--labels {name}=…", f"no output '{name}'", f"one of {', '.join(known)}, the outputs"
            )


class _Owner(NamedTuple):
    """The output that the images' labels are of; None where they are of none."""

    place: int | None
    findings: tuple[Finding, ...] = ()


def _labelled_output(
    outputs: Sequence[PairedOutput], images: ImageSource, names: Mapping[str, OutputNames]
) -> _Owner:
    """Finds the output that the labels of the images are of, where these have some.

    Outputs that have a column of their own do not take them.
    """
    texts = [text for text in images.label_names() if text is not None]
    if not texts and all(each is None for each in images.labels()):
        return _Owner(None)
    columns = {folded(each) for each in images.columns}
    free = [
        place
        for place, each in enumerate(outputs)
        if each.facts.task in LABELLED_TASKS and folded(each.facts.name) not in columns
    ]
    named = {place: given for place in free if (given := names.get(outputs[place].facts.name)) is not None}
    stated = [place for place, given in named.items() if given.stated]
    meant = [
        place for place, given in named.items() if (place in stated or not stated) and has_any(given, texts)
    ]
    possible = meant or stated or free
    if len(possible) < 2 or "" in names:
        return _Owner(next(iter(possible), None))
    first, *others = (outputs[place].facts.name for place in possible)
    return _Owner(possible[0], (LabelsOfFirst(first, tuple(others)),))


class _Found(NamedTuple):
    labelled: Labelled
    columns: tuple[str, ...]
    ordered: tuple[str, ...] = ()


def _labels(
    images: ImageSource, facts: OutputFacts, numbers: ClassNumbers, names: OutputNames | None, *, own: bool
) -> _Found:
    """Those of the images for the output that owns them; else those of columns."""
    # The name of a background class is left out, which labels cannot have.
    if names is not None and len(names.names) == numbers.classes + numbers.offsets[0]:
        names = OutputNames(names.names[numbers.offsets[0] :], names.source, names.stated)
    column = {folded(each): each for each in images.columns}.get(folded(facts.name))
    if own or column is not None:
        written = None if own or column is None else written_in(images, column, facts.task)
        found = labels_of(images, task=facts.task, classes=numbers.classes, names=names, written=written)
        if None in found.labels and written is None:
            check_labelled(images)
        if None in found.labels:
            raise CalibrationDataError(
                f"column {column} of {images.location}, {images.name(found.labels.index(None))}",
                "no label",
                "one for each image, as a column named after an output has them",
            )
        ordered = images.class_names if own and not found.named else ()
        return _Found(found, () if own or column is None else (column,), ordered)
    if facts.task == "labels":
        several = labels_of_columns(images, classes=numbers.classes, names=names)
        if several is not None:
            labels: list[Label | None] = list(several.labels)
            ordered = () if several.named else several.columns
            return _Found(Labelled(labels, several.named, several.findings), several.columns, ordered)
    return _Found(Labelled([], False, ()), ())


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
    return FeatureComparison(facts=facts, files=files)
