"""The core of every evaluation: files run over a shard of images give records, whoever calls it and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels, RuntimeName
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import ImageSource, Pixels
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import LoadedModel, open_model, real_numbers
from edge_mnv3_quantization.evaluation.contents import Hashed, decoded_file, looked
from edge_mnv3_quantization.evaluation.records import Columns, ShardRecords, Skipped

_REFUSALS = (FileNotFoundError, PermissionError, ConnectionError, TimeoutError)
A = TypeVar("A")
Done = TypeVar("Done", covariant=True)
# All outputs of each file to one image, in its order: real numbers, in the output's shape with the batch.
Outputs = Sequence[Sequence[npt.NDArray[np.float32]]]


class Reading(Protocol[A]):
    """What is kept of the outputs to one image; it can be pickled."""

    @property
    def kept(self) -> str:
        """Names what the answers depend on, other than the outputs: equal texts give equal columns."""

    def read(self, outputs: Outputs) -> A:
        """Makes an answer of all outputs of each file; may be called from several threads."""

    def columns(self, answers: Sequence[A]) -> Columns:
        """Lays answers out in columns, a row an image."""

    def answers(self, columns: Columns) -> list[A]:
        """Reads answers from their columns."""


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
            stopped: Asked before each image.

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
    reading: Reading[Any]

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
        must_open: An image that cannot be opened here may be opened elsewhere, and is not left out.
        decode_ahead: Another thread decodes the next image while files run. It gains where a core is free,
            and costs a tenth of the processor time where none is.
    """

    number: int
    images: ImageSource
    indices: Sequence[int]
    must_open: bool = False
    decode_ahead: bool = False

    def alone(self) -> Shard:
        """The shard with a source of its own, which can be sent to another process.

        Raises:
            TypeError: Its source cannot be sent.
        """
        part = self.images.part(self.indices)
        if part is None:
            raise TypeError(f"{self.images.description} cannot be sent to another process")
        return Shard(self.number, part, range(len(self.indices)), self.must_open, self.decode_ahead)


class UnopenedImageError(Exception):
    """An image that cannot be opened here, of a shard of which all must be.

    Attributes:
        name: The image.
        reason: Why.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


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
        stopped: Asked before each image.
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
    for place, loaded in enumerate(decoded(shard, evaluation.shape, evaluation.preprocess, files)):
        if stopped():
            raise StoppedError
        if isinstance(loaded, str):
            skipped.append(Skipped(place, loaded))
            continue
        places.append(place)
        answers.append(evaluation.reading.read([_outputs(model, loaded) for model in models]))
    columns = evaluation.reading.columns(answers) if answers else {}
    return ShardRecords(tuple(places), columns, tuple(skipped))


class Noted(NamedTuple):
    """A shard's records, with what its files held.

    Attributes:
        records: The records.
        files: The file of each image, as it was decoded; None where there is none, or it cannot be told.
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
        files: Takes each image's file as it was decoded, in their order; None where it has none.

    Raises:
        UnopenedImageError: An image that must be opened cannot be.
    """

    def load(index: int) -> Pixels | str:
        if files is None:
            return pixels_of(index)[0]
        content = shard.images.content(index)
        path = None if content is None else content.path
        before = None if path is None else looked(path)
        pixels, sha256 = pixels_of(index)
        if sha256 is None and content is not None and content.part:
            sha256 = shard.images.part_sha256(index)
            path = path if sha256 is not None else None
        files.append(None if path is None else decoded_file(path, before, sha256))
        return pixels

    def pixels_of(index: int) -> tuple[Pixels | str, str | None]:
        try:
            return shard.images.load_hashed(index, shape=shape, preprocess=preprocess)
        except InputFileError as error:
            if shard.must_open and _unopened(error.__cause__):
                raise UnopenedImageError(shard.images.name(index), error.got) from error
            return error.got or str(error), None

    if not shard.decode_ahead:
        yield from map(load, shard.indices)
        return
    first, *others = shard.indices
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(load, first)
        for index in others:
            loaded = coming.result()
            coming = pool.submit(load, index)
            yield loaded
        yield coming.result()


def _unopened(cause: BaseException | None) -> bool:
    """Whether the system refuses a file. Decoders raise the same class for damage, without a number."""
    return isinstance(cause, _REFUSALS) or (isinstance(cause, OSError) and cause.errno is not None)


def _outputs(model: LoadedModel, pixels: Pixels) -> list[npt.NDArray[np.float32]]:
    return [
        real_numbers(stored, tensor)
        for stored, tensor in zip(model.run_all(pixels), model.outputs, strict=True)
    ]
