"""Whether a variant with the weights of a whole model's file is that model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge_mnv3.core.errors import WeightsMismatchError
from edge_mnv3.core.rounding import allowed_difference
from edge_mnv3.model.keras_models import answers, load_keras
from edge_mnv3.model.keras_scaling import is_inactive
from edge_mnv3.model.model_config import layers_of
from edge_mnv3.model.model_files import model_format

_IMAGES = ((0, 256), (112, 144))  # smallest and largest pixel of noise, the second exclusive
# Arguments of layers that have no part in an answer.
_NOT_COMPARED = ("dtype", "momentum", "name", "seed", "trainable")
_NOT_COMPARED_ENDS = ("_constraint", "_initializer", "_regularizer")


class _Row(NamedTuple):
    """A layer, without its name, and with the places of the rows that it takes."""

    class_name: str
    config: Mapping[str, Any]
    taken: Any


def check_same_model(model: Any, path: Path, *, softmax: bool) -> None:
    """Compares a variant with the whole model in the file that its weights came from: layers, and answers.

    Args:
        model: The variant, of fixed or open batch.
        path: The file.
        softmax: Whether the variant gives probabilities; if not, its logits may be those of a file that does.

    Raises:
        InputFileError: Keras cannot load the file.
        WeightsMismatchError: They are not the same; the text names the first layer that is another.
    """
    theirs = load_keras(path, model_format(path))
    # A model of Keras 2 has other layers for the same network: its answers tell.
    difference = "" if theirs.is_keras_2 else _first_difference(theirs.model, model, softmax=softmax)
    generator = np.random.default_rng(0)
    shape = (1, *model.inputs[0].shape[1:])
    for low, high in _IMAGES:
        image = generator.integers(low, high, shape).astype(np.float32)
        (ours,), wanted = answers(model, image), theirs.run(image)
        candidates = [ours] if softmax else [ours, _softmax(ours)]
        if not difference and not any(_is_same(each, wanted) for each in candidates):
            difference = "its answers are others"
    if difference:
        raise WeightsMismatchError(
            f"weights {path}",
            f"a model that is not the variant: {difference}",
            "the variant with its own layers alone",
            f"use edge-mnv3 quantize {path}, which takes the whole model as it is",
        )


def _is_same(ours: Any, wanted: list[Any]) -> bool:
    if len(wanted) != 1 or ours.shape != wanted[0].shape:
        return False
    difference = float(np.abs(ours - wanted[0]).max())
    return difference <= allowed_difference(wanted[0], "none")


def _softmax(logits: Any) -> Any:
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def _first_difference(theirs: Any, ours: Any, *, softmax: bool) -> str:
    """Names the first layer of a file's model that the variant has not; empty where there is none."""
    names, rows = _rows(theirs)
    _, own = _rows(ours)
    if not softmax and len(rows) == len(own) and rows[-1].class_name == own[-1].class_name == "Activation":
        names, rows, own = names[:-1], rows[:-1], own[:-1]
    for place, (name, row) in enumerate(zip(names, rows, strict=True)):
        if place >= len(own) or row.class_name != own[place].class_name:
            return f"its layer '{name}' ({row.class_name}) is not in the variant"
        other = own[place]
        changed = [key for key in row.config if row.config[key] != other.config.get(key)]
        if changed:
            key = changed[0]
            return f"its layer '{name}' has {key} {row.config[key]}, the variant's {other.config.get(key)}"
        if row.taken != other.taken:
            return f"its layer '{name}' takes other layers' outputs"
    return "" if len(rows) == len(own) else "it ends before the variant does"


def _rows(model: Any) -> tuple[list[str], list[_Row]]:
    """The layers that are active in use, in Keras's order, with their names."""
    config = model.get_config()
    names: list[str] = []
    rows: list[_Row] = []
    places: dict[str, int] = {}
    for layer in layers_of({"config": config}):
        nodes = layer.whole.get("inbound_nodes") or ()
        if layer.class_name == "InputLayer":
            places[layer.name] = -1
        elif is_inactive(layer):
            places[layer.name] = _placed(nodes, places)[0]["args"][0] if nodes else len(rows) - 1
        else:
            compared = {
                key: value
                for key, value in layer.config.items()
                if key not in _NOT_COMPARED and not key.endswith(_NOT_COMPARED_ENDS)
            }
            rows.append(_Row(layer.class_name, compared, _placed(nodes, places)))
            names.append(layer.name)
            places[layer.name] = len(rows) - 1
    return names, rows


def _placed(value: Any, places: Mapping[str, int]) -> Any:
    """What a layer is called with, its inputs replaced by their rows' places."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            return places.get(value["config"]["keras_history"][0])
        return {key: _placed(each, places) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_placed(each, places) for each in value]
    return value
