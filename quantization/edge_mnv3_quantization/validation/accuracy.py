"""Accuracy of a float file against an int8 file, image by image, as a phone would run them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge_mnv3.core.choices import (
    DEFAULT_KERNEL_CHOICE,
    DEFAULT_PREPROCESS,
    DEFAULT_RUNTIME,
    KernelChoice,
    RuntimeName,
)
from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import ImageSource, check_labelled, check_labels
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.validate import ModelAccuracy, ValidateResult
from edge_mnv3_quantization.validation.differences import (
    Answer,
    accuracy_delta,
    agreement_percent,
    class_losses,
    worst_disagreements,
)
from edge_mnv3_quantization.validation.file_pair import ComparedFile, FilePair, open_pair
from edge_mnv3_quantization.validation.findings import decide_gate
from edge_mnv3_quantization.validation.hits import Hits, count_hits, top_classes
from edge_mnv3_quantization.validation.running import RunSettings, run_files


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """How two files are compared.

    Attributes:
        preprocess: Key of `PREPROCESSES`.
        kernels: `auto` takes XNNPACK, and for an int8 file that does not load under it the built-in kernels,
            with a warning and a failed gate.
        runtime: Which runtime to use.
        class_offset: Output index of label 0; None means 1 for files with 1001 outputs, else 0.
        workers: Threads, each with interpreters of one thread; None for one a core.
        max_drop_points: Largest drop of top-1 (float less int8, percentage points) that passes the gate; None
            for no gate.
    """

    preprocess: str = DEFAULT_PREPROCESS
    kernels: KernelChoice = DEFAULT_KERNEL_CHOICE
    runtime: RuntimeName = DEFAULT_RUNTIME
    class_offset: int | None = None
    workers: int | None = None
    max_drop_points: float | None = None


DEFAULT_SETTINGS = ValidationSettings()


def validate(
    float_path: Path,
    int8_path: Path,
    images: ImageSource,
    settings: ValidationSettings = DEFAULT_SETTINGS,
    reporter: Reporter = SILENT,
) -> ValidateResult:
    """Runs both files over the same pixels and compares their answers.

    Args:
        float_path: A float `.tflite` file.
        int8_path: An int8 `.tflite` file of the same input size and classes.
        images: The images to run the files on, each with its label.
        settings: How the files are compared.
        reporter: Its `progress` is told of (images done, images in all), from the calling thread.

    Raises:
        ModelFileError: A file is invalid, does not load, or the two do not fit each other.
        CalibrationDataError: A label is missing or beyond the classes, or no image can be read.
    """
    pair = open_pair(
        float_path,
        int8_path,
        kernels=settings.kernels,
        runtime=settings.runtime,
        class_offset=settings.class_offset,
    )
    check_labelled(images)
    check_labels(images, classes=pair.float_.classes, place=images.location, reason=", as the models have")
    workers = settings.workers or available_cores()
    running = RunSettings(preprocess=settings.preprocess, runtime=settings.runtime, workers=workers)
    started = time.perf_counter()
    run = run_files((pair.float_.runnable, pair.int8.runnable), images, running, _Reading(pair), reporter)
    elapsed_s = time.perf_counter() - started
    if not run.answers:
        reason = run.skipped[0].reason if run.skipped else "no images"
        raise CalibrationDataError(f"images of {images.location}: none can be read", reason)
    answers = [
        Answer(images.name(index), images.label(index) or 0, *read) for index, read in run.answers.items()
    ]
    float_hits = count_hits((answer.label, answer.float_top5) for answer in answers)
    int8_hits = count_hits((answer.label, answer.int8_top5) for answer in answers)
    delta = accuracy_delta(answers, float_hits, int8_hits)
    limit = settings.max_drop_points
    return ValidateResult(
        n=len(answers),
        data=images.location,
        preprocess=images.applied_preprocess(settings.preprocess),
        float_=_accuracy(pair.float_, float_hits),
        int8=_accuracy(pair.int8, int8_hits),
        delta=delta,
        agreement_percent=agreement_percent(answers),
        per_class_losses=class_losses(answers),
        worst=worst_disagreements(answers),
        skipped=run.skipped,
        workers=workers,
        images_per_s=len(answers) / elapsed_s,
        runtime=pair.float_.runtime,
        gate=None if limit is None else decide_gate(delta, limit, pair.findings),
        warnings=tuple(finding.text for finding in pair.findings),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads the answers to one image from both outputs: each file's classes, and the float file's margin."""

    pair: FilePair

    def __call__(self, outputs: Sequence[npt.NDArray[Any]]) -> tuple[tuple[int, ...], tuple[int, ...], float]:
        float_output, int8_output = outputs
        offset = self.pair.float_.class_offset
        float_top5 = top_classes(float_output, class_offset=offset)
        int8_top5 = top_classes(int8_output, class_offset=self.pair.int8.class_offset)
        margin = float_output[float_top5[0] + offset] - float_output[int8_top5[0] + offset]
        return float_top5, int8_top5, float(margin)


def _accuracy(file: ComparedFile, hits: Hits) -> ModelAccuracy:
    return ModelAccuracy(
        path=str(file.path),
        sha256=sha256_file(file.path),
        kernels=file.kernels,
        class_offset=file.class_offset,
        top1_percent=hits.top1_percent,
        top5_percent=hits.top5_percent,
    )
