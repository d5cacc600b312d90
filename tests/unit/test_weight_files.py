"""Local weight files: what they hold and which network they fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from edge_mnv3.core.errors import InputFileError, WeightsMismatchError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.model import arch
from edge_mnv3.model.arch import VARIANTS, Variant
from edge_mnv3.model.weight_files import WeightsFile, check_weights, inspect_weights
from h5_files import TINY, write_archive, write_keras3, write_legacy

WRITERS = {"legacy_h5": write_legacy, "weights_h5": write_keras3, "keras": write_archive}
NAMES = {"legacy_h5": "w.h5", "weights_h5": "w.weights.h5", "keras": "w.keras"}


@pytest.mark.parametrize("kind", WRITERS)
def test_reads_each_format(tmp_path: Path, kind: str) -> None:
    writer: Callable[..., Path] = WRITERS[kind]
    path = writer(tmp_path / NAMES[kind], classes=7)
    file = inspect_weights(path)
    assert file.format == kind
    assert file.sha256 == sha256_file(path)
    expected = arch.weighted_layers(arch.expand(TINY), classes=7)
    assert sorted(shapes for _, shapes in file.layers) == sorted(row.shapes for row in expected)
    assert check_weights(file, TINY) == 7
    assert check_weights(file, TINY, classes=7) == 7


def test_whole_model_h5(tmp_path: Path) -> None:
    file = inspect_weights(write_legacy(tmp_path / "w.h5", group="model_weights"))
    assert check_weights(file, TINY) == 3


@pytest.mark.parametrize("writer", [write_legacy, write_keras3])
def test_without_top(tmp_path: Path, writer: Callable[..., Path]) -> None:
    file = inspect_weights(writer(tmp_path / "w.h5", include_top=False))
    assert check_weights(file, TINY, include_top=False) is None
    with pytest.raises(WeightsMismatchError) as caught:
        check_weights(file, TINY)
    assert "do not fit small_minimalistic_0.35 with top: got no weights, expected shape " in str(caught.value)
    assert str(caught.value).endswith("the file fits small_minimalistic_0.35 without top")


@pytest.mark.parametrize("writer", [write_legacy, write_keras3])
def test_with_top_where_none_is_wanted(tmp_path: Path, writer: Callable[..., Path]) -> None:
    file = inspect_weights(writer(tmp_path / "w.h5"))
    with pytest.raises(
        WeightsMismatchError, match=r"without top: got weights of shape .* expected no further weights"
    ):
        check_weights(file, TINY, include_top=False)


@pytest.fixture(scope="module", params=[write_legacy, write_keras3])
def wider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    """The tiny network's weights at another width."""
    path: Path = request.param(tmp_path_factory.mktemp("wider") / "w.h5", TINY._replace(alpha=0.5))
    return inspect_weights(path)


@pytest.mark.parametrize("variant", [*VARIANTS.values(), Variant("large", True, 1.25)], ids=lambda v: v.name)
def test_another_architecture_is_named(wider: WeightsFile, variant: Variant) -> None:
    with pytest.raises(WeightsMismatchError) as caught:
        check_weights(wider, variant)
    text = str(caught.value)
    assert text.startswith(f"weights {wider.path} do not fit {variant.name} with top: got ")
    assert "expected" in text
    assert text.endswith("; the file fits small_minimalistic_0.5 with 3 classes")


def test_width_that_is_not_in_the_family(tmp_path: Path) -> None:
    file = inspect_weights(write_legacy(tmp_path / "w.h5", TINY._replace(alpha=0.25)))
    with pytest.raises(WeightsMismatchError, match="it fits no MobileNetV3 of this family"):
        check_weights(file, TINY)


def test_another_class_count(tmp_path: Path) -> None:
    file = inspect_weights(write_legacy(tmp_path / "w.h5", classes=3))
    with pytest.raises(WeightsMismatchError) as caught:
        check_weights(file, TINY, classes=10)
    assert str(caught.value) == (
        f"class count of weights {tmp_path / 'w.h5'}: got 3, expected 10; use --classes 3 or none at all"
    )


def test_nan_is_named(tmp_path: Path) -> None:
    path = write_legacy(tmp_path / "w.h5", fill=float("nan"))
    with pytest.raises(
        InputFileError, match="got NaN or infinity in layer old/conv, expected finite weights"
    ):
        inspect_weights(path)


def truncated(path: Path) -> None:
    whole = write_legacy(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "got no such file, expected a .h5, .weights.h5 or .keras file"),
        (Path.mkdir, "got a folder"),
        (truncated, "got a truncated file, expected a whole .h5"),
        (lambda path: path.write_bytes(b"TFL3" * 100), "got neither HDF5 nor a Keras archive"),
        (lambda path: path.write_bytes(b""), "got neither HDF5 nor a Keras archive"),
        (other_hdf5, "got an HDF5 file without Keras weights, expected weights saved by Keras"),
    ],
)
def test_bad_files(tmp_path: Path, make: Callable[[Path], None], text: str) -> None:
    path = tmp_path / "w.h5"
    make(path)
    with pytest.raises(InputFileError) as caught:
        inspect_weights(path)
    assert f"weights {path}: {text}" in str(caught.value)


def test_a_saved_model_folder(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(InputFileError, match="got a SavedModel folder, .*; use edge-mnv3 quantize "):
        inspect_weights(tmp_path)


def test_zip_without_weights(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("readme", "")
    with pytest.raises(InputFileError, match="neither HDF5 nor a Keras archive"):
        inspect_weights(tmp_path / "w.keras")
