"""What the user gives to a bundle beside the models: labels, score calibration, images for golden vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import SYNTHETIC
from edge_mnv3.core.errors import ArgumentError, CalibrationDataError, InputFileError, ModelFileError
from edge_mnv3.core.images import Pixels, SampleRequest, skipped_warnings, unread_warnings
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.tflite.input_facts import read_input
from edge_mnv3.packaging.classifier_file import ClassifierFile, open_classifier
from edge_mnv3.packaging.golden import GOLDEN_COUNT
from edge_mnv3.packaging.labels import Labels, check_labels, default_labels, parse_labels
from edge_mnv3.packaging.score_calibration import check_score_calibration

_GOLDEN_SEED = 0
_TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".xml", ".yaml", ".yml")


class GoldenChoice(NamedTuple):
    """Images for the golden vectors.

    Attributes:
        source: `synthetic`, or `images` for the user's.
        images: (rows, columns, channels) uint8, RGB or grey.
        warnings: What was not read of the user's.
    """

    source: str
    images: list[Pixels]
    warnings: tuple[str, ...]


def model_path(path: Path) -> Path:
    """Finds the model that is meant: a folder of `quantize` stands for its int8 file.

    Raises:
        InputFileError: The folder has no `quantize.json`, or one that cannot be read.
    """
    if not path.is_dir():
        return path
    described = path / QUANTIZE_FILE
    if not described.is_file():
        raise InputFileError(
            f"model {path}",
            f"a folder without {QUANTIZE_FILE}",
            "a .tflite, or a folder of edge-mnv3 quantize",
        )
    result = read_quantize_result(described)
    return path / Path(result.int8_path).name


def open_all(models: Sequence[str | Path], *, force: bool, stated: InputRange | None) -> list[ClassifierFile]:
    """Opens the models of one bundle, which share its images and labels and have names of their own.

    Args:
        models: `.tflite` files, or folders of `quantize`.
        force: Replace metadata that a model has.
        stated: What the user says that float inputs take.

    Raises:
        ArgumentError: They do not belong together.
        ModelFileError: One of them is no classifier, or nothing tells what its float input takes.
    """
    paths = [model_path(path) for path in map(Path, models)]
    inputs = [read_input(path) for path in paths] if len(paths) > 1 else []
    opened = [open_classifier(path, force=force, stated=stated, others=inputs) for path in paths]
    _check_together(opened)
    return opened


def _check_together(classifiers: Sequence[ClassifierFile]) -> None:
    """Models of one bundle share its images and labels, and have names of their own."""
    first = classifiers[0]
    for other in classifiers[1:]:
        if (other.image_shape, other.class_count) != (first.image_shape, first.class_count):
            raise ArgumentError(
                f"model {other.path}",
                f"{other.image_shape.text} and {other.class_count} classes",
                f"{first.image_shape.text} and {first.class_count} classes, as {first.path}",
                "package it in a bundle of its own",
            )
    names = [classifier.bundled_name for classifier in classifiers]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(f"{names.count(name)} models", f"the name {name} for each", "different names")


def open_labels(path: Path | None, classifier: ClassifierFile) -> Labels:
    """Reads labels from a text file or from the names of class folders; None for ImageNet's.

    A model with one output tells two classes apart. It takes the name of the class that its score is of, or
    the names of both, of which the second is taken: in the order of class folders that is label 1.

    Raises:
        InputFileError: They cannot be read, or do not fit the model.
        CalibrationDataError: The folder holds no class folders.
        ModelFileError: The output is an embedding, and no labels say otherwise.
    """
    if path is None:
        if classifier.task == "embedding":
            raise ModelFileError(
                f"model {classifier.path}",
                f"an embedding of {classifier.class_count} numbers",
                "scores of classes",
                "use --labels if they are scores; an embedding has no names to be packaged with",
            )
        return default_labels(classifier.class_count)
    if classifier.class_count > 1:
        return read_labels(path, classifier.class_count)
    labels = read_labels(path, None)
    if len(labels.names) not in (1, 2):
        raise InputFileError(
            f"labels {labels.source}",
            f"{len(labels.names)} labels",
            "the name of the class that the one output is the score of, or of both classes",
        )
    return labels._replace(names=labels.names[-1:])


def read_labels(path: Path, class_count: int | None) -> Labels:
    """Reads labels as `open_labels` does; None takes any number of them.

    Raises:
        InputFileError: They cannot be read, or do not fit the model.
        CalibrationDataError: The folder holds no class folders.
    """
    if path.is_dir():
        from edge_mnv3_calibration_data.source_kinds import open_images

        images = open_images(path, need_labels=True)
        if not images.class_names:
            raise CalibrationDataError(images.description, "no class folders", "one subfolder a class")
        count = len(images.class_names)
        if count != class_count and images.remarks:
            raise InputFileError(
                f"labels {path.name}",
                f"{count} class folders",
                f"{class_count}, as many as the model has classes",
                "; ".join(images.remarks),
            )
        return check_labels(list(images.class_names), source=path.name, class_count=class_count)
    if path.suffix.lower() in _TABLE_SUFFIXES:
        # Its lines would pass for names, columns and all.
        raise InputFileError(
            f"labels {path}",
            f"a {path.suffix} file",
            "a text file, one name a line in the order of the outputs",
        )
    return parse_labels(_read(path, "labels"), name=path.name, class_count=class_count)


def open_score_calibration(path: Path | None, class_count: int) -> bytes | None:
    """Reads a score calibration, if there is one.

    Raises:
        InputFileError: It cannot be read, or does not fit the model.
    """
    if path is None:
        return None
    return check_score_calibration(_read(path, "score calibration"), name=path.name, class_count=class_count)


def choose_golden(
    location: str | Path | None, *, shape: ImageShape, preprocess: str, reporter: Reporter = SILENT
) -> GoldenChoice:
    """Takes images for the golden vectors from the user's, or makes synthetic ones.

    Args:
        location: As `open_images` takes it; None for synthetic ones.
        shape: Shape of the model's input.
        preprocess: Key of `PREPROCESSES`, for images that come from no manifest.
        reporter: Told of progress.

    Raises:
        EdgeMnv3Error: The images cannot be read.
    """
    from edge_mnv3_calibration_data.source_kinds import open_images

    request = SampleRequest(
        shape=shape,
        samples=GOLDEN_COUNT,
        seed=_GOLDEN_SEED,
        preprocess=preprocess,
        shorten_recorded=True,
    )
    sample = open_images(SYNTHETIC if location is None else location).sample(request, reporter)
    unread = (*skipped_warnings(sample.manifest.skipped), *unread_warnings(sample.manifest.unread))
    return GoldenChoice(SYNTHETIC if sample.synthetic else "images", list(sample.pixels), unread)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputFileError(f"{what} {path}", why_unreadable(path, error), "a text file") from error
