"""The stage `quantize`: builds, converts, calibrates, quantizes, checks, writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.choices import (
    DEFAULT_HARD_SWISH,
    DEFAULT_IO,
    DEFAULT_PREPROCESS,
    DEFAULT_TARGET,
    QUANTIZED_FOLDER,
    SYNTHETIC,
    HardSwishPolicy,
    IoType,
    Kernels,
    PreprocessName,
    Target,
)
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import ImageSample, ImageSource, SampleRequest, foreign_labels, manifest_warnings
from edge_mnv3.core.outputs import check_writable, staged
from edge_mnv3.core.reporting import SILENT, Phase, Reporter, timed
from edge_mnv3.core.requests import AnyPath, Count, Request, check_call
from edge_mnv3.core.result_files import QUANTIZE_FILE
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.models import ModelChecks
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.validate import Noticed
from edge_mnv3.core.runtime import open_bytes, open_model
from edge_mnv3.core.tensorflow_package import check_tensorflow
from edge_mnv3.core.tflite.range_metadata import with_known_range
from edge_mnv3.core.versions import versions
from edge_mnv3.model.graphs import GraphRequest, check_weights_choice
from edge_mnv3.stages.float_model import FloatModel, ModelRequest
from edge_mnv3.stages.open_model import (
    READING,
    OpenedModel,
    check_model_packages,
    model_name,
    open_float_model,
)
from edge_mnv3.stages.population import check_population, read_population, used_statistics
from edge_mnv3.stages.quantize_choices import check_choices
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES, RecipeConfig
from edge_mnv3_quantization.recipes.expected import SMALL_MULTIPLY_ADDS, expected_s

if TYPE_CHECKING:
    from edge_mnv3_quantization.calibration.counted import CountedStatistics
    from edge_mnv3_quantization.calibration.statistics import Statistics
    from edge_mnv3_quantization.recipes.inputs import Quantized


# The steps that users see, and seconds that they take on two x86-64 cores.
_QUANTIZING = "quantizing"
_CHECKING = "checking the int8 file"
_CHECK_S = 1.5
_COMPARING = "comparing answers to calibration images"
_COMPARE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRequest(Request):
    """What to quantize and how.

    Attributes:
        graph: A variant and its weights, or a whole model of the user's.
        calibration: `synthetic`, `digits`, or the path of a folder, CSV, list, `.npz`, manifest or stored
            calibration.
        samples: Number of calibration images, at least 1; None for up to 500, or 200 synthetic ones.
        seed: Decides which images are drawn, and is the seed of the recipe.
        preprocess: Key of `PREPROCESSES`.
        statistics: Files, or folders of files, of `edge-mnv3 statistics`, together over any images: the
            numbers that values reach are taken from them, while costs are measured and weights fitted on the
            calibration images. Empty for those of the calibration images.
        recipe: Key of `RECIPES`.
        hard_swish: What the recipe makes of hard-swish; `auto` for one that has no choice.
        target: Where the file is to run: a phone's budget counts from the cheapest file and is spent on forms
            of hard-swish too, that of x86 is spent on channel copies alone. Without a budget it would decide
            nothing, and another than x86 is refused.
        budget_percent: How much more modelled cost on an Arm processor than the cheapest file may be spent on
            accuracy, 0 to `MOST_BUDGET_PERCENT`; None for the cheapest forms
            that are accurate enough, and no copies.
        io: dtype of the int8 file's input and output.
        output_dir: Folder for the two files and `quantize.json`.
        force: Overwrite them.
        use_cache: Take the float file from the cache if an equal one was made before, and keep it there.
    """

    graph: GraphRequest | ModelRequest
    calibration: AnyPath = SYNTHETIC
    samples: Count | None = None
    seed: int = 0
    preprocess: PreprocessName = DEFAULT_PREPROCESS
    statistics: Sequence[AnyPath] = ()
    recipe: str = DEFAULT_RECIPE
    hard_swish: HardSwishPolicy = DEFAULT_HARD_SWISH
    target: Target = DEFAULT_TARGET
    budget_percent: float | None = None
    io: IoType = DEFAULT_IO
    output_dir: AnyPath = QUANTIZED_FOLDER
    force: bool = False
    use_cache: bool = True

    def check(self) -> None:
        """Refuses what the registries do not have.

        Raises:
            ArgumentError: The variant has no published weights, where these are asked for; the recipe is
                unknown, or it has no such choice of hard-swish, no such budget, or no use for statistics; or
                nothing would follow from the target.
        """
        if isinstance(self.graph, GraphRequest):
            check_weights_choice(self.graph)
        check_choices(self, _recipe(self))


def quantize(request: QuantizeRequest, reporter: Reporter = SILENT) -> QuantizeResult:
    """Reads or builds, converts, calibrates, quantizes, checks, writes the two files and `quantize.json`.

    The float file of a variant takes pixels 0..255, float32 of shape (1, height, width, 3), RGB; that of a
    whole model takes what the model takes, which `result.model` tells. The int8 file takes pixels, as
    `request.io`; as float32 it takes what the float file takes. Nothing is written unless everything could
    be. A file that fails its checks is written, so that it can be examined, and the result says so:
    `checks.passed` is False.

    Raises:
        ArgumentError: The graph's arguments contradict each other.
        CalibrationDataError: There are no images, or they cannot be read.
        ConversionError: A converter or the recipe refuses the graph.
        DownloadError: The published weights cannot be downloaded.
        InputFileError: The weights, a list of images or statistics cannot be read.
        MissingExtraError: The model or the recipe needs TensorFlow, which is not installed.
        OutputError: A file exists and `force` is off, or it cannot be written.
        WeightsMismatchError: The weights are those of another network or class count.
    """
    check_call("quantize", (QuantizeRequest,), request, reporter)
    from edge_mnv3_calibration_data.source_kinds import open_images

    recipe = _recipe(request)
    _check_packages(request, recipe)
    name = model_name(request.graph)
    paths = [
        Path(request.output_dir, file)
        for file in (f"{name}_float.tflite", f"{name}_int8.tflite", QUANTIZE_FILE)
    ]
    check_writable(paths, force=request.force)
    run = _Run(reporter)
    population = read_population(request.statistics)
    source = open_images(request.calibration)
    if source.synthetic:
        run.warn(recipe.synthetic_warning)
    with open_float_model(request.graph, use_cache=request.use_cache, reporter=run) as opened:
        source.check_shape(opened.shape)
        for remark in foreign_labels(source, classes=opened.classes):
            run.warn(remark)
        reporter.plan(_phases(request, opened, source))
        sample = _calibration_sample(request, opened, source, run)
        float_model = opened.made()
    run.timings_s |= float_model.timings_s
    quantized = _quantized(request, float_model, sample, population, run)
    with staged(paths, force=request.force) as (float_path, int8_file, json_file):
        float_path.write_bytes(float_model.content)
        int8_file.write_bytes(quantized.model)
        checks = _checks(int8_file, request.io, paths[1], run)
        findings = _signal_findings(request, float_model, sample, int8_file, checks, run)
        result = QuantizeResult(
            name=name,
            model=float_model.facts,
            source=float_model.source,
            variant=float_model.variant,
            weights=float_model.weights,
            calibration=sample.manifest,
            statistics=used_statistics(request.statistics, population),
            recipe=request.recipe,
            hard_swish=request.hard_swish,
            target=request.target,
            budget_percent=request.budget_percent,
            io=request.io,
            float_path=str(paths[0]),
            float_size_bytes=len(float_model.content),
            float_sha256=sha256_file(float_path),
            float_from_cache=float_model.from_cache,
            int8_path=str(paths[1]),
            int8_size_bytes=len(quantized.model),
            int8_sha256=sha256_file(int8_file),
            checks=checks,
            recipe_report=quantized.report,
            findings=findings,
            warnings=tuple(run.warnings),
            timings_s={step: round(seconds, 3) for step, seconds in run.timings_s.items()},
            versions=versions(),
        )
        json_file.write_text(to_json(result), encoding="utf-8")
    return result


def _check_packages(request: QuantizeRequest, recipe: RecipeConfig) -> None:
    """Refuses what needs TensorFlow where there is none."""
    check_model_packages(request.graph)
    if recipe.needs_tensorflow:
        check_tensorflow(f"recipe {recipe.name}")


def _phases(request: QuantizeRequest, opened: OpenedModel, source: ImageSource) -> list[Phase]:
    """What is to come, with the seconds that it takes on two x86-64 cores."""
    images = source.sample_size(request.samples)
    small_s = sum(expected_s(RECIPES[request.recipe], images, synthetic=source.synthetic).values())
    return [
        *opened.first_phases(images),
        Phase(_QUANTIZING, small_s * opened.multiply_adds / SMALL_MULTIPLY_ADDS),
        Phase(_CHECKING, _CHECK_S),
        Phase(_COMPARING, _COMPARE_S),
    ]


class _Run(Reporter):
    """What is noted while the stage runs."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.timings_s: dict[str, float] = {}
        self.warnings: list[str] = []

    def timed(self, key: str, text: str) -> AbstractContextManager[None]:
        """Reports a step, and notes how long it took."""
        return timed(self.timings_s, key, text, self.reporter)

    def plan(self, phases: Sequence[Phase]) -> None:
        """Reports the steps that are to come."""
        self.reporter.plan(phases)

    def step(self, text: str) -> None:
        """Reports a step."""
        self.reporter.step(text)

    def progress(self, done: int, total: int) -> None:
        """Reports progress."""
        self.reporter.progress(done, total)

    def warn(self, text: str) -> None:
        """Reports a warning, and notes it."""
        self.warnings.append(text)
        self.reporter.warn(text)


def _recipe(request: QuantizeRequest) -> RecipeConfig:
    recipe = RECIPES.get(request.recipe)
    if recipe is None:
        raise ArgumentError("recipe", repr(request.recipe), " or ".join(RECIPES))
    if request.hard_swish not in recipe.hard_swish_policies:
        raise ArgumentError(
            f"--hard-swish with recipe {recipe.name}",
            request.hard_swish,
            " or ".join(recipe.hard_swish_policies),
            f"use --recipe {DEFAULT_RECIPE}",
        )
    return recipe


def _calibration_sample(
    request: QuantizeRequest, opened: OpenedModel, source: ImageSource, run: _Run
) -> ImageSample:
    wanted = SampleRequest(
        shape=opened.shape,
        samples=request.samples,
        seed=request.seed,
        preprocess=request.preprocess,
    )
    with run.timed("calibration_images", READING):
        sample = source.sample(wanted, run.reporter)
    for warning in (*source.remarks, *manifest_warnings(sample.manifest)):
        run.warn(warning)
    return sample


def _quantized(
    request: QuantizeRequest,
    float_model: FloatModel,
    sample: ImageSample,
    population: CountedStatistics | None,
    run: _Run,
) -> Quantized:
    from edge_mnv3_quantization.options import QuantizationOptions
    from edge_mnv3_quantization.recipes import quantize as recipes

    recipe, takes = RECIPES[request.recipe], float_model.input_range
    statistics: Statistics | CountedStatistics | None = None
    if population is not None:
        for warning in check_population(population, float_model, sample):
            run.warn(warning)
        statistics = population
    elif recipe.reuses_statistics:
        statistics = _stored_statistics(request.calibration, float_model)
    with run.timed("quantize", _QUANTIZING):
        quantized = recipes.quantize(
            float_model.content,
            sample.pixels,
            recipe,
            options=QuantizationOptions(
                io=request.io,
                hard_swish=request.hard_swish,
                target=request.target,
                budget_percent=request.budget_percent,
                seed=request.seed,
                synthetic=sample.synthetic,
                input_range=takes,
            ),
            statistics=statistics,
            reporter=run.reporter,
        )
    if request.io != "float32":
        return quantized
    return dataclasses.replace(quantized, model=with_known_range(quantized.model, takes, "int8"))


def _checks(file: Path, io: IoType, final_path: Path, run: _Run) -> ModelChecks:
    """Checks the int8 file; warnings call it by the path that it will have."""
    from edge_mnv3_quantization.validation.checks import check_int8

    with run.timed("checks", _CHECKING):
        checks = check_int8(file, io=io)
    for problem in checks.problems:
        run.warn(f"do not ship {final_path}: it {problem}")
    return checks


def _signal_findings(
    request: QuantizeRequest,
    float_model: FloatModel,
    sample: ImageSample,
    int8_file: Path,
    checks: ModelChecks,
    run: _Run,
) -> tuple[Noticed, ...]:
    """Whether the int8 file's answers to calibration images are more than noise."""
    from edge_mnv3_quantization.validation.findings import noticed
    from edge_mnv3_quantization.validation.signal import signal_findings

    if not (checks.xnnpack.loads or checks.builtin.loads):
        return ()
    kernels: Kernels = "xnnpack" if checks.xnnpack.loads else "builtin"
    takes = float_model.input_range
    with run.timed("compare_answers", _COMPARING):
        findings = signal_findings(
            open_bytes(float_model.content, input_range=takes),
            open_model(int8_file, kernels=kernels, input_range=takes if request.io == "float32" else None),
            sample.pixels,
            float_model.facts.outputs,
        )
    for finding in findings:
        run.warn(finding.text)
    return tuple(map(noticed, findings))


def _stored_statistics(calibration: str | Path, float_model: FloatModel) -> Statistics | None:
    """Those of a float file that lie in a stored calibration."""
    from edge_mnv3_quantization.calibration.statistics import (
        load_statistics,
        network_sha256,
        observed_network,
        statistics_file,
    )

    network = observed_network(float_model.content, float_model.input_range)
    path = Path(calibration) / statistics_file(network_sha256(network))
    return load_statistics(path) if path.exists() else None
