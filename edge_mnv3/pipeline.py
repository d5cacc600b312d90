"""The stages joined: build, calibrate, quantize, validate. Used by the commands, which only print."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.calibration_images import (
    SYNTHETIC,
    CalibrationRequest,
    check_labels,
    image_warnings,
    load_images,
    open_calibration,
)
from edge_mnv3.errors import ArgumentError
from edge_mnv3.graphs import GraphRequest, build_graph, resolve_graph
from edge_mnv3.hashing import sha256_file
from edge_mnv3.outputs import check_writable, staged
from edge_mnv3.reporting import Reporter
from edge_mnv3.result_json import to_json
from edge_mnv3.results import QuantizeResult, ValidateResult

if TYPE_CHECKING:
    from edge_mnv3.runtime import RuntimeName
    from edge_mnv3_calibration_data.sources import Source
    from edge_mnv3_calibration_data.stored import StoredCalibration
    from edge_mnv3_quantization.lowering import HardSwish
    from edge_mnv3_quantization.statistics import Statistics
    from edge_mnv3_quantization.stock import IoType
    from edge_mnv3_quantization.validation import KernelChoice

_VERSIONED = ("edge-mnv3", "tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRequest:
    """What to quantize and how.

    Attributes:
        calibration: `synthetic`, or the path of a folder, CSV, list, `.npz`, manifest or stored calibration.
        samples: Number of calibration images.
        seed: Of their choice, and of the recipe.
        recipe: Key of `RECIPES`.
        hard_swish: What the recipe makes of hard-swish; `auto` for one that has no choice.
        io: dtype of the int8 file's input and output.
        output_dir: Folder for the two files and `quantize.json`.
        force: Overwrite them.
    """

    graph: GraphRequest
    calibration: str
    samples: int
    seed: int
    preprocess: str
    recipe: str
    hard_swish: HardSwish
    io: IoType
    output_dir: Path
    force: bool


def quantize(request: QuantizeRequest, reporter: Reporter) -> QuantizeResult:
    """Builds, converts, calibrates, quantizes, checks, and writes the two files and `quantize.json`.

    Nothing is written unless everything could be. A file that fails its checks is written, so that it can be
    examined, and the result says so: `checks.passed` is False.

    Raises:
        EdgeMnv3Error: As the stages raise.
    """
    from edge_mnv3_quantization.checks import check_int8
    from edge_mnv3_quantization.convert import convert_float
    from edge_mnv3_quantization.recipes import RECIPES

    if request.hard_swish != "auto" and not RECIPES[request.recipe].lowers:
        raise ArgumentError(
            f"--hard-swish with recipe {request.recipe}", request.hard_swish, "auto", "use --recipe accurate"
        )
    name = f"mobilenet_v3_{request.graph.variant.name}_{request.graph.input_size_px}"
    paths = [
        request.output_dir / file for file in (f"{name}_float.tflite", f"{name}_int8.tflite", "quantize.json")
    ]
    check_writable(paths, force=request.force)
    timings_s: dict[str, float] = {}
    warnings: list[str] = []
    calibration = CalibrationRequest(
        calibration=request.calibration,
        samples=request.samples,
        seed=request.seed,
        preprocess=request.preprocess,
        input_size_px=request.graph.input_size_px,
    )
    source = open_calibration(calibration)
    if source is None or _stored_synthetic(source):
        _warn(RECIPES[request.recipe].on_synthetic, reporter, warnings)
    graph = resolve_graph(request.graph, reporter)
    check_labels(source, graph.classes)
    with timed(timings_s, "calibration_images", "reading calibration images", reporter):
        images, manifest = load_images(calibration, source, reporter)
    for warning in image_warnings(manifest):
        _warn(warning, reporter, warnings)
    with timed(timings_s, "build", "building the Keras graph", reporter):
        model = build_graph(graph, batch_size=1)
    with timed(timings_s, "convert_float", "converting to float .tflite (about 10 s)", reporter):
        float_model = convert_float(model)
    recipe = RECIPES[request.recipe]
    statistics = _stored_statistics(request.calibration, float_model) if recipe.observes else None
    reused = f" ({len(statistics.images)} images' statistics reused)" if statistics else ""
    with timed(timings_s, "quantize", f"quantizing with recipe {request.recipe}{reused}", reporter):
        int8_model = recipe.quantize(
            float_model,
            images,
            io=request.io,
            hard_swish=request.hard_swish,
            seed=request.seed,
            on_image=reporter.progress,
            statistics=statistics,
            synthetic=manifest.kind == SYNTHETIC,
        )
    with staged(paths, force=request.force) as (float_file, int8_file, json_file):
        float_file.write_bytes(float_model)
        int8_file.write_bytes(int8_model)
        with timed(timings_s, "checks", "checking the int8 file", reporter):
            checks = check_int8(int8_file, io=request.io)
        for problem in checks.problems:
            _warn(f"do not ship {paths[1]}: it {problem}", reporter, warnings)
        result = QuantizeResult(
            name=name,
            variant=graph.info(),
            weights=graph.weights,
            calibration=manifest,
            recipe=request.recipe,
            hard_swish=request.hard_swish,
            io=request.io,
            float_path=str(paths[0]),
            float_size_bytes=len(float_model),
            float_sha256=sha256_file(float_file),
            int8_path=str(paths[1]),
            int8_size_bytes=len(int8_model),
            int8_sha256=sha256_file(int8_file),
            checks=checks,
            warnings=tuple(warnings),
            timings_s={step: round(seconds, 3) for step, seconds in timings_s.items()},
            versions=versions(),
        )
        json_file.write_text(to_json(result), encoding="utf-8")
    return result


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
    from edge_mnv3_quantization.validation import LabelledImages, validate

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


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _stored_synthetic(source: Source | StoredCalibration) -> bool:
    from edge_mnv3_calibration_data.stored import StoredCalibration

    return isinstance(source, StoredCalibration) and source.description.manifest.kind == SYNTHETIC


def _stored_statistics(calibration: str, float_model: bytes) -> Statistics | None:
    """Those of a float file that lie in a stored calibration."""
    from edge_mnv3_quantization.statistics import (
        load_statistics,
        network_sha256,
        observed_network,
        statistics_file,
    )

    path = Path(calibration) / statistics_file(network_sha256(observed_network(float_model)))
    return load_statistics(path) if path.exists() else None


def _warn(text: str, reporter: Reporter, warnings: list[str]) -> None:
    warnings.append(text)
    reporter.warn(text)


@contextmanager
def timed(timings_s: dict[str, float], key: str, text: str, reporter: Reporter) -> Iterator[None]:
    """Reports a step, and notes how long it took."""
    reporter.step(text)
    started = time.perf_counter()
    yield
    timings_s[key] = time.perf_counter() - started
