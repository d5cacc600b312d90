"""What an int8 file keeps of float, by the number of calibration images, and with synthetic ones.

    python -m benchmarks.calibration_size --variant small --weights W.h5 --calibration calibration.csv \
        --data val.csv -o sizes
    python -m benchmarks.calibration_size --float M_float.tflite --calibration photos/ --data val.csv -o sizes

Prints a Markdown table: top-1 and agreement with float, under XNNPACK and under the built-in kernels, what
each step to more images bought, with the interval of that on the same labelled images, and the seconds that
the recipe took. Sizes are 1, 10, 100 and 500; where there are more images, they double up to all of them;
`--images` names others. Give `--seed` several times for several draws: of few images, which ones
matters as much as how many.

Each row is written when it is done, and the same command goes on where it stopped; `--rows N` stops after so
many new ones. Rows are kept apart by everything that they depend on, down to the recipe's source: a changed
recipe starts anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.calibration_size_table import Accuracy, Conditions, Row, Table, table
from edge_mnv3.commands.options import preprocess_option
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.core.choices import KERNELS, SYNTHETIC, Kernels, PreprocessName
from edge_mnv3.core.errors import CalibrationDataError, ModelFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import ImageSample, SampleRequest, manifest_warnings
from edge_mnv3.core.outputs import staged, write_text
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.runtime import open_model, probe
from edge_mnv3.core.versions import versions
from edge_mnv3.model.arch import DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE, VARIANTS, parse_variant
from edge_mnv3.model.graphs import GraphRequest, build_graph, resolve_graph
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.convert import convert_float
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.quantize import quantize

SIZES = (1, 10, 100, 500)
_GROWTH = 2  # from one size to the next, above those
COMPARED = tuple(config.name for config in RECIPES.values() if config.benchmarked)
RECIPE_PACKAGES = ("edge_mnv3_quantization", "edge_mnv3.core.tflite")
_DIGEST_LENGTH = 12


class Point(NamedTuple):
    """A row that is wanted."""

    recipe: str
    calibration: str
    samples: int
    seed: int

    @property
    def file(self) -> str:
        """Name of its file."""
        kind = f"{SYNTHETIC}_" if self.calibration == SYNTHETIC else ""
        return f"{self.recipe}_{kind}{self.samples}_seed_{self.seed}.json"


def sizes_up_to(available: int | None) -> tuple[int, ...]:
    """The usual sizes, then twice as many each time, and all images that there are at the end."""
    if available is None or available <= SIZES[-1]:
        return SIZES
    sizes = list(SIZES)
    while sizes[-1] * _GROWTH < available:
        sizes.append(sizes[-1] * _GROWTH)
    return (*sizes, available)


def points(
    calibration: str, recipes: Sequence[str], sizes: Sequence[int], synthetic: int, seeds: Sequence[int]
) -> list[Point]:
    """Lists the rows, all seeds of one number of images together."""
    sources = [(calibration, size) for size in sizes] + [(SYNTHETIC, synthetic)] * bool(synthetic)
    return [
        Point(recipe, source, samples, seed)
        for recipe, (source, samples), seed in itertools.product(recipes, sources, seeds)
    ]


def chosen_images(
    point: Point, float_path: Path, preprocess: PreprocessName, reporter: Reporter
) -> ImageSample:
    """Reads the calibration images of one row, of the size that the float file takes."""
    shape = ImageShape.square(open_model(float_path).inputs[0].shape[1])
    request = SampleRequest(samples=point.samples, seed=point.seed, preprocess=preprocess, shape=shape)
    sample = open_images(point.calibration).sample(request, reporter)
    if sample.manifest.requested != point.samples:
        raise CalibrationDataError(
            f"calibration {point.calibration}",
            f"a list of {len(sample.pixels)} chosen images",
            f"a folder, CSV, list or .npz to choose {point.samples} from",
        )
    for warning in manifest_warnings(sample.manifest):
        reporter.warn(warning)
    return sample


def measure(point: Point, validation: ValidateRequest, reporter: Reporter) -> Row:
    """Makes the int8 file that `validation` names, and validates it under each kind of kernels."""
    float_path, int8_path = Path(validation.float_path), Path(validation.int8_path)
    sample = chosen_images(point, float_path, validation.preprocess, reporter)
    images, manifest = sample.pixels, sample.manifest
    reporter.step(f"{point.recipe}, {len(images)} images, {manifest.kind}, seed {point.seed}")
    started = time.perf_counter()
    quantized = quantize(
        float_path.read_bytes(),
        images,
        RECIPES[point.recipe],
        options=QuantizationOptions(seed=point.seed, synthetic=sample.synthetic),
        reporter=reporter,
    )
    quantize_s = time.perf_counter() - started
    with staged([int8_path], force=True) as (temporary,):
        temporary.write_bytes(quantized.model)
    started = time.perf_counter()
    checks = {kernels: probe(int8_path, kernels=kernels) for kernels in KERNELS}
    validated: dict[Kernels, ValidateResult] = {
        kernels: validate(dataclasses.replace(validation, kernels=kernels), reporter)
        for kernels in KERNELS
        if checks[kernels].loads
    }
    figures = next((each.figures for each in validated.values()), None)
    if figures is None:
        raise ModelFileError(f"model {int8_path}", "a file that no kernels load", "one that runs")
    one = next(iter(validated.values()))
    return Row(
        recipe=point.recipe,
        kind=manifest.kind,
        images=len(images),
        images_sha256=manifest.sha256,
        seed=point.seed,
        labelled_images=one.n,
        float_top1_percent=figures.float_top1_percent,
        xnnpack=_accuracy(validated.get("xnnpack")),
        builtin=_accuracy(validated.get("builtin")),
        partitions=checks["xnnpack"].partitions,
        int8_sha256=one.int8.sha256,
        quantize_s=round(quantize_s, 1),
        validate_s=round(time.perf_counter() - started, 1),
    )


def _accuracy(result: ValidateResult | None) -> Accuracy | None:
    if result is None or result.figures is None:
        return None
    return Accuracy(
        top1_percent=result.figures.int8_top1_percent,
        agreement_percent=result.figures.agreement_percent,
        ci95_points=result.figures.delta.ci95_points,
        right=None if result.image_answers is None else result.image_answers.int8_right,
    )


def conditions_of(float_path: Path, calibration: str, data: Path, preprocess: PreprocessName) -> Conditions:
    """Takes down what rows depend on."""
    return Conditions(
        float_sha256=sha256_file(float_path),
        calibration=calibration,
        calibration_sha256=_sha256(Path(calibration)),
        data=str(data),
        data_sha256=_sha256(data),
        preprocess=preprocess,
        recipe_sha256=_source_sha256(),
        versions=versions(),
    )


def _sha256(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


def _source_sha256() -> str:
    digests = [
        f"{path.relative_to(source)} {sha256_file(path)}"
        for source in (Path(str(resources.files(package))) for package in RECIPE_PACKAGES)
        for path in sorted(source.rglob("*.py"))
    ]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def float_file(request: GraphRequest, output: Path, reporter: Reporter) -> None:
    """Builds the graph and converts it."""
    content = convert_float(build_graph(resolve_graph(request, reporter), batch_size=1))
    with staged([output], force=True) as (temporary,):
        temporary.write_bytes(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command's options."""

    float_path: Path | None
    variant: str | None
    alpha: float | None
    input_size: int
    weights: str
    calibration: str
    data: Path
    preprocess: PreprocessName
    recipes: tuple[str, ...]
    sizes: tuple[int, ...]
    synthetic: int
    seeds: tuple[int, ...]
    most_new: int | None
    output_dir: Path
    as_json: bool


def rows_of(
    wanted: Sequence[Point],
    conditions: Conditions,
    float_path: Path,
    arguments: Arguments,
    reporter: Reporter,
) -> Iterator[Row]:
    """Yields the rows that are there or can be made, in the order wanted."""
    text = to_json(conditions)
    folder = arguments.output_dir / hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    write_text(folder / "conditions.json", text, force=True)
    made = 0
    for point in wanted:
        path = folder / point.file
        if path.exists():
            yield from_json(Row, path.read_text(encoding="utf-8"))
        elif arguments.most_new is None or made < arguments.most_new:
            validation = ValidateRequest(
                float_path=float_path,
                int8_path=path.with_suffix(".tflite"),
                data=arguments.data,
                preprocess=arguments.preprocess,
            )
            row = measure(point, validation, reporter)
            write_text(path, to_json(row), force=False)
            made += 1
            click.echo(str(row), err=True)
            yield row


@click.command()
@click.option("--float", "float_path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--variant", type=click.Choice(tuple(VARIANTS)), help="Instead of --float.")
@click.option("--alpha", type=float)
@click.option(
    "--input-size", default=DEFAULT_INPUT_SIZE, show_default=True, type=click.IntRange(min=MIN_INPUT_SIZE)
)
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--calibration", required=True, type=click.Path(exists=True))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@preprocess_option
@click.option("--recipe", "recipes", multiple=True, type=click.Choice(tuple(RECIPES)), default=COMPARED)
@click.option("--images", "sizes", multiple=True, type=click.IntRange(min=1))
@click.option("--synthetic", default=100, show_default=True, help="Synthetic images; 0 for no such row.")
@click.option("--seed", "seeds", multiple=True, default=(0,))
@click.option("--rows", "most_new", type=click.IntRange(min=0), help="Make at most so many new rows.")
@click.option("-o", "--output-dir", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(**options: Any) -> None:
    """Prints a table of accuracy by number of calibration images."""
    arguments = Arguments(**options)
    reporter = TerminalReporter()
    float_path = arguments.float_path
    if float_path is None:
        if arguments.variant is None:
            raise click.UsageError("give --float or --variant")
        request = GraphRequest(
            variant=parse_variant(arguments.variant, arguments.alpha),
            input_size_px=arguments.input_size,
            classes=None,
            weights=arguments.weights,
        )
        float_path = arguments.output_dir / f"{request.variant.name}_{arguments.input_size}_float.tflite"
        reporter.step("making the float file")
        float_file(request, float_path, reporter)
    conditions = conditions_of(float_path, arguments.calibration, arguments.data, arguments.preprocess)
    sizes = arguments.sizes or sizes_up_to(open_images(arguments.calibration).available)
    wanted = points(arguments.calibration, arguments.recipes, sizes, arguments.synthetic, arguments.seeds)
    rows = tuple(rows_of(wanted, conditions, float_path, arguments, reporter))
    reporter.close()
    result = Table(conditions=conditions, rows=rows)
    write_text(arguments.output_dir / "calibration_size.json", to_json(result), force=True)
    click.echo(to_json(result) if arguments.as_json else table(rows), nl=not arguments.as_json)


if __name__ == "__main__":
    main()
