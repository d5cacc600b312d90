"""The core of statistics at any scale: a float network run over a shard of images gives totals that merge.

What a shard's totals are depends on nothing but its images, the network and the preprocessing, and totals
merge exactly (`channel_totals`): however images were divided into shards, and wherever and in whichever
order these were run, the sums are the same bit by bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3_quantization.calibration.activations import observed_values, scaled_pixels
from edge_mnv3_quantization.calibration.channel_totals import ChannelTotals, no_totals
from edge_mnv3_quantization.calibration.statistics import observed_network
from edge_mnv3_quantization.evaluation.contents import Hashed
from edge_mnv3_quantization.evaluation.evaluating import Shard, StoppedError, decoded
from edge_mnv3_quantization.evaluation.records import Skipped
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.writer import write_float

DIGEST_BYTES = 16  # of an image's SHA-256: of ten million images, no two agree in them by chance


class ShardTotals(NamedTuple):
    """What a float network computed over the images of a shard.

    Attributes:
        totals: Of the channels of `observed_values` side by side.
        digests: `DIGEST_BYTES` of the SHA-256 of the pixels of each image that was counted, one after
            another.
        skipped: Images that could not be read.
        files: The file of each image, as `decoded` tells it.
    """

    totals: ChannelTotals
    digests: bytes
    skipped: tuple[Skipped, ...]
    files: tuple[Hashed | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A float network that is observed over shards of images; a task of the engines of evaluation.

    Attributes:
        content: A float file whose outputs are the values.
        channels: Channels of each value.
        input_scale: Factor of a pixel.
        input_offset: What is added to it.
        shape: Shape of the input.
        preprocess: Key of `PREPROCESSES`.
    """

    content: bytes
    channels: tuple[int, ...]
    input_scale: float
    input_offset: float
    shape: ImageShape
    preprocess: str

    def open_models(self) -> list[LoadedModel]:
        """Loads the file, with one thread."""
        return [open_bytes(self.content)]

    def done(
        self, models: Sequence[LoadedModel], shard: Shard, stopped: Callable[[], bool] = lambda: False
    ) -> ShardTotals:
        """Runs the network over a shard. The next image is decoded while it runs.

        Args:
            models: From `open_models`; not used by another thread.
            shard: The images.
            stopped: Asked before each image.

        Raises:
            StoppedError: `stopped` said so.
            ConversionError: A number is not finite, or over 1e9; the text names the image.
        """
        (model,) = models
        totals = no_totals(sum(self.channels))
        digests, skipped, files = bytearray(), [], list[Hashed | None]()
        for place, loaded in enumerate(decoded(shard, self.shape, self.preprocess, files)):
            if stopped():
                raise StoppedError
            if isinstance(loaded, str):
                skipped.append(Skipped(place, loaded))
                continue
            outputs = model.run_raw(scaled_pixels(loaded, self.input_scale, self.input_offset))
            try:
                totals.add([output.reshape(-1, output.shape[-1]) for output in outputs])
            except FloatingPointError as error:
                raise ConversionError(
                    f"running the float model on {shard.images.name(shard.indices[place])}",
                    "numbers over 1e9, infinite or NaN",
                    "finite weights",
                ) from error
            digests += hashlib.sha256(loaded.tobytes()).digest()[:DIGEST_BYTES]
        return ShardTotals(totals, bytes(digests), tuple(skipped), tuple(files))


def observation(network: Network, shape: ImageShape, preprocess: str) -> Observation:
    """Prepares the observation of a network.

    Args:
        network: From `observed_network`.
        shape: Shape of the model's input.
        preprocess: Key of `PREPROCESSES`.
    """
    values = observed_values(network)
    return Observation(
        content=write_float(network, values),
        channels=tuple(network.values[value].channels for value in values),
        input_scale=network.input_scale,
        input_offset=network.input_offset,
        shape=shape,
        preprocess=preprocess,
    )


def collect_statistics(
    model: bytes, shard: Shard, *, shape: ImageShape, preprocess: str, takes: InputRange = PIXELS
) -> ShardTotals:
    """Runs a float file over one shard, in this thread.

    Args:
        model: A float `.tflite` file.
        shard: The images.
        shape: Shape of the file's input.
        preprocess: Key of `PREPROCESSES`.
        takes: What its input takes.

    Raises:
        ConversionError: The file holds an operator that cannot be rewritten, or a number is not finite.
    """
    task = observation(observed_network(model, takes), shape, preprocess)
    return task.done(task.open_models(), shard)
