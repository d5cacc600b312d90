"""Our graphs against `keras.applications`.

By default each of the 20 networks meets each head and each input size once; with `--whole-grid` all 320
combinations are compared.
"""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from edge_mnv3.model import builder

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.25)
SIZES_PX = (224, 160, 96, 33)
HEADS: tuple[dict[str, Any], ...] = (
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
def test_equals_keras_applications(
    size: str, minimalistic: bool, alpha: float, pytestconfig: pytest.Config
) -> None:
    ours_build = getattr(builder, f"MobileNetV3{size}")
    theirs_build = getattr(keras.applications, f"MobileNetV3{size}")
    rng = np.random.default_rng(1)
    largest = 0.0
    combinations = list(itertools.product(HEADS, SIZES_PX))
    if not pytestconfig.getoption("--whole-grid"):
        first = ALPHAS.index(alpha)
        combinations = [(head, SIZES_PX[(first + i) % len(SIZES_PX)]) for i, head in enumerate(HEADS)]
    for head, side in combinations:
        arguments: dict[str, Any] = {
            "input_shape": (side, side, 3),
            "alpha": alpha,
            "minimalistic": minimalistic,
            "weights": None,
            "classes": CLASSES,
            **head,
        }
        # Keras then counts its automatic names from the start, for both.
        keras.backend.clear_session()
        theirs = theirs_build(**arguments)
        keras.backend.clear_session()
        ours = ours_build(**arguments)
        assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
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
    print(f"largest relative difference {size} {minimalistic} {alpha}: {largest:.3g}")
    assert largest <= RELATIVE_TOLERANCE
