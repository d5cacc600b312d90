"""Accuracy of a float file against an int8 file, image by image, as a phone would run them."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import CalibrationDataError, InputFileError, ModelFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.results.images import SkippedImage
from edge_mnv3.core.results.validate import (
    AccuracyDelta,
    ClassLoss,
    Disagreement,
    Gate,
    ModelAccuracy,
    ValidateResult,
)
from edge_mnv3.core.runtime import Kernels, LoadedModel, RuntimeName, open_model, probe

KernelChoice = Literal["auto", "xnnpack", "builtin"]

BACKGROUND_OUTPUTS = 1001  # TF-Slim's ImageNet files: class 0 is "background"
WORST_LISTED = 20
INTERVAL_METHOD = "Bonett-Price adjusted Wald interval for the difference of paired proportions"
_Z95 = 1.959963984540054
_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImages:
    """The images to validate on.

    Attributes:
        description: Where they come from, for the result.
        preprocess: Name of the preprocessing that `load` applies.
        files: Their names.
        labels: Their classes, 0-based.
        load: Takes (index, side in pixels), returns (side, side, 3) uint8 RGB; called from several threads.
            Raises `InputFileError` for an image that cannot be read.
    """

    description: str
    preprocess: str
    files: Sequence[str]
    labels: Sequence[int]
    load: Callable[[int, int], npt.NDArray[np.uint8]]


class Answer(NamedTuple):
    """What both files say of one image; classes are 0-based labels, -1 for "background"."""

    image: int
    float_top5: tuple[int, ...]
    int8_top5: tuple[int, ...]
    float_margin: float


class _Model(NamedTuple):
    path: Path
    kernels: Kernels
    class_offset: int
    classes: int


def validate(
    float_path: Path,
    int8_path: Path,
    images: LabelledImages,
    *,
    kernels: KernelChoice = "auto",
    runtime: RuntimeName = "litert",
    class_offset: int | None = None,
    workers: int | None = None,
    max_drop_points: float | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> ValidateResult:
    """Runs both files over the same pixels and compares their answers.

    Args:
        float_path: A float `.tflite` file.
        int8_path: An int8 `.tflite` file of the same input size and classes.
        images: What to run them on.
        kernels: `auto` takes XNNPACK, and for an int8 file that does not load under it the built-in kernels,
            with a warning and a failed gate.
        runtime: Which runtime to use.
        class_offset: Output index of label 0; None: 1 for files with 1001 outputs, else 0.
        workers: Threads, each with its own interpreters of one thread; None for one a core.
        max_drop_points: Largest drop of top-1 (float less int8, percentage points) that passes the gate; None
            for no gate.
        on_image: Called with (images done, images in all) from the calling thread.

    Raises:
        ModelFileError: A file is invalid, does not load, or the two do not fit each other.
        CalibrationDataError: A label is beyond the classes, or no image can be read.
    """
    warnings: list[str] = []
    float_kernels = _choose_kernels(float_path, kernels, runtime, warnings)
    int8_kernels = _choose_kernels(int8_path, kernels, runtime, warnings)
    opened = [
        open_model(float_path, kernels=float_kernels, runtime=runtime),
        open_model(int8_path, kernels=int8_kernels, runtime=runtime),
    ]
    _check_kinds(float_path, int8_path, *opened)
    size = _common_size(*opened)
    models = _with_offsets(
        [(float_path, float_kernels, opened[0]), (int8_path, int8_kernels, opened[1])], class_offset, warnings
    )
    _check_labels(images, models[0].classes)

    workers = workers or available_cores()
    started = time.perf_counter()
    answers, skipped = _run_all(models, images, size, runtime, workers, on_image)
    elapsed_s = time.perf_counter() - started
    if not answers:
        raise CalibrationDataError(
            f"images of {images.description}: none can be read", skipped[0].reason if skipped else "no images"
        )
    gate_problems = [w for w in warnings if "does not load under XNNPACK" in w]
    delta = _delta(answers, images.labels)
    return ValidateResult(
        n=len(answers),
        data=images.description,
        preprocess=images.preprocess,
        float_=_accuracy(models[0], [a.float_top5 for a in answers], answers, images.labels),
        int8=_accuracy(models[1], [a.int8_top5 for a in answers], answers, images.labels),
        delta=delta,
        agreement_percent=_percent(a.float_top5[0] == a.int8_top5[0] for a in answers),
        per_class_losses=_class_losses(answers, images.labels),
        worst=_worst(answers, images),
        skipped=skipped,
        workers=workers,
        images_per_s=len(answers) / elapsed_s,
        runtime=opened[0].runtime,
        gate=None if max_drop_points is None else _gate(delta, max_drop_points, gate_problems),
        warnings=tuple(warnings),
    )


def available_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def paired_interval_points(lost: int, won: int, n: int) -> tuple[float, float]:
    """95 % interval of the accuracy difference on the same images, in percentage points.

    Args:
        lost: Images that only the first model has right.
        won: Images that only the second model has right.
        n: Images, at least 1.

    Source: Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", Journal of Educational and Behavioral Statistics 37(4): one image is added to each
    of the two counts and two to n, and the Wald interval is taken. It keeps its coverage for small and for
    zero counts, where the plain Wald interval collapses.
    """
    p_lost, p_won = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    difference = p_won - p_lost
    half = _Z95 * math.sqrt((p_won + p_lost - difference**2) / (n + 2))
    return max(-100.0, 100 * (difference - half)), min(100.0, 100 * (difference + half))


def _choose_kernels(path: Path, choice: KernelChoice, runtime: RuntimeName, warnings: list[str]) -> Kernels:
    if choice != "auto":
        return choice
    check = probe(path, kernels="xnnpack", runtime=runtime)
    if check.loads:
        return "xnnpack"
    # The child process has shown whether the built-in kernels can take it; a broken file is reported here.
    open_model(path, kernels="builtin", runtime=runtime)
    warnings.append(
        f"{path} does not load under XNNPACK, the default on phones: do not ship it; "
        "its accuracy was measured with the built-in kernels"
    )
    return "builtin"


def _check_kinds(
    float_path: Path, int8_path: Path, float_model: LoadedModel, int8_model: LoadedModel
) -> None:
    if float_model.outputs[0].dtype != "float32" or float_model.inputs[0].dtype != "float32":
        raise ModelFileError(
            f"float model {float_path}", f"a {float_model.inputs[0].dtype} input", "a float32 .tflite file"
        )
    from edge_mnv3.core.tflite.read import read_file

    graphs = read_file(int8_path).graphs
    if not any(tensor.dtype in ("INT8", "UINT8") for graph in graphs for tensor in graph.tensors):
        raise ModelFileError(
            f"int8 model {int8_path}", "no quantized tensor: a float file", "an int8 .tflite file"
        )


def _common_size(float_model: LoadedModel, int8_model: LoadedModel) -> int:
    shapes = [model.inputs[0].shape for model in (float_model, int8_model)]
    if shapes[0][1:] != shapes[1][1:]:
        raise ModelFileError("input shapes of the two models", f"{shapes[0]} and {shapes[1]}", "equal shapes")
    height, width, channels = shapes[0][1:] if len(shapes[0]) == 4 else (0, 0, 0)
    if height != width or channels != 3 or height < 1:
        raise ModelFileError("input shape", str(shapes[0]), "(1, S, S, 3)")
    return height


def _with_offsets(
    models: list[tuple[Path, Kernels, LoadedModel]], class_offset: int | None, warnings: list[str]
) -> list[_Model]:
    outputs = [math.prod(model.outputs[0].shape[1:]) for _, _, model in models]
    fewest = min(outputs)
    found = []
    for (path, kernels, _), count in zip(models, outputs, strict=True):
        if class_offset is None:
            offset = int(count == BACKGROUND_OUTPUTS)
        else:
            offset = class_offset if count > fewest or outputs[0] == outputs[1] else 0
        if offset and class_offset is None:
            warnings.append(
                f"{path} has 1001 outputs: output 0 is taken for 'background', output 1 for label 0"
            )
        found.append(_Model(path, kernels, offset, count - offset))
    if found[0].classes != found[1].classes:
        raise ModelFileError(
            "class counts of the two models",
            f"{outputs[0]} and {outputs[1]} outputs",
            "the same classes",
            "use --class-offset where one has a background class",
        )
    return found


def _check_labels(images: LabelledImages, classes: int) -> None:
    for file, label in zip(images.files, images.labels, strict=True):
        if not 0 <= label < classes:
            raise CalibrationDataError(
                f"label of {file} in {images.description}",
                str(label),
                f"0 to {classes - 1}, as the models have",
            )


def _run_all(
    models: list[_Model],
    images: LabelledImages,
    size: int,
    runtime: RuntimeName,
    workers: int,
    on_image: Callable[[int, int], None] | None,
) -> tuple[list[Answer], tuple[SkippedImage, ...]]:
    total = len(images.files)
    queue = iter(range(total))
    lock, stop = threading.Lock(), threading.Event()
    answers: list[Answer] = []
    skipped: dict[int, SkippedImage] = {}

    def work(float_model: LoadedModel, int8_model: LoadedModel) -> None:
        while not stop.is_set():
            with lock:
                index = next(queue, None)
            if index is None:
                return
            try:
                pixels = images.load(index, size)
            except InputFileError as error:
                skipped[index] = SkippedImage(file=images.files[index], reason=error.got or str(error))
                continue
            answers.append(_answer(index, models, float_model.run(pixels), int8_model.run(pixels)))

    # Loading captures the process's output streams, so it stays on this thread.
    loaded = [
        [open_model(model.path, kernels=model.kernels, runtime=runtime) for model in models]
        for _ in range(min(workers, max(1, total)))
    ]
    with ThreadPoolExecutor(len(loaded)) as pool:
        futures = [pool.submit(work, *pair) for pair in loaded]
        try:
            _watch(futures, lambda: on_image and on_image(len(answers) + len(skipped), total))
        finally:
            stop.set()
    return sorted(answers), tuple(skipped[index] for index in sorted(skipped))


def _watch(futures: list[Future[None]], report: Callable[[], Any]) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        report()


def _answer(
    index: int, models: list[_Model], float_output: npt.NDArray[Any], int8_output: npt.NDArray[Any]
) -> Answer:
    float_top5 = _top5(float_output, models[0].class_offset)
    int8_top5 = _top5(int8_output, models[1].class_offset)
    offset = models[0].class_offset
    margin = float_output[float_top5[0] + offset] - float_output[int8_top5[0] + offset]
    return Answer(index, float_top5, int8_top5, float(margin))


def _top5(output: npt.NDArray[Any], class_offset: int) -> tuple[int, ...]:
    """The five highest outputs' classes; equal outputs in the order of their index."""
    order = np.argsort(-output.astype(np.float32), kind="stable")[:5]
    return tuple(int(index) - class_offset for index in order)


def _percent(hits: Iterable[bool]) -> float:
    values = list(hits)
    return 100 * sum(values) / len(values)


def _accuracy(
    model: _Model, top5: list[tuple[int, ...]], answers: list[Answer], labels: Sequence[int]
) -> ModelAccuracy:
    pairs = [(labels[answer.image], five) for answer, five in zip(answers, top5, strict=True)]
    return ModelAccuracy(
        path=str(model.path),
        sha256=sha256_file(model.path),
        kernels=model.kernels,
        class_offset=model.class_offset,
        top1_percent=_percent(label == five[0] for label, five in pairs),
        top5_percent=_percent(label in five for label, five in pairs),
    )


def _delta(answers: list[Answer], labels: Sequence[int]) -> AccuracyDelta:
    n = len(answers)
    right = [(a.float_top5[0] == labels[a.image], a.int8_top5[0] == labels[a.image]) for a in answers]
    lost = sum(float_right and not int8_right for float_right, int8_right in right)
    won = sum(int8_right and not float_right for float_right, int8_right in right)
    top5 = sum((labels[a.image] in a.int8_top5) - (labels[a.image] in a.float_top5) for a in answers)
    return AccuracyDelta(
        top1_points=100 * (won - lost) / n,
        top5_points=100 * top5 / n,
        ci95_points=paired_interval_points(lost, won, n),
        method=INTERVAL_METHOD,
        lost=lost,
        won=won,
    )


def _class_losses(answers: list[Answer], labels: Sequence[int]) -> tuple[ClassLoss, ...]:
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for answer in answers:
        label = labels[answer.image]
        row = counts[label]
        row[0] += 1
        row[1] += answer.float_top5[0] == label
        row[2] += answer.int8_top5[0] == label
    losses = [
        ClassLoss(label=label, n=n, float_correct=float_right, int8_correct=int8_right)
        for label, (n, float_right, int8_right) in counts.items()
        if int8_right < float_right
    ]
    return tuple(sorted(losses, key=lambda loss: (loss.int8_correct - loss.float_correct, loss.label)))


def _worst(answers: list[Answer], images: LabelledImages) -> tuple[Disagreement, ...]:
    different = [a for a in answers if a.float_top5[0] != a.int8_top5[0]]
    different.sort(key=lambda a: (-a.float_margin, a.image))
    return tuple(
        Disagreement(
            file=images.files[a.image],
            label=images.labels[a.image],
            float_class=a.float_top5[0],
            int8_class=a.int8_top5[0],
            float_margin=a.float_margin,
        )
        for a in different[:WORST_LISTED]
    )


def _gate(delta: AccuracyDelta, max_drop_points: float, problems: list[str]) -> Gate:
    drop = -delta.top1_points
    problems = list(problems)
    # Written so that NaN fails.
    if not drop <= max_drop_points:
        problems.append(f"top-1 drops by {drop:.2f} points, at most {max_drop_points:g} are allowed")
    return Gate(
        max_drop_points=max_drop_points, drop_points=drop, passed=not problems, problems=tuple(problems)
    )
