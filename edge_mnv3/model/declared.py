"""What a weights file says of the model that it was saved from, against what is built with its weights."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.errors import WeightsMismatchError
from edge_mnv3.model.arch import DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE
from edge_mnv3.model.model_config import Config, input_shape, last_activation, layers_of


def check_declared(config: Config, path: Path, *, input_size_px: int | None, include_softmax: bool) -> int:
    """Refuses a whole model's file whose input or last activation is not a variant's, or that nests models.

    Args:
        config: What the file says of its model.
        path: The file.
        input_size_px: The side that is asked for; None for that of the file.
        include_softmax: Whether the variant gives probabilities.

    Returns:
        The side of the square input.

    Raises:
        WeightsMismatchError: With what the file says, and what to do.
    """
    whole = f"use edge-mnv3 quantize {path}, which takes the model as it is"
    inner = next((layer for layer in layers_of(config) if layer.is_model), None)
    if inner is not None:
        raise WeightsMismatchError(
            f"weights {path}",
            f"a model that holds another one, '{inner.name}', as a layer",
            "the layers of a variant alone, as --variant builds",
            whole,
        )
    height, width, channels = input_shape(config) or (None, None, None)
    if height != width or channels not in (None, 3) or (height or MIN_INPUT_SIZE) < MIN_INPUT_SIZE:
        raise WeightsMismatchError(
            f"weights {path}",
            f"a model with an input of {height}x{width}x{channels}",
            f"a square RGB input of at least {MIN_INPUT_SIZE} px, as --variant builds",
            whole,
        )
    if height is not None and input_size_px not in (None, height):
        raise WeightsMismatchError(
            f"input size with weights {path}", f"{input_size_px} px", f"{height} px, as the file says",
            f"leave --input-size out, or {whole}",
        )  # fmt: skip
    activation = last_activation(config)
    if activation == "linear" and include_softmax:
        raise WeightsMismatchError(
            f"weights {path}",
            "a model that gives logits",
            "softmax at its end",
            f"use --no-softmax, or {whole}",
        )
    if activation not in ("linear", "softmax"):
        raise WeightsMismatchError(
            f"weights {path}",
            f"a model that ends with {activation or 'an activation that the file does not tell'}",
            "softmax or logits, as --variant builds",
            whole,
        )
    return height or input_size_px or DEFAULT_INPUT_SIZE
