"""What the recipes keep of networks trained here, with batch norms as training leaves them.

    python benchmarks/trained_variants.py -o trained

Trains each variant on the handwritten digits of scikit-learn, quantizes it with each recipe on training
images, and compares with float on the held-out images, which are by other writers. Prints a Markdown table
and writes `DIR/seed_N.json`. The weights stay in `DIR/weights`: a second run trains nothing.

Digits are easy, so top-1 hardly tells recipes apart: read the signal to noise of the logits. The files are
made without softmax for that. All of it takes about half an hour on one core.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from edge_mnv3.arch import MIN_INPUT_SIZE, VARIANTS, Variant, parse_variant
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.digits import CLASSES, write_digits
from edge_mnv3.graphs import GraphRequest
from edge_mnv3.outputs import staged, write_text
from edge_mnv3.pipeline import QuantizeRequest, quantize, versions
from edge_mnv3.result_json import to_json
from edge_mnv3.results import QuantizeResult, TensorInfo
from edge_mnv3.runtime import Kernels, open_model
from edge_mnv3_calibration_data.loading import load_image
from edge_mnv3_calibration_data.sources import open_source
from edge_mnv3_quantization.recipes import RECIPES

NETWORKS, COMPARED = tuple(VARIANTS), tuple(RECIPES)
BASELINE = "stock"
PREPROCESS = "resize"
BATCH_SIZE = 32
PEAK_LEARNING_RATE = 2e-3
LABEL_SMOOTHING = 0.1
LARGEST_SHIFT = 0.1  # of the image's side, as augmentation
# The published 0.999 is made for long training. At 0.95 the averages have forgotten all but the last epochs,
# when the learning rate is next to 0 and the statistics stand still.
BATCH_NORM_MOMENTUM = 0.95

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]


class Labelled(NamedTuple):
    """Images, (N, size, size, 3) uint8, and their labels, (N,)."""

    pixels: Pixels
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Of an int8 file under one kind of kernels, against float under XNNPACK.

    Attributes:
        logits_snr_db: Signal to noise of the logits, the signal being what differs from image to image.
        output_snr_db: What rounding float's own logits to the file's 256 output levels would leave: no file
            with this output is better, but by chance.
    """

    top1_percent: float
    agreement_percent: float
    logits_snr_db: float
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
        snr_db: Difference of the logits' signal to noise.
        agreement_points: Difference of the agreement with float.
    """

    network: str
    recipe: str
    kernels: str
    snr_db: float
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


def read(csv: Path, size: int, most: int | None) -> Labelled:
    """Reads at most so many images as `quantize` does."""
    items = open_source(csv, need_labels=True).items[:most]
    pixels = [load_image(item, preprocess=PREPROCESS, size=size) for item in items]
    return Labelled(np.stack(pixels), np.array([item.label for item in items]))


def train(variant: Variant, images: Labelled, epochs: int, output: Path) -> None:
    """Trains a network from random weights and writes them; tells the training top-1 of each epoch.

    Deterministic on one thread: same TensorFlow, same processor, same weights.
    """
    # Before TensorFlow is loaded, which reads it once.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = untrained(variant, images.pixels.shape[1])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    steps = epochs * -(-len(images.pixels) // BATCH_SIZE)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, warmup_target=PEAK_LEARNING_RATE, warmup_steps=steps // 10
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    targets = np.eye(CLASSES, dtype=np.float32)[images.labels]
    for epoch, (order, pixels) in enumerate(_augmented(images.pixels, epochs), start=1):
        done = model.fit(pixels, targets[order], batch_size=BATCH_SIZE, shuffle=False, verbose=0).history
        click.echo(f"{variant.name}, epoch {epoch} of {epochs}: {100 * done['accuracy'][0]:.1f} %", err=True)
    # A model that was never compiled: the optimizer's state stays out of the file.
    bare = untrained(variant, images.pixels.shape[1])
    bare.set_weights(model.get_weights())
    with staged([output], force=False) as (temporary,):
        bare.save_weights(temporary)


def untrained(variant: Variant, size: int) -> Any:
    """Builds a network for the digits with random weights."""
    from edge_mnv3 import builder

    build = builder.MobileNetV3Small if variant.size == "small" else builder.MobileNetV3Large
    return build(
        input_shape=(size, size, 3),
        alpha=variant.alpha,
        minimalistic=variant.minimalistic,
        weights=None,
        classes=CLASSES,
        classifier_activation=None,
    )


def _augmented(
    images: Pixels, epochs: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """For each epoch an order of the images, and the images in it, each shifted by its own few pixels."""
    random = np.random.default_rng(0)
    size = images.shape[1]
    most = round(LARGEST_SHIFT * size)
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))
    for _ in range(epochs):
        order = random.permutation(len(images))
        corners = random.integers(0, 2 * most, (len(images), 2), endpoint=True)
        shifted = [
            padded[index, top : top + size, left : left + size]
            for index, (top, left) in zip(order, corners, strict=True)
        ]
        yield order, np.stack(shifted).astype(np.float32)


def compared(recipe: str, made: QuantizeResult, held_out: Labelled) -> Row:
    """Compares an int8 file with float, under both kinds of kernels."""
    wanted, _ = _logits(Path(made.float_path), held_out.pixels, "xnnpack")
    checks = made.checks
    return Row(
        network=made.variant.name,
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


def signal_to_noise_db(wanted: Array, got: Array) -> float:
    """Of logits (images, classes); the images' mean is no signal."""
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
            snr_db=one.logits_snr_db - other.logits_snr_db,
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
        "logits, and what float's own would have, rounded to the file's output.",
        "",
        "| network | recipe | float top-1 % | int8 top-1 % | agreement % | logits, dB | rounded, dB "
        "| partitions | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in comparison.rows:
        cells = [
            row.network,
            f"`{row.recipe}`",
            f"{row.float_top1_percent:.1f}",
            _cell(row, attrgetter("top1_percent")),
            _cell(row, attrgetter("agreement_percent")),
            _cell(row, attrgetter("logits_snr_db")),
            _cell(row, attrgetter("output_snr_db")),
            "does not load" if row.partitions is None else str(row.partitions),
            f"{row.quantize_s:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for recipe in dict.fromkeys(margin.recipe for margin in comparison.margins):
        found = [margin for margin in comparison.margins if margin.recipe == recipe]
        least = min(found, key=attrgetter("snr_db"))
        points = min(margin.agreement_points for margin in found)
        lines += [
            "",
            f"`{recipe}` is ahead of `{BASELINE}` by {least.snr_db:.1f} dB at least ({least.network}, "
            f"{least.kernels}), in agreement by {points:.1f} points at least.",
        ]
    return "\n".join(lines)


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


@click.command()
@click.option("-o", "--output-dir", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--variant", "variants", multiple=True, type=click.Choice(tuple(VARIANTS)), default=tuple(VARIANTS)
)
@click.option("--recipe", "recipes", multiple=True, type=click.Choice(tuple(RECIPES)), default=tuple(RECIPES))
@click.option("--epochs", default=30, show_default=True)
@click.option("--samples", default=200, show_default=True, help="Calibration images.")
@click.option("--seed", default=0, show_default=True, help="Of their choice, and of the recipes.")
@click.option("--input-size", default=64, show_default=True, type=click.IntRange(min=MIN_INPUT_SIZE))
@click.option("--images", type=click.IntRange(min=1), help="At most so many to train on, and held out.")
@click.option("--json", "as_json", is_flag=True)
def main(
    output_dir: Path,
    variants: tuple[str, ...],
    recipes: tuple[str, ...],
    epochs: int,
    samples: int,
    seed: int,
    input_size: int,
    images: int | None,
    as_json: bool,
) -> None:
    """Prints what each recipe keeps of each network."""
    calibration, other = write_digits(output_dir / "digits")
    training, held_out = (read(csv, input_size, images) for csv in (calibration, other))
    options = Options(
        input_size_px=input_size,
        epochs=epochs,
        training_images=len(training.labels),
        held_out_images=len(held_out.labels),
        calibration_images=samples,
        seed=seed,
    )
    reporter = TerminalReporter()
    rows: list[Row] = []
    for variant in map(parse_variant, variants):
        name = f"{variant.name}_{input_size}px_{len(training.labels)}_images_{epochs}_epochs.weights.h5"
        weights = output_dir / "weights" / name
        if not weights.exists():
            train(variant, training, epochs, weights)
        graph = GraphRequest(
            variant=variant,
            input_size_px=input_size,
            classes=CLASSES,
            weights=str(weights),
            include_softmax=False,
        )
        for recipe in recipes:
            made = quantize(request(graph, recipe, calibration, output_dir, options), reporter)
            rows.append(compared(recipe, made, held_out))
            click.echo(str(rows[-1]), err=True)
    reporter.close()
    comparison = Comparison(options=options, rows=tuple(rows), margins=margins(rows), versions=versions())
    write_text(output_dir / f"seed_{seed}.json", to_json(comparison), force=True)
    click.echo(to_json(comparison) if as_json else table(comparison), nl=not as_json)


if __name__ == "__main__":
    main()
