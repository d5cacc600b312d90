"""The accuracy that a bundle states, held against that of images now: a test of two samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_mnv3.core.exact_tests import FISHER, POWER, fisher_p, told_below
from edge_mnv3.core.images import check_labelled, check_skipped, skipped_warnings, unread_warnings
from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.package import PackagedModel
from edge_mnv3.core.results.stated import StatedAccuracy
from edge_mnv3.core.results.verify import VerifiedAccuracy
from edge_mnv3.packaging.bundle import BundleFiles
from edge_mnv3.packaging.labels import parse_labels

if TYPE_CHECKING:
    from edge_mnv3_quantization.validation.hits import Hits
    from edge_mnv3_quantization.validation.label_names import OutputNames


class AccuracyTest(NamedTuple):
    """A model of a bundle, the accuracy that it states, and the share of intact ones told to differ."""

    model: PackagedModel
    stated: StatedAccuracy
    level: float


class LabelledData(NamedTuple):
    """Labelled images, and the names of their classes in the bundle; None where it has none."""

    data: AnyPath
    names: OutputNames | None


def bundle_names(bundle: BundleFiles, model: PackagedModel, class_offset: int) -> OutputNames | None:
    """Reads the names of a model's classes, without that of the background, which labels cannot have."""
    from edge_mnv3_quantization.validation.label_names import OutputNames

    path = model.outputs[0].labels
    if path is None:
        return None
    names = parse_labels(bundle.files[path], name=path, class_count=None).names
    return OutputNames(names[class_offset:], path, stated=False)


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
        EdgeMnv3Error: The data cannot be used.
    """
    hits = _hits(path, test, data, reporter)
    measured = compare_accuracy(test, str(data.data), hits)
    if measured.told_below_percent is None:
        reporter.warn(
            f"{hits.n} images cannot show that {test.model.file} is worse than the "
            f"{test.stated.top1_percent:.2f} % that are stated; give more"
        )
    return measured


def compare_accuracy(test: AccuracyTest, data: str, hits: Hits) -> VerifiedAccuracy:
    """Tests whether the images that were right now and then may be two samples of one share.

    Args:
        test: The model and what is stated.
        data: Where the images come from.
        hits: What was counted now.
    """
    stated = test.stated
    stated_hits = round(stated.top1_percent * stated.n / 100)
    p_value = fisher_p(hits.top1, hits.n, stated_hits, stated.n)
    below = told_below(stated_hits, stated.n, hits.n, test.level)
    return VerifiedAccuracy(
        model=test.model.file,
        data=data,
        n=hits.n,
        top1_percent=hits.top1_percent,
        ci95_percent=wilson_percent(hits.top1, hits.n),
        stated_n=stated.n,
        stated_top1_percent=stated.top1_percent,
        stated_ci95_percent=stated.ci95_percent,
        test=FISHER,
        level=test.level,
        p_value=p_value,
        told_below_percent=None if below is None else 100 * below,
        passed=p_value > test.level,
    )


def accuracy_words(measured: VerifiedAccuracy) -> str:
    """Tells what was measured, whether that is what was stated, and what could have been told."""
    words = (
        f"top-1 {measured.top1_percent:.2f} % on {measured.n} images, {measured.stated_top1_percent:.2f} % "
        f"on {measured.stated_n} is stated (p = {measured.p_value:.2g}, {FISHER})"
    )
    if not measured.passed:
        return words
    if measured.told_below_percent is None:
        return f"{words}; so few images could not show any drop"
    return (
        f"{words}; below {measured.told_below_percent:.1f} % a difference would have been seen "
        f"{10 * POWER:.0f} times in 10"
    )


def _hits(path: Path, test: AccuracyTest, data: LabelledData, reporter: Reporter) -> Hits:
    """Counts as `validate` does, with the kernels, preprocessing and class offset of the stated accuracy."""
    from edge_mnv3_calibration_data.source_kinds import open_images
    from edge_mnv3_quantization.validation.hits import count_hits
    from edge_mnv3_quantization.validation.label_names import labels_of
    from edge_mnv3_quantization.validation.readings import TopClasses
    from edge_mnv3_quantization.validation.running import RunnableFile, RunSettings, run_files

    stated = test.stated
    classes = test.model.outputs[0].tensor.shape[-1] - stated.class_offset
    images = open_images(data.data, need_labels=data.names is None)
    labels = labels_of(images, task="classes", classes=classes, names=data.names).labels
    if None in labels:
        check_labelled(images)
    file = RunnableFile(path, "builtin" if stated.kernels == "builtin" else "xnnpack")
    run = run_files(
        [file],
        images,
        RunSettings(preprocess=stated.preprocess),
        TopClasses(0, stated.class_offset),
        reporter,
    )
    check_skipped(run.skipped, images.available or 0)
    for warning in (*images.remarks, *unread_warnings(images.unread), *skipped_warnings(run.skipped)):
        reporter.warn(warning)
    answers = ((labels[index], classes) for index, classes in run.answers.items())
    return count_hits((label, classes) for label, classes in answers if isinstance(label, int))
