"""Weight files in Keras's formats, written without TensorFlow."""

from __future__ import annotations

import functools
import io
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


def write_legacy(path: Path, variant: Variant = TINY, **options: Any) -> Path:
    """As `save_weights("x.h5")` of older Keras; the names are not ours, as in the published files.

    Options: classes, include_top, fill (what every weight is), group (where in the file the layers are).
    """
    path.write_bytes(_legacy(variant, **options))
    return path


@functools.cache  # hundreds of small arrays
def _legacy(
    variant: Variant,
    *,
    classes: int = 3,
    include_top: bool = True,
    fill: float = 0.5,
    group: str = "/",
) -> bytes:
    rows = arch.weighted_layers(arch.expand(variant), include_top=include_top, classes=classes)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
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
    return content.getvalue()


def write_keras3(path: Path, variant: Variant = TINY, *, classes: int = 3, include_top: bool = True) -> Path:
    """As `save_weights("x.weights.h5")` of Keras 3."""
    path.write_bytes(_keras3(variant, classes, include_top))
    return path


@functools.cache
def _keras3(variant: Variant, classes: int, include_top: bool) -> bytes:
    rows = arch.weighted_layers(arch.expand(variant), include_top=include_top, classes=classes)
    counts: dict[str, int] = {}
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.require_group("layers/rescaling/vars")
        for row in rows:
            kind = CLASS_NAMES[row.kind]
            count = counts.get(kind, 0)
            counts[kind] = count + 1
            name = f"{kind}_{count}" if count else kind
            for index, shape in enumerate(row.shapes):
                file[f"layers/{name}/vars/{index}"] = _values(shape, 0.5)
    return content.getvalue()


def write_archive(path: Path, variant: Variant = TINY, *, classes: int = 3) -> Path:
    """As `save("x.keras")`, with the part that holds weights."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({}))
        archive.writestr("model.weights.h5", _keras3(variant, classes, include_top=True))
    return path
