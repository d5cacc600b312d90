"""Weight files loaded into graphs, in each format that Keras writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edge_mnv3.core.errors import WeightsMismatchError
from edge_mnv3.model import builder
from edge_mnv3.model.weight_files import inspect_weights
from edge_mnv3.model.weights import load_weights
from h5_files import write_legacy

TINY: dict[str, Any] = {"input_shape": (32, 32, 3), "alpha": 0.35, "weights": None, "classes": 3}
PIXELS = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]


def save_renamed(model: Any, path: Path) -> None:
    model.save_weights(path.with_name("x.weights.h5"))
    path.with_name("x.weights.h5").rename(path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("w.weights.h5", lambda model, path: model.save_weights(path)),
        ("w.keras", lambda model, path: model.save(path)),
        ("w.h5", lambda model, path: model.save(path)),
        ("renamed.h5", save_renamed),
    ],
)
@pytest.mark.parametrize("minimalistic", [False, True])
def test_formats(tmp_path: Path, name: str, save: Callable[[Any, Path], None], minimalistic: bool) -> None:
    theirs = keras.applications.MobileNetV3Small(**TINY, minimalistic=minimalistic)
    save(theirs, tmp_path / name)
    ours = builder.MobileNetV3Small(**TINY | {"weights": tmp_path / name}, minimalistic=minimalistic)
    np.testing.assert_array_equal(ours(PIXELS, training=False), theirs(PIXELS, training=False))


def test_legacy_file_of_other_names_is_loaded_by_order(tmp_path: Path) -> None:
    model = builder.MobileNetV3Small(**TINY, minimalistic=True)
    load_weights(model, write_legacy(tmp_path / "w.h5", fill=0.25))
    assert {float(value.mean()) for value in model.get_weights()} == {0.25}


@pytest.mark.parametrize("change", [{"alpha": 0.5}, {"classes": 4}, {"include_top": False}])
def test_mismatch_is_a_value_error(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write_legacy(tmp_path / "w.h5")
    with pytest.raises(WeightsMismatchError) as caught:
        builder.MobileNetV3Small(**TINY | change | {"weights": path}, minimalistic=True)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).endswith("the file fits small_minimalistic_0.35 with 3 classes")


def test_real_weights(test_data: Path) -> None:
    path = test_data / "weights" / "mobilenet_v3_small_224_1.0_float.h5"
    ours = builder.MobileNetV3Small(weights=path)
    theirs = keras.applications.MobileNetV3Small(weights=str(path), input_shape=(224, 224, 3))
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 224, 224, 3)).astype(np.float32)
    np.testing.assert_array_equal(ours(pixels, training=False), theirs(pixels, training=False))
    assert len(inspect_weights(path).layers) == 88
