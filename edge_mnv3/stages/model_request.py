"""Which model a command means: MODEL, or a variant and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_mnv3.core.choices import DEMO_WEIGHTS
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.input_range import parse_input_range
from edge_mnv3.core.input_size import parse_input_size
from edge_mnv3.model.arch import MIN_INPUT_SIZE, parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.float_model import ModelRequest

_VARIANT_ONLY = {
    "alpha": "--alpha",
    "classes": "--classes",
    "weights": "--weights",
    "include_softmax": "--softmax or --no-softmax",
}
OPTIONS = ("model", "variant", "input_size", "input_range", *_VARIANT_ONLY)


def model_request(options: Mapping[str, Any], given: frozenset[str]) -> GraphRequest | ModelRequest:
    """Makes a request of what a user wrote.

    Args:
        options: Name to value of each of `OPTIONS`, None for those that the command has not.
        given: Those that the user wrote; others have their defaults.

    Raises:
        ArgumentError: Both kinds of model are named, or none, or an option that the one kind does not have.
    """
    model, variant = options["model"], options["variant"]
    if (model is None) == (variant is None):
        got = "neither" if model is None else f"{model} and --variant {variant}"
        raise ArgumentError(
            "the model", got, "MODEL (a .keras, .h5, SavedModel folder or float .tflite) or --variant NAME"
        )
    return _variant_request(options) if model is None else _model_request(options, given)


def _variant_request(options: Mapping[str, Any]) -> GraphRequest:
    size = None if options["input_size"] is None else parse_input_size(options["input_size"])
    if size is not None and size.height_px != size.width_px:
        raise ArgumentError("--input-size with --variant", str(size), "the side of a square")
    if size is not None and size.height_px < MIN_INPUT_SIZE:
        raise ArgumentError("--input-size with --variant", str(size), f"at least {MIN_INPUT_SIZE}")
    if options["input_range"] is not None:
        raise ArgumentError(
            "--input-range with --variant", options["input_range"], "none: such a network takes pixels 0..255"
        )
    return GraphRequest(
        variant=parse_variant(options["variant"], options["alpha"]),
        input_size_px=None if size is None else size.height_px,
        classes=options["classes"],
        weights=_weights(options["weights"]),
        include_softmax=options["include_softmax"] is not False,
    )


def _weights(stated: str) -> str:
    """Weights as a request has them: those of the demo are a file."""
    if stated != DEMO_WEIGHTS:
        return stated
    from edge_mnv3.stages.demo import demo_weights

    return str(demo_weights())


def _model_request(options: Mapping[str, Any], given: frozenset[str]) -> ModelRequest:
    for name, option in _VARIANT_ONLY.items():
        if name in given:
            raise ArgumentError(
                f"{option} with MODEL",
                str(options["model"]),
                "what the model has itself",
                f"leave {option} out",
            )
    return ModelRequest(
        path=options["model"],
        input_range=None if options["input_range"] is None else parse_input_range(options["input_range"]),
        input_size=None if options["input_size"] is None else parse_input_size(options["input_size"]),
    )
