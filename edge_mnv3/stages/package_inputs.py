"""What the user gives to a bundle beside the models: labels, score calibration, images for golden vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import SYNTHETIC
from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import ArgumentError, CalibrationDataError, InputFileError
from edge_mnv3.core.images import Pixels, SampleRequest, skipped_warnings, unread_warnings
from edge_mnv3.core.input_range import LARGEST_PIXEL, LOWEST_STORED
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.tflite.input_facts import read_input
from edge_mnv3.packaging.golden import GOLDEN_COUNT
from edge_mnv3.packaging.labels import Labels, check_labels, default_labels, parse_labels
from edge_mnv3.packaging.model_file import FileOutput, ModelFile, Stated, open_model_file
from edge_mnv3.packaging.score_calibration import check_score_calibration
from edge_mnv3.stages.recorded_outputs import recorded_outputs

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


def open_all(models: Sequence[str | Path], stated: Stated, *, force: bool) -> list[ModelFile]:
    """Opens the models of one bundle, which share its images and labels and have names of their own.

    Args:
        models: `.tflite` files, or folders of `quantize`.
        stated: What the user says of them.
        force: Replace metadata that a model has.

    Raises:
        ArgumentError: They do not belong together, or have no output of a name that is stated.
        ModelFileError: One of them cannot be packaged, or nothing tells what its float input takes.
    """
    paths = [model_path(path) for path in map(Path, models)]
    inputs = [read_input(path) for path in paths]
    opened = [
        open_model_file(
            path,
            force=force,
            stated=stated,
            recorded=recorded_outputs(path),
            others=[*inputs[:place], *inputs[place + 1 :]],
        )
        for place, path in enumerate(paths)
    ]
    _check_together(opened)
    names = [output.facts.name for output in opened[0].outputs]
    for name in sorted(stated.labelled - {"", *names}):
        raise ArgumentError(
            f"--labels {name}=…",
            f"no output '{name}'",
            f"one of {', '.join(names)}, the outputs of {paths[0]}",
        )
    return opened


def _check_together(files: Sequence[ModelFile]) -> None:
    """Models of one bundle share its images and labels, and have names of their own."""
    first = files[0]
    for other in files[1:]:
        if (other.image_shape, _given(other)) != (first.image_shape, _given(first)):
            raise ArgumentError(
                f"model {other.path}",
                f"{other.image_shape.text} and {_given(other)}",
                f"{first.image_shape.text} and {_given(first)}, as {first.path}",
                "package it in a bundle of its own",
            )
    names = [file.bundled_name for file in files]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(f"{names.count(name)} models", f"the name {name} for each", "different names")


def _given(file: ModelFile) -> str:
    """What a model gives, in words."""
    words = {"classes": "classes", "binary": "score", "labels": "labels"}
    given = [
        f"{output.count} {words[output.facts.task]}"
        if output.is_labelled
        else f"{output.facts.task} of {'x'.join(map(str, output.facts.shape))}"
        for output in file.outputs
    ]
    return ", ".join(given)


class LabelFiles(NamedTuple):
    """Labels given by the user.

    Attributes:
        first: Those of the first output that has some; None where none are given.
        of: Those of outputs that are named.
    """

    first: Path | None
    of: dict[str, Path]


def label_files(stated: AnyPath | Sequence[AnyPath] | None) -> LabelFiles:
    """Takes PATH and NAME=PATH apart; a path that is there is taken for one, whatever its name holds.

    Raises:
        ArgumentError: Two are for the same output.
    """
    given = [stated] if isinstance(stated, (str, Path)) else list(stated or ())
    first: Path | None = None
    of: dict[str, Path] = {}
    for each in given:
        name, equals, path = str(each).partition("=")
        if equals and not Path(each).exists():
            if name in of:
                raise ArgumentError("--labels", f"two for the output '{name}'", "one")
            of[name] = Path(path)
            continue
        if first is not None:
            raise ArgumentError(
                "--labels", f"{first} and {each}", "one without a name", "write NAME=PATH for each output"
            )
        first = Path(each)
    return LabelFiles(first, of)


def open_labels(stated: LabelFiles, file: ModelFile) -> dict[str, Labels]:
    """Reads the labels of each output that has some; without any given, 1000 classes get ImageNet's.

    Returns:
        Name of the output to its labels.

    Raises:
        InputFileError: They cannot be read, do not fit the model, or are missing.
        CalibrationDataError: A folder holds no class folders.
        ArgumentError: They are for an output that is no vector of scores.
    """
    outputs = file.labelled
    given = dict(stated.of)
    if stated.first is not None:
        unnamed = [output.facts.name for output in outputs if output.facts.name not in given]
        if not unnamed:
            raise ArgumentError(
                f"--labels {stated.first}", f"{_given(file)}, without scores that need names", "no labels"
            )
        given[unnamed[0]] = stated.first
    labels = {}
    for output in outputs:
        labels[output.facts.name] = _labels_of(
            given.pop(output.facts.name, None), output, alone=len(outputs) == 1
        )
    for name in given:
        raise ArgumentError(f"--labels {name}=…", f"a map '{name}'", "an output of scores")
    return labels


def _labels_of(path: Path | None, output: FileOutput, *, alone: bool) -> Labels:
    """A single score takes the name of its class, or the names of both classes, the second of which it is."""
    if path is None:
        return default_labels(
            output.count, option="--labels" if alone else f"--labels {output.facts.name}=PATH"
        )
    if output.count > 1:
        return read_labels(path, output.count)
    labels = read_labels(path, None)
    if len(labels.names) not in (1, 2):
        raise InputFileError(
            f"labels {labels.source}",
            count(len(labels.names), "label"),
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
        found = len(images.class_names)
        if found != class_count and images.remarks:
            raise InputFileError(
                f"labels {path}",
                count(found, "class folder"),
                f"{class_count:,}, as many as the model has classes",
                "; ".join(images.remarks),
            )
        return _named(check_labels(list(images.class_names), source=str(path), class_count=class_count), path)
    if path.suffix.lower() in _TABLE_SUFFIXES:
        # Its lines would pass for names, columns and all.
        raise InputFileError(
            f"labels {path}",
            f"a {path.suffix} file",
            "a text file, one name a line in the order of the outputs",
        )
    return _named(parse_labels(_read(path, "labels"), name=str(path), class_count=class_count), path)


def _named(labels: Labels, path: Path) -> Labels:
    # A bundle says what the file is called, and not where it lay.
    return labels._replace(source=path.name)


def open_score_calibration(path: Path | None, file: ModelFile) -> bytes | None:
    """Reads a score calibration, if there is one.

    Raises:
        InputFileError: It cannot be read, or does not fit the model.
        ArgumentError: The model has other than one output of scores.
    """
    if path is None:
        return None
    if len(file.outputs) != 1 or not file.labelled:
        raise ArgumentError("--score-calibration", _given(file), "one output of scores")
    class_count = file.labelled[0].count
    return check_score_calibration(_read(path, "score calibration"), name=str(path), class_count=class_count)


def open_thresholds(path: Path | None, file: ModelFile) -> dict[str, tuple[float, ...]]:
    """Finds for each output of labels, or of one score, the scores above which a label holds.

    Args:
        path: A text file of a number a line, in the order of the labels; None for a probability of one half.
        file: The model.

    Returns:
        Name of the output to its thresholds.

    Raises:
        InputFileError: The file cannot be read, or does not fit the model, or a label would hold always or
            never with it.
        ArgumentError: The model has other than one output of labels; or none are given, and nothing tells
            the middle of the scores, or all of them lie above it.
    """
    outputs = [output for output in file.outputs if output.facts.task in ("binary", "labels")]
    if path is None:
        return {output.facts.name: (_middle(output),) * output.count for output in outputs}
    if len(outputs) != 1:
        raise ArgumentError("--thresholds", _given(file), "one output of labels, or of one score")
    lines = _read(path, "thresholds").decode("utf-8", "replace").split()
    numbers = []
    for line, text in enumerate(lines, start=1):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputFileError(f"thresholds {path}, line {line}", repr(text), "a number")
        numbers.append(number)
    if len(numbers) != outputs[0].count:
        raise InputFileError(
            f"thresholds {path}", count(len(numbers), "number"), f"{outputs[0].count:,}, one for each label"
        )
    low, high = _ends(outputs[0])
    for line, number in enumerate(numbers, start=1):
        if not low <= number < high:
            always = "never" if number >= high else "always"
            raise InputFileError(
                f"thresholds {path}, line {line}",
                f"{number:g}, above which the label would hold {always}",
                f"{low:g} to less than {high:g}, as the scores of '{outputs[0].facts.name}' are",
            )
    return {outputs[0].facts.name: tuple(numbers)}


def _middle(output: FileOutput) -> float:
    """The score that stands for one half; asked for where every score lies above it, whatever made them."""
    low, high = _ends(output)
    middle = output.facts.even
    if middle is None or not low < middle < high:
        which = "whose middle its last layers do not tell"
        if middle is not None:
            which = f"whose scores are never {'below' if middle <= low else 'above'} {middle:g}"
        raise ArgumentError(
            "--thresholds",
            f"none, for output '{output.facts.name}', {which}",
            "a file with the score above which each label holds, one a line",
        )
    return middle


def _ends(output: FileOutput) -> tuple[float, float]:
    """The least and the largest score that an output can give; infinite where nothing tells."""
    tensor = output.tensor
    lowest = LOWEST_STORED.get(tensor.dtype)
    if tensor.scale is not None and tensor.zero_point is not None and lowest is not None:
        least = lowest - tensor.zero_point
        return least * tensor.scale, (least + LARGEST_PIXEL) * tensor.scale
    return (0.0, 1.0) if output.facts.scores_are_probabilities else (-math.inf, math.inf)


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
