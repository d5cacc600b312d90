"""The stage `validate`: float against int8 on labelled images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edge_mnv3.core.choices import (
    DEFAULT_KERNEL_CHOICE,
    DEFAULT_PREPROCESS,
    DEFAULT_RUNTIME,
    KernelChoice,
    PreprocessName,
    RuntimeName,
)
from edge_mnv3.core.images import check_skipped, skipped_warnings, unread_warnings
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, AtLeast, Count, Request, check_call
from edge_mnv3.core.results.validate import ValidateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateRequest(Request):
    """What to compare.

    Attributes:
        float_path: A float `.tflite` file.
        int8_path: An int8 `.tflite` file of the same input size and classes.
        data: Labelled images: the path of a CSV with columns `file,label`, of a folder with one subfolder a
            class, or of an `.npz`.
        preprocess: Key of `PREPROCESSES`.
        kernels: `xnnpack`, `builtin`, or `auto`: XNNPACK, and for an int8 file that does not load under it
            the built-in kernels, with a warning and a failed gate.
        runtime: TFLite runtime to use.
        class_offset: Output index of label 0; None: 1 for files with 1001 outputs, else 0.
        workers: Threads; None for one a core.
        max_drop_points: Largest drop of top-1 (float less int8, percentage points) that passes the gate; None
            for no gate.
    """

    float_path: AnyPath
    int8_path: AnyPath
    data: AnyPath
    preprocess: PreprocessName = DEFAULT_PREPROCESS
    kernels: KernelChoice = DEFAULT_KERNEL_CHOICE
    runtime: RuntimeName = DEFAULT_RUNTIME
    class_offset: Annotated[int, AtLeast(0)] | None = None
    workers: Count | None = None
    max_drop_points: float | None = None


def validate(request: ValidateRequest, reporter: Reporter = SILENT) -> ValidateResult:
    """Compares the accuracy of a float and an int8 file, image by image.

    Raises:
        InputFileError: The images cannot be listed.
        CalibrationDataError: Labels are missing or wrong, or too many images cannot be read.
        ModelFileError: A file is invalid, does not load, or the two do not fit each other.
        RuntimeUnavailableError: The runtime cannot be used.
    """
    check_call("validate", (ValidateRequest,), request, reporter)
    from edge_mnv3_calibration_data.source_kinds import open_images
    from edge_mnv3_quantization.validation import accuracy

    images = open_images(request.data, need_labels=True)
    settings = accuracy.ValidationSettings(
        preprocess=request.preprocess,
        kernels=request.kernels,
        runtime=request.runtime,
        class_offset=request.class_offset,
        workers=request.workers,
        max_drop_points=request.max_drop_points,
    )
    reporter.step("validating")
    float_path, int8_path = Path(request.float_path), Path(request.int8_path)
    result = accuracy.validate(float_path, int8_path, images, settings, reporter)
    check_skipped(result.skipped, images.available or 0)
    notes = (*images.remarks, *unread_warnings(images.unread))
    result = dataclasses.replace(result, warnings=(*result.warnings, *notes))
    for warning in (*result.warnings, *skipped_warnings(result.skipped)):
        reporter.warn(warning)
    return result
