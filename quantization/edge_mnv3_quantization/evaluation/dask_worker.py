"""What a Dask worker runs: the runtime, NumPy, Pillow and this package, without TensorFlow."""

from __future__ import annotations

import importlib
import pickle
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from edge_mnv3.core.runtime import LoadedModel
from edge_mnv3_quantization.evaluation.contents import looked
from edge_mnv3_quantization.evaluation.environment import Environment, environment
from edge_mnv3_quantization.evaluation.evaluating import Shard, ShardTask, UnopenedImageError

METADATA = "edge-mnv3"  # where the scheduler keeps tasks for its workers
_KEPT = 4  # tasks with their loaded files: one of `validate` and its neighbours


class Place(NamedTuple):
    """Where an image is: in which shard of a list, and where in it."""

    shard: int
    image: int


class Unopened(NamedTuple):
    """An image that a worker cannot have."""

    place: Place
    name: str
    reason: str


class Answer(NamedTuple):
    """What a worker made of some shards.

    Attributes:
        worker: Its address.
        where: Its environment.
        results: What came of the shards, in their order, pickled; None where an image cannot be had.
        elapsed_s: Wall time.
        unopened: The image that cannot be had.
    """

    worker: str
    where: Environment
    results: bytes | None
    elapsed_s: float
    unopened: Unopened | None = None


class _Begun:
    """A task with its files, of which each thread takes a set for itself."""

    def __init__(self, task: ShardTask[Any]) -> None:
        self.task = task
        self.idle: queue.SimpleQueue[list[LoadedModel]] = queue.SimpleQueue()


_begun: OrderedDict[str, _Begun] = OrderedDict()
_one = threading.Lock()


def answered(key: str, shards: bytes) -> Answer:
    """Does a task with shards; called by Dask.

    Args:
        key: The task's key in the scheduler's metadata, whence a process gets it once.
        shards: A list of `Shard`, pickled; may be empty.

    Raises:
        ModelFileError: A file does not load here, or takes no such image.
    """
    started = time.perf_counter()
    listed: list[Shard] = pickle.loads(shards)  # noqa: S301 - the scheduler's clients run any code here
    begun, models = _models(key)
    results: list[Any] = []
    unopened = None
    try:
        where = environment(models, listed[0].images)
        for shard in listed:
            if shard.indices:  # of an empty one only the environment is asked
                results.append(begun.task.done(models, shard))
    except UnopenedImageError as error:
        unopened = Unopened(Place(len(results), error.place), error.name, error.reason)
    finally:
        begun.idle.put(models)
    made = None if unopened else pickle.dumps(results, pickle.HIGHEST_PROTOCOL)
    return Answer(_address(), where, made, time.perf_counter() - started, unopened)


def closed_images(shards: bytes) -> frozenset[Place]:
    """Looks which files of shards cannot be opened here; called by Dask.

    Args:
        shards: A list of `Shard`, pickled.
    """
    listed: list[Shard] = pickle.loads(shards)  # noqa: S301
    return frozenset(
        Place(number, place)
        for number, shard in enumerate(listed)
        for place, index in enumerate(shard.indices)
        if (content := shard.images.content(index)) is not None
        and content.path is not None
        and looked(content.path) is None
    )


def _models(key: str) -> tuple[_Begun, list[LoadedModel]]:
    with _one:  # loading captures the process's output streams
        begun = _begun.get(key)
        if begun is None:
            begun = _begun[key] = _Begun(_task(key))
        _begun.move_to_end(key)
        while len(_begun) > _KEPT:
            _begun.popitem(last=False)
        try:
            return begun, begun.idle.get_nowait()
        except queue.Empty:
            return begun, begun.task.open_models()


def _task(key: str) -> ShardTask[Any]:
    content = importlib.import_module("distributed").get_client().get_metadata([METADATA, key])
    task: ShardTask[Any] = pickle.loads(content)  # noqa: S301
    return task


def _address() -> str:
    return str(importlib.import_module("distributed").get_worker().address)


def pickled(shards: Sequence[Shard]) -> bytes:
    """Shards with sources of their own, as `answered` takes them."""
    return pickle.dumps([shard.alone() for shard in shards], pickle.HIGHEST_PROTOCOL)
