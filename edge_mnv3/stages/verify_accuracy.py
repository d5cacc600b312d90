"""The accuracy that a bundle states, held against that of images now: by a test of samples, or of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import BundleError
from edge_mnv3.core.exact_tests import FISHER, MCNEMAR, POWER, fisher_p, mcnemar_p, told_below
from edge_mnv3.core.image_marks import image_order, images_sha256, unpacked
from edge_mnv3.core.images import check_labelled, check_skipped, skipped_warnings, unread_warnings
from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.package import PackagedModel
from edge_mnv3.core.results.stated import StatedAccuracy, StatedImages
from edge_mnv3.core.results.verify import VerifiedAccuracy
from edge_mnv3.packaging.bundle import BundleFiles
from edge_mnv3.packaging.labels import parse_labels

if TYPE_CHECKING:
    from edge_mnv3_quantization.validation.label_names import OutputNames


class AccuracyTest(NamedTuple):
    """A model of a bundle, the accuracy that it states, and the share of intact ones told to differ."""

    model: PackagedModel
    stated: StatedAccuracy
    level: float


class LabelledData(NamedTuple):
    """Labelled images.

    Attributes:
        data: Where they are.
        names: The names of their classes in the bundle; None where it has none.
        label_map: How their class numbers are counted; None for what they tell.
    """

    data: AnyPath
    names: OutputNames | None
    label_map: LabelMap | None = None


def bundle_names(bundle: BundleFiles, model: PackagedModel, class_offset: int) -> OutputNames | None:
    """Reads the names of a model's classes, without that of the background, which labels cannot have."""
    from edge_mnv3_quantization.validation.label_names import OutputNames

    path = model.outputs[0].labels
    if path is None:
        return None
    names = parse_labels(bundle.files[path], name=path, class_count=None).names
    return OutputNames(names[class_offset:], path, stated=False)


class Answers(NamedTuple):
    """What a model answers to labelled images.

    Attributes:
        names: Names of the images.
        labels: Their classes, 0-based.
        top: The highest classes that the model answers, the highest first.
    """

    names: Sequence[str]
    labels: Sequence[int]
    top: Sequence[tuple[int, ...]]

    @property
    def right(self) -> list[bool]:
        """Which images are right, in `image_order`."""
        order = image_order(self.names, self.labels)
        return [self.top[place][0] == self.labels[place] for place in order]


def measure_accuracy(
    path: Path, test: AccuracyTest, data: LabelledData, reporter: Reporter
) -> VerifiedAccuracy:
    """Measures a model's accuracy, and tests whether it is the one that the bundle states.

    Args:
        path: The model's file.
        test: What it is held against.
        data: The images.
        reporter: Told of the images, and where they are too few.

    Raises:
        BundleError: The stated images contradict the stated accuracy.
        EdgeMnv3Error: The data cannot be used.
    """
    measured = compare_accuracy(test, str(data.data), _answers(path, test, data, reporter))
    if measured.told_below_percent is None:
        reporter.warn(
            f"{measured.n} images cannot show that {test.model.file} is worse than the "
            f"{test.stated.top1_percent:.2f} % that are stated; give more"
        )
    return measured


def compare_accuracy(test: AccuracyTest, data: str, answers: Answers) -> VerifiedAccuracy:
    """Tests whether the answers may be those of the stated accuracy.

    Image by image, if they are the stated images by names and labels; else as two samples of images.

    Args:
        test: The model and what is stated.
        data: Where the images come from.
        answers: What the model answers now.

    Raises:
        BundleError: The stated images contradict the stated accuracy.
    """
    stated, right = test.stated, answers.right
    verdict = _of_pairs(test, answers) or _of_samples(test, sum(right), len(right))
    return VerifiedAccuracy(
        model=test.model.file,
        data=data,
        n=len(right),
        top1_percent=100 * sum(right) / len(right),
        ci95_percent=wilson_percent(sum(right), len(right)),
        stated_n=stated.n,
        stated_top1_percent=stated.top1_percent,
        stated_ci95_percent=stated.ci95_percent,
        test=verdict.test,
        level=test.level,
        p_value=verdict.p_value,
        told_below_percent=None if verdict.told_below is None else 100 * verdict.told_below,
        lost=verdict.lost,
        won=verdict.won,
        passed=verdict.p_value > test.level,
    )


class _Verdict(NamedTuple):
    test: str
    p_value: float
    told_below: float | None
    lost: int | None = None
    won: int | None = None


def _of_samples(test: AccuracyTest, hits: int, n: int) -> _Verdict:
    stated_hits, stated_n = _stated_hits(test), test.stated.n
    below = told_below(stated_hits, stated_n, n, test.level)
    return _Verdict(FISHER, fisher_p(hits, n, stated_hits, stated_n), below)


def _of_pairs(test: AccuracyTest, answers: Answers) -> _Verdict | None:
    """None where the images are others, or the bundle does not tell which were right."""
    stated = test.model.stated_images
    if stated is None or len(answers.names) != test.stated.n:
        return None
    if stated.sha256 != images_sha256(answers.names, answers.labels):
        return None
    before, now = _stated_right(test, stated), answers.right
    lost = sum(was and not still for was, still in zip(before, now, strict=True))
    won = sum(still and not was for was, still in zip(before, now, strict=True))
    least = next(count for count in range(1, 1000) if mcnemar_p(count, 0) <= test.level)
    below = None if least > sum(before) else (sum(before) - least + 1) / len(before)
    return _Verdict(MCNEMAR, mcnemar_p(lost, won), below, lost, won)


def _stated_right(test: AccuracyTest, images: StatedImages) -> list[bool]:
    try:
        right = unpacked(images.right, test.stated.n)
    except ValueError as error:
        raise BundleError(
            f"{test.model.file}: its stated images are not told as they should be", str(error)
        ) from error
    if sum(right) != _stated_hits(test):
        raise BundleError(
            f"{test.model.file}: its stated images",
            f"{sum(right)} right",
            f"{_stated_hits(test)}, as its accuracy says",
        )
    return right


def _stated_hits(test: AccuracyTest) -> int:
    return round(test.stated.top1_percent * test.stated.n / 100)


def accuracy_words(measured: VerifiedAccuracy) -> str:
    """Tells what was measured, whether that is what was stated, and what could have been told."""
    words = (
        f"top-1 {measured.top1_percent:.2f} % on {measured.n} images, {measured.stated_top1_percent:.2f} % "
        f"on {measured.stated_n} is stated"
    )
    same = measured.lost is not None
    if same:
        words += f"; images of the same names and labels, {measured.lost} lost and {measured.won} won"
    words += f" (p = {measured.p_value:.2g}, {measured.test})"
    if not measured.passed:
        return words
    if measured.told_below_percent is None:
        return f"{words}; so few images could not show any drop"
    how_often = "if none is won" if same else f"{10 * POWER:.0f} times in 10"
    return f"{words}; below {measured.told_below_percent:.1f} % a difference would have been seen {how_often}"


def _answers(path: Path, test: AccuracyTest, data: LabelledData, reporter: Reporter) -> Answers:
    """Answers as `validate` does, with the kernels, preprocessing and class offset of the stated accuracy."""
    from edge_mnv3_calibration_data.source_kinds import open_images
    from edge_mnv3_quantization.validation.label_names import labels_of
    from edge_mnv3_quantization.validation.readings import TopClasses, top_classes
    from edge_mnv3_quantization.validation.running import RunnableFile, RunSettings, run_files

    stated = test.stated
    classes = test.model.outputs[0].tensor.shape[-1] - stated.class_offset
    images = open_images(data.data, need_labels=data.names is None, label_map=data.label_map)
    labels = labels_of(images, task="classes", classes=classes, names=data.names).labels
    if None in labels:
        check_labelled(images)
    file = RunnableFile(path, "builtin" if stated.kernels == "builtin" else "xnnpack")
    run = run_files(
        [file],
        images,
        RunSettings(preprocess=stated.preprocess),
        TopClasses(0),
        reporter,
    )
    check_skipped(run.skipped, images.available or 0)
    for warning in (*images.remarks, *unread_warnings(images.unread), *skipped_warnings(run.skipped)):
        reporter.warn(warning)
    answers = top_classes(run, class_offset=stated.class_offset)
    labelled = [(index, label) for index in answers if isinstance(label := labels[index], int)]
    return Answers(
        names=[images.name(index) for index, _ in labelled],
        labels=[label for _, label in labelled],
        top=[answers[index] for index, _ in labelled],
    )
