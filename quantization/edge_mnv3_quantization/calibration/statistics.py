"""Statistics of a float model's values over images, which can be resumed, merged and stored.

Statistics belong to one network, known by a hash of its operators and weights, and name every image that they
count by the SHA-256 of its pixels. So they cannot be used with another model, no image counts twice, and what
is still to be done is known after an interruption. The hash is not that of the float file: there Keras
numbers layers differently from model to model, and the file may end with a softmax or without. The sums are
exact (`channel_totals`): however the work was divided, the file that comes out is the same, byte by byte.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.hashing import sha256_images
from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.memory import PAGES_OF, forget_pages
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.stored_zip import DAMAGED_ZIP
from edge_mnv3_quantization.calibration.activations import (
    ChannelStatistics,
    Images,
    add_images,
    channel_statistics,
    observed_values,
)
from edge_mnv3_quantization.calibration.channel_totals import ChannelTotals, no_totals
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.reading.reader import read_network

# The number rises when the file's arrays, or the numbers that they stand for, change. Format 1 also held
# `exponents` and `counts`, the bins of histograms that no recipe used; they are left unread.
FORMAT = 2
CHECKPOINT_S = 5.0
FILE_PREFIX = "statistics-"

_DELETE_IT = "delete it and run edge-mnv3 calibrate again"
_COMPRESSION = 1  # of 9: six times faster than the usual 6, for a file that is a sixth larger
_TOTALS = tuple(field.name for field in dataclasses.fields(ChannelTotals))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The statistics of one float model over some images.

    Attributes:
        network_sha256: The network's hash, from `network_sha256`.
        images: SHA-256 of the pixels of every image that was counted, in ascending order.
        channels: Number of channels of each of `observed_values`; side by side they are those of `totals`.
        totals: The totals over the images.
    """

    network_sha256: str
    images: tuple[str, ...]
    channels: tuple[int, ...]
    totals: ChannelTotals

    def by_value(self, network: Network) -> dict[int, ChannelStatistics]:
        """The statistics of each of `observed_values`.

        Args:
            network: From `observed_network`, that of `network_sha256`.
        """
        return channel_statistics(network, self.totals, len(self.images))

    def left(self, hashes: Sequence[str]) -> list[int]:
        """Finds the images that have not been counted yet.

        Args:
            hashes: The hashes of all images that are to be counted, from `sha256_images`.

        Returns:
            Their places in `hashes`, in ascending order.

        Raises:
            CalibrationDataError: Other images have been counted.
        """
        counted = Counter(self.images)
        uncounted = []
        for place, sha256 in enumerate(hashes):
            if counted[sha256]:
                counted[sha256] -= 1
            else:
                uncounted.append(place)
        others = sum(counted.values())
        if others:
            raise CalibrationDataError(
                "statistics",
                f"{others} images besides those of this calibration",
                "none",
                "collect them anew",
            )
        return uncounted


def observed_network(float_model: bytes, takes: InputRange = PIXELS) -> Network:
    """Makes the network whose values are observed: lowered, without constant factors in its products.

    Args:
        float_model: A float file.
        takes: What its input takes.

    Raises:
        ConversionError: The file holds an operator that cannot be rewritten.
    """
    return rescale(lower_hard_swish(read_network(float_model, takes)), {})


def network_sha256(network: Network) -> str:
    """Hashes the operators and weights up to the softmax, but no names and numbers of values."""
    digest = hashlib.sha256(repr((network.input_scale, network.input_offset)).encode())
    places = {network.input: 0}
    for node in network.nodes:
        if node.kind == "softmax":
            places[node.output] = places[node.inputs[0]]
            continue
        inputs = [places[value] for value in node.inputs]
        places[node.output] = len(places)
        shape = network.values[node.output].shape
        fields = (node.kind, inputs, shape, node.clamp, node.stride, node.same_padding, node.factor)
        digest.update(repr((*fields, node.paddings)).encode())
        for array in (node.weights, node.bias):
            if array is not None:
                digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    if len(network.outputs) > 1:
        digest.update(repr([places[value] for value in network.outputs]).encode())
    return digest.hexdigest()


def statistics_file(sha256: str) -> str:
    """Names the file for the statistics of a network."""
    return f"{FILE_PREFIX}{sha256[:16]}.npz"


def _no_statistics(network: Network) -> Statistics:
    """Makes the statistics of no images."""
    channels = tuple(network.values[value].channels for value in observed_values(network))
    return Statistics(
        network_sha256=network_sha256(network),
        images=(),
        channels=channels,
        totals=no_totals(sum(channels)),
    )


def collect(
    network: Network,
    images: Images,
    *,
    start: Statistics | None = None,
    reporter: Reporter = SILENT,
    on_checkpoint: Callable[[Statistics], None] | None = None,
    workers: int | None = None,
) -> Statistics:
    """Counts the images that have not been counted yet.

    Args:
        network: From `observed_network`.
        images: All images that are to be counted in the end, (N, H, W, 3) uint8.
        start: What has been counted; it is left as it is.
        reporter: Its `progress` is told of (images done, images in all) in this call.
        on_checkpoint: Called now and then with what has been counted so far; it must not keep the arrays.
        workers: Threads; None for as many as there are cores. The statistics are the same for any number.

    Returns:
        The statistics of all `images`.

    Raises:
        CalibrationDataError: `start` is of another network, or counts other images.
        ConversionError: A number is not finite.
    """
    none = _no_statistics(network)
    start = start or none
    if start.network_sha256 != none.network_sha256:
        raise CalibrationDataError(
            "statistics",
            f"those of network {start.network_sha256[:12]}…",
            f"those of {none.network_sha256[:12]}…",
        )
    hashes = sha256_images(images)
    left = start.left(hashes)
    if not left:
        return start
    before, totals = start.images, start.totals.copy()

    def reached(done: int) -> Statistics:
        names = tuple(sorted([*before, *(hashes[place] for place in left[:done])]))
        return dataclasses.replace(none, images=names, totals=totals)

    saved = time.monotonic()
    for done in add_images(network, [images[place] for place in left], totals, workers or available_cores()):
        reporter.progress(done, len(left))
        if done % PAGES_OF == 0:
            forget_pages(images)
        if on_checkpoint and done < len(left) and time.monotonic() - saved >= CHECKPOINT_S:
            on_checkpoint(reached(done))
            saved = time.monotonic()
    forget_pages(images)
    return reached(len(left))


def merge(one: Statistics, other: Statistics) -> Statistics:
    """Merges the statistics of different images.

    Raises:
        CalibrationDataError: They are of different networks, or an image is in both.
    """
    if one.network_sha256 != other.network_sha256:
        raise CalibrationDataError(
            "statistics to merge",
            f"those of networks {one.network_sha256[:12]}… and {other.network_sha256[:12]}…",
            "one network",
        )
    common = len(set(one.images) & set(other.images))
    if common:
        raise CalibrationDataError(
            "statistics to merge",
            f"{count(common, 'image that is', 'images that are')} in both",
            "different images",
        )
    totals = one.totals.copy()
    totals.merge(other.totals)
    return dataclasses.replace(one, images=tuple(sorted([*one.images, *other.images])), totals=totals)


def save_statistics(statistics: Statistics, path: Path) -> None:
    """Writes an `.npz` file; the same statistics give the same bytes.

    Raises:
        OSError: The file cannot be written.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "format": np.array(FORMAT),
        "network_sha256": np.array(statistics.network_sha256),
        "images": np.array(statistics.images, dtype="U64"),
        "channels": np.array(statistics.channels, dtype=np.int64),
    }
    arrays |= {name: getattr(statistics.totals, name) for name in _TOTALS}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load_statistics(path: Path) -> Statistics:
    """Reads what `save_statistics` wrote, now or in format 1.

    Raises:
        InputFileError: The file is missing, damaged, or of another format.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            version = int(archive["format"])
            if not 1 <= version <= FORMAT:
                raise InputFileError(
                    f"statistics {path}", f"format {version}", f"format 1 to {FORMAT}", _DELETE_IT
                )
            return _parse(archive)
    except FileNotFoundError as error:
        raise InputFileError(f"statistics {path}", no_file(path)) from error
    except DAMAGED_ZIP as error:
        raise InputFileError(
            f"statistics {path}", "a damaged file", "a file of edge-mnv3 calibrate", _DELETE_IT
        ) from error


def _parse(arrays: Mapping[str, npt.NDArray[Any]]) -> Statistics:
    statistics = Statistics(
        network_sha256=str(arrays["network_sha256"]),
        images=tuple(arrays["images"].tolist()),
        channels=tuple(arrays["channels"].tolist()),
        totals=ChannelTotals(**{name: arrays[name] for name in _TOTALS}),
    )
    wanted = no_totals(sum(statistics.channels))
    for name in _TOTALS:
        got, like = getattr(statistics.totals, name), getattr(wanted, name)
        if (got.shape, got.dtype) != (like.shape, like.dtype):
            raise ValueError(name)
    return statistics
