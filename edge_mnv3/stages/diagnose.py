"""Images and the diagnosis joined. Used by the command, which only prints."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.stages.calibration_images import SYNTHETIC

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def diagnose_files(
    float_path: Path,
    int8_path: Path,
    *,
    images: str | None,
    samples: int,
    seed: int,
    preprocess: str,
    reporter: Reporter,
) -> DiagnoseResult:
    """Diagnoses an int8 file on images; see `diagnosis.diagnose`.

    Args:
        float_path: What it was made from.
        int8_path: A file of this project or of TensorFlow's converter.
        images: `synthetic`, or the path of a folder, CSV, list, `.npz` or manifest; None for the calibration
            images of the `quantize.json` beside the int8 file.
        samples: Number of images; the first ones of a manifest.
        seed: Of their choice.
        preprocess: For images that come from no manifest.
        reporter: Is told of progress.

    Raises:
        CalibrationDataError: There are no images.
        EdgeMnv3Error: As `diagnose` raises.
    """
    from edge_mnv3_quantization.diagnosis.diagnose import Observer, diagnose, input_size_px

    size = input_size_px(float_path)
    origin = str(_own_manifest(int8_path)) if images is None else images
    reporter.step("reading images")
    pixels = _load_sample(origin, samples, seed, preprocess, size, reporter)
    result = diagnose(
        float_path,
        int8_path,
        pixels,
        image_source=origin,
        observer=Observer(step=reporter.step, progress=reporter.progress),
    )
    for warning in result.warnings:
        reporter.warn(warning)
    return result


def _own_manifest(int8_path: Path) -> Path:
    """The `quantize.json` of the run that made an int8 file."""
    path = int8_path.parent / "quantize.json"
    what, wanted = f"images for {int8_path}", "the photographs that it was calibrated on, or others"
    if not path.is_file():
        raise CalibrationDataError(what, "no quantize.json beside it", wanted, "use --images")
    try:
        made = json.loads(path.read_text(encoding="utf-8")).get("int8_sha256")
    except (ValueError, AttributeError):
        made = None
    if not int8_path.is_file() or made != sha256_file(int8_path):
        raise CalibrationDataError(what, f"{path}, which is of another file", wanted, "use --images")
    return path


def _load_sample(
    origin: str, samples: int, seed: int, preprocess: str, size: int, reporter: Reporter
) -> npt.NDArray[np.uint8]:
    from edge_mnv3_calibration_data.loading import load_calibration, synthetic_calibration
    from edge_mnv3_calibration_data.sources import open_source

    source = None if origin == SYNTHETIC else open_source(Path(origin))
    manifest = source.manifest if source else None
    if source is None or (manifest and manifest.kind == SYNTHETIC):
        reporter.warn(
            "diagnosing on synthetic images: photographs may lose elsewhere; give some with --images"
        )
        drawn = manifest.seed if manifest else seed
        images, _ = synthetic_calibration(count=samples, seed=drawn, size=size, on_image=reporter.progress)
        return images
    if manifest:
        source = dataclasses.replace(source, items=source.items[:samples])
    images, used = load_calibration(
        source,
        count=samples,
        seed=seed,
        preprocess=manifest.preprocess if manifest else preprocess,
        size=size,
        on_image=reporter.progress,
    )
    for image in used.skipped:
        reporter.warn(f"{image.file} was left out: {image.reason}")
    return images
