"""What the recipes keep of networks trained here, with batch norms as training leaves them.

    python -m benchmarks.trained_variants -o trained

Trains each variant on the handwritten digits of scikit-learn, quantizes it with each recipe on training
images, and compares with float on the held-out images, which are by other writers. Prints a Markdown table
and writes `DIR/seed_N.json`. The weights stay in `DIR/weights`: a second run trains nothing.

Digits are easy, so top-1 hardly tells recipes apart: read the signal to noise. The files are made without
softmax, which would hide most of it. Noise of the logits counts every class alike; noise of the probabilities
that follow from them counts what an answer depends on. All of it takes about half an hour on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.digits_training import PREPROCESS, Labelled, read, train
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.outputs import write_text
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.versions import versions
from edge_mnv3.model.arch import MIN_INPUT_SIZE, VARIANTS, parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3_calibration_data.sources.digits import CLASSES, write_digits
from edge_mnv3_quantization.recipes.config import RECIPES

NETWORKS, COMPARED = tuple(VARIANTS), tuple(RECIPES)
BASELINE = "stock"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The agreement of an int8 file under one kind of kernels with float under XNNPACK.

    Attributes:
        logits_snr_db: Signal to noise of the logits, the signal being what differs from image to image.
        probabilities_snr_db: The same for their softmax.
        output_snr_db: What rounding and clipping float's own logits to the 256 output levels leaves: no file
            with this output is better, but by chance.
    """

    top1_percent: float
    agreement_percent: float
    logits_snr_db: float
    probabilities_snr_db: float
    output_snr_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One int8 file.

    Attributes:
        network: The variant's name.
        xnnpack: None where it does not load under XNNPACK.
        builtin: None where it does not load under the built-in kernels.
        partitions: Subgraphs handed to XNNPACK.
        quantize_s: Time that the recipe took, without building and converting the float graph.
    """

    network: str
    recipe: str
    float_top1_percent: float
    xnnpack: Accuracy | None
    builtin: Accuracy | None
    partitions: int | None
    quantize_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """How far a recipe is ahead of `stock` on one network, where both files load.

    Attributes:
        logits_snr_db: Difference of the logits' signal to noise.
        probabilities_snr_db: The same for their softmax.
        agreement_points: Difference of the agreement with float.
    """

    network: str
    recipe: str
    kernels: str
    logits_snr_db: float
    probabilities_snr_db: float
    agreement_points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all rows of a run have in common."""

    input_size_px: int
    epochs: int
    training_images: int
    held_out_images: int
    calibration_images: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All rows of a run."""

    options: Options
    rows: tuple[Row, ...]
    margins: tuple[Margin, ...]
    versions: dict[str, str]


def compared(recipe: str, made: QuantizeResult, held_out: Labelled) -> Row:
    """Compares an int8 file with float, under both kinds of kernels."""
    wanted, _ = _logits(Path(made.float_path), held_out.pixels, "xnnpack")
    checks = made.checks
    return Row(
        network=made.name if made.variant is None else made.variant.name,
        recipe=recipe,
        float_top1_percent=float(100 * np.mean(wanted.argmax(axis=1) == held_out.labels)),
        xnnpack=accuracy(made, wanted, held_out, "xnnpack") if checks.xnnpack.loads else None,
        builtin=accuracy(made, wanted, held_out, "builtin") if checks.builtin.loads else None,
        partitions=checks.xnnpack.partitions,
        quantize_s=made.timings_s["quantize"],
    )


def accuracy(made: QuantizeResult, wanted: Array, held_out: Labelled, kernels: Kernels) -> Accuracy:
    """Runs an int8 file over the held-out images and compares its logits with those wanted."""
    got, output = _logits(Path(made.int8_path), held_out.pixels, kernels)
    levels = np.iinfo(output.dtype)
    scale, zero_point = output.scale or 1.0, output.zero_point or 0
    rounded = scale * (np.clip(np.round(wanted / scale) + zero_point, levels.min, levels.max) - zero_point)
    return Accuracy(
        top1_percent=float(100 * np.mean(got.argmax(axis=1) == held_out.labels)),
        agreement_percent=float(100 * np.mean(got.argmax(axis=1) == wanted.argmax(axis=1))),
        logits_snr_db=signal_to_noise_db(wanted, got),
        probabilities_snr_db=signal_to_noise_db(softmax(wanted), softmax(got)),
        output_snr_db=signal_to_noise_db(wanted, rounded),
    )


def _logits(path: Path, images: Pixels, kernels: Kernels) -> tuple[Array, TensorInfo]:
    """Runs a file without softmax: (images, classes) as real numbers, and how they were stored."""
    model = open_model(path, kernels=kernels)
    stored = np.stack([model.run(image) for image in images]).astype(np.float64)
    (output,) = model.outputs
    if output.scale is None:
        return stored, output
    return output.scale * (stored - (output.zero_point or 0)), output


def softmax(logits: Array) -> Array:
    """Probabilities, (images, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def signal_to_noise_db(wanted: Array, got: Array) -> float:
    """Computes the ratio over (images, classes); the mean over the images is no signal."""
    signal = float(np.square(wanted - wanted.mean(axis=0)).sum())
    return float(10 * np.log10(signal / float(np.square(got - wanted).sum())))


def margins(rows: Sequence[Row]) -> tuple[Margin, ...]:
    """Compares every other recipe with `stock`."""
    stocks = {row.network: row for row in rows if row.recipe == BASELINE}
    return tuple(
        Margin(
            network=row.network,
            recipe=row.recipe,
            kernels=kernels,
            logits_snr_db=one.logits_snr_db - other.logits_snr_db,
            probabilities_snr_db=one.probabilities_snr_db - other.probabilities_snr_db,
            agreement_points=one.agreement_percent - other.agreement_percent,
        )
        for row in rows
        if row.recipe != BASELINE and (stock := stocks.get(row.network))
        for kernels, one, other in (
            ("xnnpack", row.xnnpack, stock.xnnpack),
            ("builtin", row.builtin, stock.builtin),
        )
        if one and other
    )


def table(comparison: Comparison) -> str:
    """Writes Markdown: XNNPACK's figures, the built-in kernels' in brackets, then the smallest margins."""
    options = comparison.options
    lines = [
        f"{options.input_size_px} px, {options.calibration_images} calibration images, seed {options.seed}, "
        f"{options.held_out_images} held-out images. Signal to noise in dB: of the "
        "logits, of the probabilities, and of float's own logits rounded to the file's output.",
        "",
        "| network | recipe | float top-1 % | int8 top-1 % | agreement % | logits, dB | probabilities, dB "
        "| rounded, dB | partitions | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in comparison.rows:
        cells = [
            row.network,
            f"`{row.recipe}`",
            f"{row.float_top1_percent:.1f}",
            _cell(row, attrgetter("top1_percent")),
            _cell(row, attrgetter("agreement_percent")),
            _cell(row, attrgetter("logits_snr_db")),
            _cell(row, attrgetter("probabilities_snr_db")),
            _cell(row, attrgetter("output_snr_db")),
            "does not load" if row.partitions is None else str(row.partitions),
            f"{row.quantize_s:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for recipe in dict.fromkeys(margin.recipe for margin in comparison.margins):
        lines += ["", _least(recipe, [one for one in comparison.margins if one.recipe == recipe])]
    return "\n".join(lines)


def _least(recipe: str, margins: Sequence[Margin]) -> str:
    logits = min(margins, key=attrgetter("logits_snr_db"))
    probabilities = min(margins, key=attrgetter("probabilities_snr_db"))
    return (
        f"`{recipe}` less `{BASELINE}`, at least: logits {logits.logits_snr_db:+.1f} dB ({logits.network}, "
        f"{logits.kernels}), probabilities {probabilities.probabilities_snr_db:+.1f} dB "
        f"({probabilities.network}, {probabilities.kernels}), agreement "
        f"{min(margin.agreement_points for margin in margins):+.1f} points."
    )


def _cell(row: Row, number: Callable[[Accuracy], float]) -> str:
    xnnpack, builtin = (
        "does not load" if one is None else f"{number(one):.1f}" for one in (row.xnnpack, row.builtin)
    )
    return f"{xnnpack} ({builtin})"


def request(
    graph: GraphRequest, recipe: str, calibration: Path, output_dir: Path, options: Options
) -> QuantizeRequest:
    """What `quantize` would be asked."""
    return QuantizeRequest(
        graph=graph,
        calibration=str(calibration),
        samples=options.calibration_images,
        seed=options.seed,
        preprocess=PREPROCESS,
        recipe=recipe,
        hard_swish="auto",
        io="uint8",
        output_dir=output_dir / graph.variant.name / f"{recipe}_seed_{options.seed}",
        force=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command's options."""

    output_dir: Path
    variants: tuple[str, ...]
    recipes: tuple[str, ...]
    epochs: int
    samples: int
    seed: int
    input_size: int
    images: int | None
    as_json: bool


@click.command()
@click.option("-o", "--output-dir", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--variant", "variants", multiple=True, type=click.Choice(tuple(VARIANTS)), default=tuple(VARIANTS)
)
@click.option("--recipe", "recipes", multiple=True, type=click.Choice(tuple(RECIPES)), default=tuple(RECIPES))
@click.option("--epochs", default=30, show_default=True)
@click.option("--samples", default=200, show_default=True, help="Calibration images.")
@click.option(
    "--seed", default=0, show_default=True, help="Decides which images are taken, and where recipes measure."
)
@click.option("--input-size", default=64, show_default=True, type=click.IntRange(min=MIN_INPUT_SIZE))
@click.option("--images", type=click.IntRange(min=1), help="At most so many to train on, and held out.")
@click.option("--json", "as_json", is_flag=True)
def main(**values: Any) -> None:
    """Prints what each recipe keeps of each network."""
    arguments = Arguments(**values)
    calibration, other = write_digits(arguments.output_dir / "digits")
    training, held_out = (read(csv, arguments.input_size, arguments.images) for csv in (calibration, other))
    options = Options(
        input_size_px=arguments.input_size,
        epochs=arguments.epochs,
        training_images=len(training.labels),
        held_out_images=len(held_out.labels),
        calibration_images=arguments.samples,
        seed=arguments.seed,
    )
    reporter = TerminalReporter()
    rows: list[Row] = []
    for variant in map(parse_variant, arguments.variants):
        trained = f"{arguments.input_size}px_{len(training.labels)}_images_{arguments.epochs}_epochs"
        name = f"{variant.name}_{trained}.weights.h5"
        weights = arguments.output_dir / "weights" / name
        if not weights.exists():
            train(variant, training, arguments.epochs, weights)
        graph = GraphRequest(
            variant=variant,
            input_size_px=arguments.input_size,
            classes=CLASSES,
            weights=str(weights),
            include_softmax=False,
        )
        for recipe in arguments.recipes:
            made = quantize(request(graph, recipe, calibration, arguments.output_dir, options), reporter)
            rows.append(compared(recipe, made, held_out))
            click.echo(str(rows[-1]), err=True)
    reporter.close()
    comparison = Comparison(options=options, rows=tuple(rows), margins=margins(rows), versions=versions())
    write_text(arguments.output_dir / f"seed_{arguments.seed}.json", to_json(comparison), force=True)
    click.echo(to_json(comparison) if arguments.as_json else table(comparison), nl=not arguments.as_json)


if __name__ == "__main__":
    main()
