"""The core of every evaluation: files run over a shard of images give records, whoever calls it and where."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels, RuntimeName
from edge_mnv3.core.errors import InputFileError, UnusableImageError
from edge_mnv3.core.images import NO_MEMORY, ImageSource, Pixels
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import LoadedModel, open_model
from edge_mnv3.core.stored_numbers import real_numbers
from edge_mnv3_quantization.evaluation.contents import Hashed, decoded_file, looked
from edge_mnv3_quantization.evaluation.records import Columns, ShardRecords, Skipped

Done = TypeVar("Done", covariant=True)
Image = TypeVar("Image")
# Pixels that wait for the files, and outputs that wait for their reading. Runs of one file after another find
# its weights in the processor's cache.
_GROUP_BYTES = 4 << 20
# All outputs of each file to one image, in its order: real numbers, in the output's shape with the batch.
Outputs = Sequence[Sequence[npt.NDArray[np.float32]]]


class Reading(Protocol):
    """What is kept of the outputs to one image; it can be pickled."""

    @property
    def kept(self) -> str:
        """Names what the answers depend on, other than the outputs: equal texts give equal columns."""

    def read(self, outputs: Outputs) -> Any:
        """Takes what is needed of all outputs of each file; may be called from several threads."""

    def columns(self, answers: Sequence[Any]) -> Columns:
        """Makes columns, a row an image, of what `read` took of some images."""


class ModelContent(NamedTuple):
    """A `.tflite` file in memory, and how it is run.

    Attributes:
        path: What errors call it.
        content: The file's bytes.
        kernels: The kernels that run it.
        runtime: TFLite runtime to use.
        input_range: What pixels are fed as; None for the numbers 0 to 255.
    """

    path: Path
    content: bytes
    kernels: Kernels
    runtime: RuntimeName
    input_range: InputRange | None

    def open(self) -> LoadedModel:
        """Loads it, with one thread.

        Raises:
            ModelFileError: It does not load.
        """
        return open_model(
            self.path,
            kernels=self.kernels,
            runtime=self.runtime,
            input_range=self.input_range,
            content=self.content,
        )


class ShardTask(Protocol[Done]):
    """What is done with shards, by threads or by processes; it can be pickled."""

    def open_models(self) -> list[LoadedModel]:
        """Loads what is run, for one thread at a time.

        Raises:
            ModelFileError: A file does not load.
        """

    def done(self, models: Sequence[LoadedModel], shard: Shard, stopped: Callable[[], bool] = ...) -> Done:
        """Does it with a shard.

        Args:
            models: From `open_models`; not used by another thread.
            shard: The images.
            stopped: Asked before an image is used, and before each file runs on it.

        Returns:
            What depends on nothing but the shard's images and the task; it can be pickled.

        Raises:
            StoppedError: `stopped` said so.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is done with every image.

    Attributes:
        models: The files that are run over the same pixels.
        shape: Shape of the input of all of them.
        preprocess: Key of `PREPROCESSES`.
        reading: What is kept of their outputs.
    """

    models: tuple[ModelContent, ...]
    shape: ImageShape
    preprocess: str
    reading: Reading

    def open_models(self) -> list[LoadedModel]:
        """Loads all files, for one thread at a time."""
        return [model.open() for model in self.models]

    def done(
        self, models: Sequence[LoadedModel], shard: Shard, stopped: Callable[[], bool] = lambda: False
    ) -> ShardRecords:
        """Runs every file over every image of a shard; see `evaluate`."""
        return evaluate(self, models, shard, stopped)


class Shard(NamedTuple):
    """Some of a source's images.

    Attributes:
        number: Its place among all shards.
        images: The source.
        indices: The images' numbers in it.
        must_open: An image that cannot be had here may be had elsewhere, and is not left out.
        decode_ahead: Another thread decodes the next image while files run. It gains where a core is free,
            and costs a tenth of the processor time where none is.
        absent: Places in the shard of images that are to be had nowhere.
    """

    number: int
    images: ImageSource
    indices: Sequence[int]
    must_open: bool = False
    decode_ahead: bool = False
    absent: frozenset[int] = frozenset()

    def alone(self) -> Shard:
        """The shard with a source of its own, which can be sent to another process.

        Raises:
            TypeError: Its source cannot be sent.
        """
        part = self.images.part(self.indices)
        if part is None:
            raise TypeError(f"{self.images.description} cannot be sent to another process")
        return self._replace(images=part, indices=range(len(self.indices)))


class UnopenedImageError(Exception):
    """An image that cannot be had here, of a shard of which all must be.

    Attributes:
        place: Its place in the shard.
        name: The image.
        reason: Why.
    """

    def __init__(self, place: int, name: str, reason: str) -> None:
        super().__init__(place, name, reason)
        self.place, self.name, self.reason = place, name, reason


class StoppedError(Exception):
    """Whoever asked for the records does not want them any more."""


def evaluate(
    evaluation: Evaluation,
    models: Sequence[LoadedModel],
    shard: Shard,
    stopped: Callable[[], bool] = lambda: False,
    files: list[Hashed | None] | None = None,
) -> ShardRecords:
    """Runs every file over every image of a shard.

    Args:
        evaluation: What is done with each image.
        models: Its files, loaded; not used by another thread.
        shard: The images.
        stopped: Asked before an image is used, and before each file runs on it.
        files: Takes each image's file, as `decoded` does.

    Returns:
        The records; those of one image depend on nothing but the image and the evaluation.

    Raises:
        StoppedError: `stopped` said so.
        ModelFileError: A file takes no such image.
    """
    answers: list[Any] = []
    places: list[int] = []
    skipped: list[Skipped] = []
    images = decoded(shard, evaluation.shape, evaluation.preprocess, files)
    numbered = enumerate(_unless(stopped, images))
    together = _group_images(shard, evaluation.shape, models)
    while group := list(islice(numbered, together)):
        read: list[Pixels] = []
        for place, loaded in group:
            if isinstance(loaded, str):
                skipped.append(Skipped(place, loaded))
            else:
                places.append(place)
                read.append(loaded)
        answers += map(evaluation.reading.read, _outputs_of_all(models, read, stopped))
    columns = evaluation.reading.columns(answers) if answers else {}
    return ShardRecords(tuple(places), columns, tuple(skipped))


def _group_images(shard: Shard, shape: ImageShape, models: Sequence[LoadedModel]) -> int:
    """How many images are decoded before the files run: one where decoding goes on beside them."""
    if shard.decode_ahead:
        return 1
    # Sides that are not known are -1.
    outputs = sum(math.prod(map(abs, output.shape)) for model in models for output in model.outputs)
    bytes_each = shape.height_px * shape.width_px * shape.channels + np.dtype(np.float32).itemsize * outputs
    return max(1, _GROUP_BYTES // bytes_each)


def _outputs_of_all(
    models: Sequence[LoadedModel], images: Sequence[Pixels], stopped: Callable[[], bool]
) -> Iterator[Outputs]:
    """The outputs of all files to each image, of one file to all images before the next file."""
    by_file = [[_outputs(model, pixels) for pixels in _unless(stopped, images)] for model in models]
    return zip(*by_file, strict=True)


def _unless(stopped: Callable[[], bool], images: Iterable[Image]) -> Iterator[Image]:
    """The images, as long as `stopped` does not say so.

    Raises:
        StoppedError: It says so.
    """
    for image in images:
        if stopped():
            raise StoppedError
        yield image


class Noted(NamedTuple):
    """A shard's records, with what its files held.

    Attributes:
        records: The records.
        files: The file of each image, as it was decoded; None where there is none, it cannot be told, or what
            kept the image from being read may pass.
    """

    records: ShardRecords
    files: tuple[Hashed | None, ...]


@dataclass(frozen=True, slots=True)
class NotedEvaluation:
    """An evaluation that tells what it has read, so that no file is read twice."""

    evaluation: Evaluation

    def open_models(self) -> list[LoadedModel]:
        """Loads all files, for one thread at a time."""
        return self.evaluation.open_models()

    def done(
        self, models: Sequence[LoadedModel], shard: Shard, stopped: Callable[[], bool] = lambda: False
    ) -> Noted:
        """Runs every file over every image of a shard; see `evaluate`."""
        files: list[Hashed | None] = []
        records = evaluate(self.evaluation, models, shard, stopped, files)
        return Noted(records, tuple(files))


def decoded(
    shard: Shard, shape: ImageShape, preprocess: str, files: list[Hashed | None] | None = None
) -> Iterator[Pixels | str]:
    """The pixels of each image, or why it cannot be read.

    Args:
        shard: The images.
        shape: Shape of the model's input.
        preprocess: Key of `PREPROCESSES`.
        files: Takes each image's file as it was decoded, in their order; None where it has none, or was not
            read for a reason that may pass.

    Raises:
        UnopenedImageError: An image that must be had cannot be.
    """

    def load(place: int) -> Pixels | str:
        index = shard.indices[place]
        if files is None:
            return _read(shard, place, shape, preprocess).pixels
        content = shard.images.content(index)
        remote = shard.images.remote(index) if content is None else None
        path = None if content is None else content.path
        before = None if path is None else looked(path)
        found = _read(shard, place, shape, preprocess)
        sha256 = found.sha256
        if remote is not None:
            if sha256 is None and not found.may_pass:
                sha256 = shard.images.part_sha256(index)
            known = sha256 is not None and not found.may_pass
            files.append(Hashed(sha256 or "", remote.facts, remote.settled) if known else None)
            return found.pixels
        if content is not None and content.part and sha256 is None and not found.may_pass:
            sha256 = shard.images.part_sha256(index)
            path = path if sha256 is not None else None
        files.append(None if path is None or found.may_pass else decoded_file(path, before, sha256))
        return found.pixels

    places = range(len(shard.indices))
    if not shard.decode_ahead:
        yield from map(load, places)
        return
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(load, 0)
        for place in places[1:]:
            loaded = coming.result()
            coming = pool.submit(load, place)
            yield loaded
        yield coming.result()


class _Read(NamedTuple):
    """An image as it was read: its pixels or why there are none, and the hash of its file's bytes."""

    pixels: Pixels | str
    sha256: str | None = None
    may_pass: bool = False  # what kept it from being read


def _read(shard: Shard, place: int, shape: ImageShape, preprocess: str) -> _Read:
    index = shard.indices[place]
    try:
        return _Read(*shard.images.load_hashed(index, shape=shape, preprocess=preprocess))
    except UnusableImageError as error:
        return _Read(error.got or str(error))
    except (InputFileError, MemoryError) as error:
        # A disk, a server or memory that fails, a folder that is not mounted: all but the bytes themselves.
        reason = (error.got or str(error)) if isinstance(error, InputFileError) else NO_MEMORY
        if shard.must_open and place not in shard.absent:
            raise UnopenedImageError(place, shard.images.name(index), reason) from error
        return _Read(reason, may_pass=True)


def _outputs(model: LoadedModel, pixels: Pixels) -> list[npt.NDArray[np.float32]]:
    return [
        real_numbers(stored, tensor)
        for stored, tensor in zip(model.run_all(pixels), model.outputs, strict=True)
    ]
