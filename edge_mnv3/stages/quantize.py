"""The stage `quantize`: builds, converts, calibrates, quantizes, checks, writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import SampleRequest, check_labels, manifest_warnings
from edge_mnv3.core.outputs import check_writable, staged
from edge_mnv3.core.reporting import Reporter, timed
from edge_mnv3.core.result_files import QUANTIZE_FILE
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.versions import versions
from edge_mnv3.model.graphs import GraphRequest, build_graph, resolve_graph

if TYPE_CHECKING:
    from edge_mnv3_quantization.calibration.statistics import Statistics
    from edge_mnv3_quantization.options import HardSwishPolicy, IoType


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRequest:
    """What to quantize and how.

    Attributes:
        calibration: `synthetic`, `digits`, or the path of a folder, CSV, list, `.npz`, manifest or stored
            calibration.
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
    hard_swish: HardSwishPolicy
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
    from edge_mnv3_calibration_data.source_kinds import open_images
    from edge_mnv3_quantization.convert import convert_float
    from edge_mnv3_quantization.options import QuantizationOptions
    from edge_mnv3_quantization.recipes import quantize as recipes
    from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES
    from edge_mnv3_quantization.validation.checks import check_int8

    recipe = RECIPES[request.recipe]
    if request.hard_swish not in recipe.hard_swish_policies:
        raise ArgumentError(
            f"--hard-swish with recipe {request.recipe}",
            request.hard_swish,
            " or ".join(recipe.hard_swish_policies),
            f"use --recipe {DEFAULT_RECIPE}",
        )
    name = f"mobilenet_v3_{request.graph.variant.name}_{request.graph.input_size_px}"
    paths = [
        request.output_dir / file for file in (f"{name}_float.tflite", f"{name}_int8.tflite", QUANTIZE_FILE)
    ]
    check_writable(paths, force=request.force)
    timings_s: dict[str, float] = {}
    warnings: list[str] = []
    source = open_images(request.calibration)
    source.check_size(request.graph.input_size_px)
    if source.synthetic:
        _warn(recipe.synthetic_warning, reporter, warnings)
    graph = resolve_graph(request.graph, reporter)
    check_labels(source, classes=graph.classes, place=str(source.root))
    with timed(timings_s, "calibration_images", "reading calibration images", reporter):
        sample = source.sample(
            SampleRequest(
                input_size_px=request.graph.input_size_px,
                samples=request.samples,
                seed=request.seed,
                preprocess=request.preprocess,
            ),
            reporter,
        )
    for warning in manifest_warnings(sample.manifest):
        _warn(warning, reporter, warnings)
    with timed(timings_s, "build", "building the Keras graph", reporter):
        model = build_graph(graph, batch_size=1)
    with timed(timings_s, "convert_float", "converting to float .tflite (about 10 s)", reporter):
        float_model = convert_float(model)
    statistics = _stored_statistics(request.calibration, float_model) if recipe.reuses_statistics else None
    reused = f" ({len(statistics.images)} images' statistics reused)" if statistics else ""
    with timed(timings_s, "quantize", f"quantizing with recipe {request.recipe}{reused}", reporter):
        quantized = recipes.quantize(
            float_model,
            sample.pixels,
            recipe,
            options=QuantizationOptions(
                io=request.io,
                hard_swish=request.hard_swish,
                seed=request.seed,
                synthetic=sample.synthetic,
            ),
            statistics=statistics,
            reporter=reporter,
        )
    with staged(paths, force=request.force) as (float_file, int8_file, json_file):
        float_file.write_bytes(float_model)
        int8_file.write_bytes(quantized.model)
        with timed(timings_s, "checks", "checking the int8 file", reporter):
            checks = check_int8(int8_file, io=request.io)
        for problem in checks.problems:
            _warn(f"do not ship {paths[1]}: it {problem}", reporter, warnings)
        result = QuantizeResult(
            name=name,
            variant=graph.info(),
            weights=graph.weights,
            calibration=sample.manifest,
            recipe=request.recipe,
            hard_swish=request.hard_swish,
            io=request.io,
            float_path=str(paths[0]),
            float_size_bytes=len(float_model),
            float_sha256=sha256_file(float_file),
            int8_path=str(paths[1]),
            int8_size_bytes=len(quantized.model),
            int8_sha256=sha256_file(int8_file),
            checks=checks,
            recipe_report=quantized.report,
            warnings=tuple(warnings),
            timings_s={step: round(seconds, 3) for step, seconds in timings_s.items()},
            versions=versions(),
        )
        json_file.write_text(to_json(result), encoding="utf-8")
    return result


def _stored_statistics(calibration: str, float_model: bytes) -> Statistics | None:
    """Those of a float file that lie in a stored calibration."""
    from edge_mnv3_quantization.calibration.statistics import (
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
