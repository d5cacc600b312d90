"""What a local weight file holds, and whether it fits a network.

Read with h5py alone, so that a file that does not fit is told before TensorFlow is loaded.
"""

from __future__ import annotations

import importlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_mnv3.core.errors import InputFileError, WeightsMismatchError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.stored_zip import DAMAGED_ZIP
from edge_mnv3.core.tensorflow_package import missing_tensorflow
from edge_mnv3.model import arch
from edge_mnv3.model.arch import VARIANTS, Variant, WeightedLayer

Format = Literal["legacy_h5", "weights_h5", "keras"]
Shapes = tuple[tuple[int, ...], ...]

KERAS_ARCHIVE_WEIGHTS = "model.weights.h5"
SAVED_MODEL_FILE = "saved_model.pb"
_WHOLE_MODEL_GROUP = "model_weights"  # where `model.save("x.h5")` puts what `save_weights` puts at the root
_KERAS3_CLASSES = {"conv": "conv2d", "depthwise": "depthwise_conv2d", "batch_norm": "batch_normalization"}
_ALPHAS_TO_GUESS = (0.35, 0.5, 0.75, 1.0, 1.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """What a weight file holds.

    Attributes:
        layers: Name and weights' shapes of each layer. In graph order for `legacy_h5`, where names are the
            writer's; else sorted, named by class and count: `conv2d`, `conv2d_1`.
    """

    path: Path
    format: Format
    sha256: str
    layers: tuple[tuple[str, Shapes], ...]


def inspect_weights(path: Path) -> WeightsFile:
    """Reads the names and shapes in a `.h5`, `.weights.h5` or `.keras` file.

    Raises:
        InputFileError: It is missing, truncated, of another format, holds no weights, or NaN or infinity.
    """
    if (path / SAVED_MODEL_FILE).is_file():
        raise InputFileError(
            f"weights {path}",
            "a SavedModel folder",
            "a .h5, .weights.h5 or .keras file",
            f"use edge-mnv3 quantize {path}, which takes the whole model as it is",
        )
    if not path.is_file():
        raise InputFileError(f"weights {path}", no_file(path), "a .h5, .weights.h5 or .keras file")
    with _open_hdf5(path) as (file, is_archive):
        root = file.get(_WHOLE_MODEL_GROUP, file)
        if "layer_names" in root.attrs:
            layers, kind = _legacy_layers(root, path), "legacy_h5"
        elif "layers" in file:
            layers, kind = _keras3_layers(file["layers"], path), "keras" if is_archive else "weights_h5"
        else:
            layers, kind = (), ""
    if not layers:
        raise InputFileError(
            f"weights {path}", "an HDF5 file without Keras weights", "weights saved by Keras"
        )
    return WeightsFile(path=path, format=kind, sha256=sha256_file(path), layers=layers)  # type: ignore[arg-type]


def check_weights(
    file: WeightsFile, variant: Variant, *, include_top: bool = True, classes: int | None = None
) -> int | None:
    """Checks that a file fits a network.

    Args:
        file: What `inspect_weights` returned.
        variant: The network.
        include_top: With the classifier.
        classes: Wanted outputs; None for those of the file.

    Returns:
        The file's class count, or None without top.

    Raises:
        WeightsMismatchError: It does not fit; the text names the first layer that differs and, if there
            is one, the network that the file does fit.
    """
    class_count = _class_count(file) if include_top else None
    expected = arch.weighted_layers(arch.expand(variant), include_top=include_top, classes=class_count or 1)
    difference = first_difference(file, expected)
    if difference:
        name, got, wanted = difference
        fits = guess_network(file)
        raise WeightsMismatchError(
            f"weights {file.path} do not fit {variant.name} {'with' if include_top else 'without'} top",
            got,
            f"{wanted} for layer {name}",
            f"the file fits {fits}" if fits else "it fits no MobileNetV3 of this family",
        )
    if classes is not None and class_count is not None and classes != class_count:
        raise WeightsMismatchError(
            f"class count of weights {file.path}",
            str(class_count),
            str(classes),
            f"use --classes {class_count} or none at all",
        )
    return class_count


def hdf5_library(what: str) -> Any:
    """Imports h5py, which TensorFlow and Keras bring.

    Args:
        what: What needs it, the sentence's subject.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise missing_tensorflow(what) from error


@contextmanager
def _open_hdf5(path: Path) -> Iterator[tuple[Any, bool]]:
    h5py = hdf5_library(f"weights {path}")
    is_archive = zipfile.is_zipfile(path)
    try:
        if is_archive:
            with zipfile.ZipFile(path) as archive:
                source: Any = io.BytesIO(archive.read(KERAS_ARCHIVE_WEIGHTS))
        else:
            source = path
        file = h5py.File(source, "r")
    except DAMAGED_ZIP as error:
        got = "a truncated file" if "truncated" in str(error) else "neither HDF5 nor a Keras archive"
        raise InputFileError(f"weights {path}", got, "a whole .h5, .weights.h5 or .keras file") from error
    with file:
        yield file, is_archive


def _legacy_layers(root: Any, path: Path) -> tuple[tuple[str, Shapes], ...]:
    layers = []
    for name in map(_text, root.attrs["layer_names"]):
        layer = root[name]
        weights = [layer[_text(weight)] for weight in layer.attrs["weight_names"]]
        if weights:
            layers.append((name, tuple(_checked_shape(weight, name, path) for weight in weights)))
    return tuple(layers)


def _keras3_layers(group: Any, path: Path) -> tuple[tuple[str, Shapes], ...]:
    layers = []
    for name in sorted(group):
        variables = group[name].get("vars", {})
        keys = sorted(variables, key=int)
        if keys:
            weights = [variables[key] for key in keys]
            layers.append((name, tuple(_checked_shape(weight, name, path) for weight in weights)))
    return tuple(layers)


def _checked_shape(weight: Any, layer: str, path: Path) -> tuple[int, ...]:
    import numpy as np

    values = np.asarray(weight[()])
    if not np.isfinite(values).all():
        raise InputFileError(f"weights {path}", f"NaN or infinity in layer {layer}", "finite weights")
    return values.shape


def _text(name: Any) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)


def _in_file_order(
    file: WeightsFile, expected: tuple[WeightedLayer, ...]
) -> list[tuple[WeightedLayer | None, tuple[str, Shapes] | None]]:
    """Pairs what a network needs with what a file has, as Keras does when it loads.

    Legacy files are read by order, whatever the names; the newer format by the count of each layer class.
    """
    if file.format == "legacy_h5":
        rows: list[Any] = list(expected)
        layers: list[Any] = list(file.layers)
        length = max(len(rows), len(layers))
        rows += [None] * (length - len(rows))
        layers += [None] * (length - len(layers))
        return list(zip(rows, layers, strict=True))
    in_file = dict(file.layers)
    counts: dict[str, int] = {}
    pairs: list[Any] = []
    for row in expected:
        class_name = _KERAS3_CLASSES.get(row.kind, row.kind)
        count = counts.get(class_name, 0)
        counts[class_name] = count + 1
        name = f"{class_name}_{count}" if count else class_name
        pairs.append((row, (name, in_file.pop(name)) if name in in_file else None))
    return [*pairs, *((None, layer) for layer in in_file.items())]


def first_difference(file: WeightsFile, expected: tuple[WeightedLayer, ...]) -> tuple[str, str, str] | None:
    """Returns the name of the first layer that differs, what the file has, what was expected."""
    for row, layer in _in_file_order(file, expected):
        if row is None and layer is not None:
            return layer[0], f"weights of shape {layer[1][0]} for layer {layer[0]}", "no further weights"
        if row is not None and layer is None:
            return row.name, "no weights", f"shape {row.shapes[0]}"
        if row is not None and layer is not None and layer[1] != row.shapes:
            got, wanted = next(
                ((g, w) for g, w in zip(layer[1], row.shapes, strict=False) if g != w), (layer[1], row.shapes)
            )
            return row.name, f"shape {got}", f"shape {wanted}"
    return None


def _class_count(file: WeightsFile) -> int | None:
    """Outputs of the last convolution, or None if the file ends without a bias: it has no top then."""
    if file.format == "legacy_h5":
        last = file.layers[-1][1]
    else:
        convolutions = {name: shapes for name, shapes in file.layers if name.split("_")[0] == "conv2d"}
        if not convolutions:
            return None
        last = convolutions[max(convolutions, key=lambda name: int(name.partition("_")[2] or 0))]
    return last[1][0] if len(last) == 2 else None


def guess_network(file: WeightsFile) -> str | None:
    """Returns which network of the family a file fits, in words."""
    kinds = {variant[:2] for variant in VARIANTS.values()}
    for size, minimalistic in sorted(kinds):
        for alpha in _ALPHAS_TO_GUESS:
            for include_top in (True, False):
                variant = Variant(size, minimalistic, alpha)
                classes = _class_count(file) if include_top else None
                expected = arch.weighted_layers(
                    arch.expand(variant), include_top=include_top, classes=classes or 1
                )
                if first_difference(file, expected) is None:
                    top = f"with {classes} classes" if include_top else "without top"
                    return f"{variant.name} {top}"
    return None
