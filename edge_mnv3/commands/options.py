"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from edge_mnv3.model.arch import DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE, VARIANTS

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
force_option = click.option("--force", is_flag=True, help="Overwrite outputs that exist.")
runtime_option = click.option(
    "--runtime",
    type=click.Choice(("litert", "tflite-runtime", "tensorflow")),
    default="litert",
    show_default=True,
    help="TFLite runtime to use.",
)
preprocess_option = click.option(
    "--preprocess",
    type=click.Choice(("slim", "resize", "resize256")),
    default="slim",
    show_default=True,
    help="slim: central 87.5 % crop; resize: the whole image; resize256: short side 256, central crop.",
)


def images_options(function: F) -> F:
    """Adds --samples, --seed and --preprocess."""
    for option in reversed(
        (
            click.option(
                "--samples",
                type=click.IntRange(min=1),
                default=200,
                show_default=True,
                help="Calibration images.",
            ),
            click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of images."),
            preprocess_option,
        )
    ):
        function = option(function)
    return function


def graph_options(function: F) -> F:
    """Adds --variant, --alpha, --input-size, --classes and --weights."""
    for option in reversed(
        (
            click.option(
                "--variant", type=click.Choice(tuple(VARIANTS)), required=True, help="Which network."
            ),
            click.option("--alpha", type=float, help="Width multiplier.  [default: the variant's own]"),
            click.option(
                "--input-size",
                type=click.IntRange(min=MIN_INPUT_SIZE),
                default=DEFAULT_INPUT_SIZE,
                show_default=True,
                metavar="PX",
                help="Side of the square input.",
            ),
            click.option(
                "--classes",
                type=click.IntRange(min=1),
                help="Outputs of the classifier.  [default: those of the weights, 1000 without]",
            ),
            click.option(
                "--weights",
                default="imagenet",
                show_default=True,
                metavar="imagenet|none|PATH",
                help="Published weights, random ones, or a .h5, .weights.h5 or .keras file.",
            ),
        )
    ):
        function = option(function)
    return function
