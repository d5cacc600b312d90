"""The published weight files: names, hashes, cache, download; and loading any weight file into a model."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from edge_mnv3.core.download import download, download_error
from edge_mnv3.core.errors import ArgumentError, OutputError, WeightsMismatchError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.model.arch import Variant, WeightedLayer
from edge_mnv3.model.weight_files import (
    KERAS_ARCHIVE_WEIGHTS,
    first_difference,
    guess_network,
    inspect_weights,
)

BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/"
URL_VARIABLE = "EDGE_MNV3_WEIGHTS_URL"


class PublishedFile(NamedTuple):
    """A weight file of `keras.applications`."""

    name: str
    md5: str


def _published(
    variant: Variant, with_top: str, without_top: str
) -> dict[tuple[Variant, bool], PublishedFile]:
    stem = f"weights_mobilenet_v3_{variant.network}_224_{variant.alpha}_float"
    return {
        (variant, True): PublishedFile(f"{stem}.h5", with_top),
        (variant, False): PublishedFile(f"{stem}_no_top_v2.h5", without_top),
    }


# Keyed by (variant, include_top). Source: keras/src/applications/mobilenet_v3.py of Keras 3.15.
PUBLISHED = {
    **_published(
        Variant("large", False, 0.75), "765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"
    ),
    **_published(
        Variant("large", False, 1.0), "59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"
    ),
    **_published(
        Variant("large", True, 1.0), "675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"
    ),
    **_published(
        Variant("small", False, 0.75), "cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"
    ),
    **_published(
        Variant("small", False, 1.0), "8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"
    ),
    **_published(
        Variant("small", True, 1.0), "99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"
    ),
}


def cache_folder() -> Path:
    """Returns Keras's folder for weights: `$KERAS_HOME/models`, by default `~/.keras/models`."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser() / "models"


def weights_url() -> str:
    """Returns the folder that is downloaded from: `$EDGE_MNV3_WEIGHTS_URL`, or the official one."""
    return (os.environ.get(URL_VARIABLE) or BASE_URL).rstrip("/") + "/"


def cached_weights() -> tuple[int, int]:
    """Returns how many of the published files are in Keras's folder, and whole; and how many there are."""
    paths = ((cache_folder() / file.name, file.md5) for file in PUBLISHED.values())
    return sum(path.is_file() and _md5(path) == md5 for path, md5 in paths), len(PUBLISHED)


def published_file(variant: Variant, *, include_top: bool = True) -> PublishedFile:
    """Tells the published file of a variant.

    Args:
        variant: One of those in `PUBLISHED`.
        include_top: With the classifier.

    Raises:
        ArgumentError: No weights are published for this variant.
    """
    file = PUBLISHED.get((variant, include_top))
    if file is None:
        alphas = sorted(v.alpha for v, top in PUBLISHED if top and v[:2] == variant[:2])
        raise ArgumentError(
            f"published weights of {variant.name}",
            "none",
            f"alpha {' or '.join(map(str, alphas))}",
            "use --weights with a file of your own",
        )
    return file


def published_weights(
    variant: Variant,
    *,
    include_top: bool = True,
    reporter: Reporter = SILENT,
) -> Path:
    """Returns the verified local copy of a published file, downloading it if need be.

    `$EDGE_MNV3_WEIGHTS_URL` names the folder to download from; without it, it is the official one.

    Args:
        variant: One of those in `PUBLISHED`.
        include_top: With the classifier.
        reporter: Told of progress in bytes, and warned of a corrupt cached file that is replaced.

    Raises:
        ArgumentError: No weights are published for this variant.
        DownloadError: The file is not cached and cannot be downloaded whole.
        OutputError: The cache cannot be written to.
    """
    file = published_file(variant, include_top=include_top)
    path = cache_folder() / file.name
    if path.is_file():
        if _md5(path) == file.md5:
            return path
        reporter.warn(f"{path} is corrupt (its MD5 is not {file.md5}): downloading it again")
    url = weights_url() + file.name
    _download(url, path, file.md5, reporter)
    return path


def load_weights(model: Any, path: Path) -> None:
    """Loads a file into a Keras model of this family.

    Args:
        model: `keras.Model` from `builder` or `keras.applications`.
        path: A `.h5`, `.weights.h5` or `.keras` file.

    Raises:
        InputFileError: `inspect_weights` refused the file.
        WeightsMismatchError: The layers' shapes differ.
    """
    file = inspect_weights(path)
    weighted = [layer for layer in model.layers if layer.weights]
    expected = tuple(
        WeightedLayer(layer.name, _kind(layer), tuple(tuple(w.shape) for w in layer.weights), 0)
        for layer in weighted
    )
    difference = first_difference(file, expected)
    if difference:
        name, got, wanted = difference
        fits = guess_network(file)
        raise WeightsMismatchError(
            f"weights {path} do not fit the model",
            got,
            f"{wanted} for layer {name}",
            f"the file fits {fits}" if fits else "",
        )
    if file.format == "keras":
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
            model.load_weights(archive.extract(KERAS_ARCHIVE_WEIGHTS, folder))
    elif file.format == "weights_h5" and not path.name.endswith(".weights.h5"):
        with tempfile.TemporaryDirectory() as folder:
            # Keras tells its two HDF5 formats apart by the name alone.
            renamed = Path(folder) / "renamed.weights.h5"
            shutil.copyfile(path, renamed)
            model.load_weights(renamed)
    else:
        model.load_weights(path)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # The published hashes are MD5; they guard against accidents.
        digest = hashlib.md5(usedforsecurity=False)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _download(url: str, path: Path, md5: str, reporter: Reporter) -> None:
    import pooch

    by_hand = f"put the file at {path} by hand, or use --weights FILE; edge-mnv3 demo needs no download"

    def fetch(address: str, output: str, _: object) -> None:
        download(address, Path(output), reporter, next_step=by_hand)

    pooch.get_logger().setLevel(logging.ERROR)
    try:
        pooch.retrieve(url, f"md5:{md5}", fname=path.name, path=path.parent, downloader=fetch)
    except ValueError as error:  # pooch: the hash differs
        raise download_error(url, "a file of another MD5 than the published one", by_hand) from error
    except OSError as error:
        raise OutputError(
            f"weights cache {path.parent}: {error.strerror or error}",
            next_step="set KERAS_HOME to a folder that can be written to",
        ) from error


def _kind(layer: Any) -> Any:
    class_name = type(layer).__name__
    return {"Conv2D": "conv", "DepthwiseConv2D": "depthwise", "BatchNormalization": "batch_norm"}.get(
        class_name, class_name
    )
