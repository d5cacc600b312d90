"""Our graphs against `keras.applications`, over the whole grid of arguments."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from edge_mnv3 import builder

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.25)
SIZES_PX = (224, 160, 96, 33)
HEADS = (
    {"include_top": True},
    *({"include_top": False, "pooling": pooling} for pooling in (None, "avg", "max")),
)
CLASSES = 10  # the classifier's width multiplies no structure; 1000 is covered by the parameter counts
# Both graphs run the same float32 operators in the same order; only the run-time's own choice of kernels may
# differ between two graphs, by a few units in the last place of values around 1.
RELATIVE_TOLERANCE = 1e-5


def random_weights(model: Any, seed: int) -> list[np.ndarray[Any, Any]]:
    """Weights with a batch norm that does something: no value at its initial 0 or 1."""
    rng = np.random.default_rng(seed)
    return [
        value + rng.uniform(-0.3, 0.3, value.shape).astype(np.float32) if value.ndim == 1 else value
        for value in model.get_weights()
    ]


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("minimalistic", [False, True])
@pytest.mark.parametrize("size", ["Small", "Large"])
def test_equals_keras_applications(size: str, minimalistic: bool, alpha: float, record_property: Any) -> None:
    ours_build = getattr(builder, f"MobileNetV3{size}")
    theirs_build = getattr(keras.applications, f"MobileNetV3{size}")
    rng = np.random.default_rng(1)
    largest = 0.0
    for head, side in itertools.product(HEADS, SIZES_PX):
        arguments: dict[str, Any] = {
            "input_shape": (side, side, 3),
            "alpha": alpha,
            "minimalistic": minimalistic,
            "weights": None,
            "classes": CLASSES,
            **head,
        }
        keras.backend.clear_session()  # Keras then counts its automatic names from the start
        theirs = theirs_build(**arguments)
        ours = ours_build(**arguments)
        assert [layer.name for layer in ours.layers[1:]] == [layer.name for layer in theirs.layers[1:]]
        assert [type(layer) for layer in ours.layers] == [type(layer) for layer in theirs.layers]
        assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
        values = random_weights(theirs, seed=side)
        theirs.set_weights(values)
        ours.set_weights(values)
        pixels = rng.uniform(0, 255, (1, side, side, 3)).astype(np.float32)
        expected = np.asarray(theirs(pixels, training=False))
        actual = np.asarray(ours(pixels, training=False))
        assert actual.shape == expected.shape
        assert np.ptp(expected) > 0
        largest = max(largest, float(np.abs(actual - expected).max() / np.abs(expected).max()))
    record_property("largest_relative_difference", largest)
    print(f"largest relative difference {size} {minimalistic} {alpha}: {largest:.3g}")
    assert largest <= RELATIVE_TOLERANCE
