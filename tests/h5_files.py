"""Weight files in Keras's formats, written without TensorFlow."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from edge_mnv3.model import arch
from edge_mnv3.model.arch import Variant

CLASS_NAMES = {"conv": "conv2d", "depthwise": "depthwise_conv2d", "batch_norm": "batch_normalization"}
TINY = Variant("small", True, 0.35)


def _values(shape: tuple[int, ...], fill: float) -> np.ndarray[Any, Any]:
    return np.full(shape, fill, np.float32)


def write_legacy(
    path: Path,
    variant: Variant = TINY,
    *,
    classes: int = 3,
    include_top: bool = True,
    fill: float = 0.5,
    group: str = "/",
) -> Path:
    """As `save_weights("x.h5")` of older Keras; the names are not ours, as in the published files."""
    rows = arch.weighted_layers(arch.expand(variant), include_top=include_top, classes=classes)
    with h5py.File(path, "w") as file:
        root = file.require_group(group)
        names = ["input_1", *(f"old/{row.name}" for row in rows), "flatten"]
        root.attrs["layer_names"] = [name.encode() for name in names]
        for name in (names[0], names[-1]):
            root.require_group(name).attrs["weight_names"] = []
        for row in rows:
            layer = root.require_group(f"old/{row.name}")
            weights = [f"w{index}:0" for index in range(len(row.shapes))]
            layer.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, shape in zip(weights, row.shapes, strict=True):
                layer[weight] = _values(shape, fill)
    return path


def write_keras3(path: Path, variant: Variant = TINY, *, classes: int = 3, include_top: bool = True) -> Path:
    """As `save_weights("x.weights.h5")` of Keras 3."""
    rows = arch.weighted_layers(arch.expand(variant), include_top=include_top, classes=classes)
    counts: dict[str, int] = {}
    with h5py.File(path, "w") as file:
        file.require_group("layers/rescaling/vars")
        for row in rows:
            kind = CLASS_NAMES[row.kind]
            count = counts.get(kind, 0)
            counts[kind] = count + 1
            name = f"{kind}_{count}" if count else kind
            for index, shape in enumerate(row.shapes):
                file[f"layers/{name}/vars/{index}"] = _values(shape, 0.5)
    return path


def write_archive(path: Path, variant: Variant = TINY, *, classes: int = 3) -> Path:
    """As `save("x.keras")`, with the part that holds weights."""
    inner = write_keras3(path.with_suffix(".inner.h5"), variant, classes=classes)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({}))
        archive.write(inner, "model.weights.h5")
    return path
