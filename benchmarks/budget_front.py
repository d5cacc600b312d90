"""What a budget for channel copies buys: logits held against float's on images that were not calibrated on.

    python benchmarks/budget_front.py --float M_float.tflite --calibration calibration.csv --samples 200 \
        --seed 0 --budget 5 --budget 15 --budget 30

Takes a float file of one output, the logits (`quantize --no-softmax`). Prints a Markdown table, with the
recipe's file without copies in the first row: the others' gains are against it, over the same images, with
the standard error of a paired bootstrap over images. Images are ranked by nothing but this; labels are not
looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.recipe import RecipeReport
from edge_mnv3.core.runtime import open_bytes, real_numbers
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES
from edge_mnv3_quantization.recipes.quantize import quantize

RESAMPLES = 2000

Array = npt.NDArray[np.float64]
Images = npt.NDArray[np.uint8]


class Errors(NamedTuple):
    """An int8 file's logits against float's, image by image.

    Attributes:
        signal: Squares of the float logits about their mean over the images, (N,).
        noise: Squares of the errors, (N,).
        agreed: Whether both have the same largest, (N,).
    """

    signal: Array
    noise: Array
    agreed: npt.NDArray[np.bool_]

    @property
    def snr_db(self) -> float:
        """The signal-to-noise ratio over all images."""
        return float(10 * np.log10(self.signal.sum() / self.noise.sum()))


def errors_of(wanted: Array, got: Array) -> Errors:
    """Compares logits, (N, classes) each."""
    return Errors(
        signal=np.square(wanted - wanted.mean(axis=0)).sum(axis=1),
        noise=np.square(wanted - got).sum(axis=1),
        agreed=wanted.argmax(axis=1) == got.argmax(axis=1),
    )


def paired_gain_db(before: Errors, after: Errors, seed: int = 0) -> tuple[float, float]:
    """Computes by how many dB the noise is less, and the standard error, by a bootstrap over images."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(before.noise), (RESAMPLES, len(before.noise)))
    gains = 10 * np.log10(before.noise[drawn].sum(axis=1) / after.noise[drawn].sum(axis=1))
    return after.snr_db - before.snr_db, float(gains.std())


def logits_of(content: bytes, images: Images) -> Array:
    """Runs a file under XNNPACK over images (N, H, W, C), (N, classes)."""
    model = open_bytes(content)
    rows = [real_numbers(model.run_all(image)[0], model.outputs[0]).reshape(-1) for image in images]
    return np.stack(rows).astype(np.float64)


def drawn_and_held_out(calibration: str, samples: int, seed: int, shape: ImageShape) -> tuple[Images, Images]:
    """Draws calibration images as `quantize` does; the others of the same source are held out."""
    source = open_images(calibration)
    drawn = source.sample(SampleRequest(shape=shape, samples=samples, seed=seed))
    every = source.sample(SampleRequest(shape=shape, samples=drawn.manifest.available, seed=seed))
    taken = {image.sha256 for image in drawn.manifest.images}
    held_out = [place for place, image in enumerate(every.manifest.images) if image.sha256 not in taken]
    if not held_out:
        raise CalibrationDataError(f"calibration {calibration}", "no image that is held out", "more images")
    return drawn.pixels, every.pixels[held_out]


def row(budget: float, report: RecipeReport, size_bytes: int, errors: Errors, first: Errors) -> str:
    """Writes a row of the table."""
    added = sum(layer.added_channels for layer in report.copied_layers)
    gain, error = paired_gain_db(first, errors)
    cells: Sequence[Any] = (
        f"{budget:g}",
        f"{report.copies_cost_percent:.1f}",
        f"{added} from {len(report.copied_layers)} layers" if added else "none",
        f"{size_bytes / 1e6:.2f}",
        f"{errors.snr_db:.2f}",
        "" if errors is first else f"{gain:+.2f} ± {error:.2f}",
        f"{100 * errors.agreed.mean():.1f}",
    )
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--float", "float_path", type=click.Path(path_type=Path), required=True)
@click.option("--calibration", required=True)
@click.option("--samples", default=200, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--recipe", type=click.Choice(sorted(RECIPES)), default=DEFAULT_RECIPE, show_default=True)
@click.option("--budget", "budgets", type=float, multiple=True, default=(5.0, 10.0, 15.0, 30.0))
def main(
    float_path: Path, calibration: str, samples: int, seed: int, recipe: str, budgets: tuple[float, ...]
) -> None:
    """Prints the table."""
    float_model, reporter = float_path.read_bytes(), TerminalReporter()
    _, height_px, width_px, channels = open_bytes(float_model).inputs[0].shape
    shape = ImageShape(height_px=height_px, width_px=width_px, channels=channels)
    images, held_out = drawn_and_held_out(calibration, samples, seed, shape)
    wanted = logits_of(float_model, held_out)
    click.echo(f"{len(images)} calibration images, seed {seed}; {len(held_out)} held out.\n")
    click.echo("| budget % | modelled cost % | copies | MB | dB | gain, dB | agreement % |")
    click.echo("|---|---|---|---|---|---|---|")
    first: Errors | None = None
    for budget in (0.0, *budgets):
        options = QuantizationOptions(seed=seed, io="int8", budget_percent=budget)
        made = quantize(float_model, images, RECIPES[recipe], options=options, reporter=reporter)
        errors = errors_of(wanted, logits_of(made.model, held_out))
        first = first or errors
        click.echo(row(budget, made.report, len(made.model), errors, first))
    reporter.close()


if __name__ == "__main__":
    main()
