"""The stage `validate`: float against int8 on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.validate import ValidateResult

if TYPE_CHECKING:
    from edge_mnv3.core.runtime import RuntimeName
    from edge_mnv3_quantization.validation.accuracy import KernelChoice


def validate_files(
    float_path: Path,
    int8_path: Path,
    data: Path,
    *,
    preprocess: str,
    kernels: KernelChoice,
    runtime: RuntimeName,
    class_offset: int | None,
    workers: int | None,
    max_drop_points: float | None,
    reporter: Reporter,
) -> ValidateResult:
    """Validates two files on the labelled images of a CSV, folder or `.npz`; see `validation.validate`.

    Raises:
        CalibrationDataError: Labels are missing or wrong, or over 1 % of the images cannot be read.
        EdgeMnv3Error: As `validate` raises.
    """
    from edge_mnv3_calibration_data.loading import check_skipped, load_image
    from edge_mnv3_calibration_data.sources import open_source
    from edge_mnv3_quantization.validation.accuracy import LabelledImages, validate

    source = open_source(data, need_labels=True)
    images = LabelledImages(
        description=str(data),
        preprocess=preprocess,
        files=[item.file for item in source.items],
        labels=[item.label for item in source.items if item.label is not None],
        load=lambda index, size: load_image(source.items[index], preprocess=preprocess, size=size),
    )
    reporter.step("validating")
    result = validate(
        float_path,
        int8_path,
        images,
        kernels=kernels,
        runtime=runtime,
        class_offset=class_offset,
        workers=workers,
        max_drop_points=max_drop_points,
        on_image=reporter.progress,
    )
    check_skipped(result.skipped, len(images.files))
    for warning in result.warnings:
        reporter.warn(warning)
    for image in result.skipped:
        reporter.warn(f"{image.file} was left out: {image.reason}")
    return result
