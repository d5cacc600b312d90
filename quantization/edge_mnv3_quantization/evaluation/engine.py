"""The local engine: a task done with shards on all cores, by threads of this process or by processes."""

from __future__ import annotations

import multiprocessing
import queue
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeAlias, TypeVar

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.runtime import LoadedModel
from edge_mnv3_quantization.evaluation.evaluating import Shard, ShardTask
from edge_mnv3_quantization.evaluation.worker import begin, done_here, starting_processes

# From so many images on, processes save more than their start costs: about half a second of a core each.
PROCESS_IMAGES = 1000
_AHEAD = 2  # shards a worker that wait for it: enough for it never to wait
_POLL_S = 0.1  # on Windows, Ctrl-C is not seen before a wait ends
_ATTEMPTS = 3  # of a shard whose worker ends each time; from the second on it is evaluated alone


class WorkerLostError(EdgeMnv3Error):
    """A shard ends every process that evaluates it."""


Done = TypeVar("Done")
Evaluated: TypeAlias = tuple[Shard, Done]  # a shard with what came of it


def in_threads(
    task: ShardTask[Done], shards: Iterable[Shard], workers: int
) -> Generator[Evaluated[Done], None, None]:
    """Does a task with shards by threads of this process.

    Args:
        task: What is done with each shard.
        shards: Taken as they are needed.
        workers: Threads.

    Yields:
        The shards as they are done, in any order.

    Raises:
        Exception: What the task raises.
    """
    idle: queue.SimpleQueue[list[LoadedModel]] = queue.SimpleQueue()
    for _ in range(workers):
        # Loading captures the process's output streams, so it stays on this thread.
        idle.put(task.open_models())
    stop: list[bool] = []
    ahead = workers < available_cores()

    def work(shard: Shard) -> Done:
        models = idle.get()
        try:
            return task.done(models, shard._replace(decode_ahead=ahead), lambda: bool(stop))
        finally:
            idle.put(models)

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from _completed(lambda shard: pool.submit(work, shard), shards, workers + 1)
        finally:
            stop.append(True)
            pool.shutdown(wait=True, cancel_futures=True)


def in_processes(
    task: ShardTask[Done], shards: Iterable[Shard], workers: int, reporter: Reporter
) -> Generator[Evaluated[Done], None, None]:
    """Does a task with shards by processes. A shard whose process ends is done again by another one.

    Args:
        task: What is done with each shard; sent to each process once.
        shards: Taken as they are needed; of sources that have a `part`.
        workers: Processes.
        reporter: Warned of processes that ended.

    Yields:
        The shards as they are done, in any order.

    Raises:
        WorkerLostError: A shard ended all processes that evaluated it.
        Exception: What the task raises.
    """
    lost = Counter[int]()
    waiting = iter(shards)
    again: deque[Shard] = deque()
    while True:
        # What ended two processes is evaluated with nothing beside it, so that the culprit is known.
        alone = [shard for shard in again if lost[shard.number] > 1]
        given = iter(alone[:1]) if alone else _chain(again, waiting)
        broken: list[Shard] = []
        with _Processes(task, 1 if alone else workers) as processes:
            yield from _completed(processes.submit, given, 1 if alone else _AHEAD * workers, broken=broken)
        for shard in alone[:1]:
            again.remove(shard)
        if not broken and not again and not alone:
            return
        lost.update(shard.number for shard in broken)
        again.extend(broken)
        if broken:
            _tell(broken, lost, reporter)


def _tell(broken: list[Shard], lost: Counter[int], reporter: Reporter) -> None:
    worst = max(broken, key=lambda shard: lost[shard.number])
    first, last = (worst.images.name(worst.indices[place]) for place in (0, -1))
    if lost[worst.number] >= _ATTEMPTS:
        raise WorkerLostError(
            f"images {first} to {last}",
            f"{lost[worst.number]} processes that were killed or crashed over them",
            "an evaluation that ends",
            "take these images out, or look whether memory runs short and use fewer --workers",
        )
    again = count(sum(len(shard.indices) for shard in broken), "image is", "images are")
    reporter.warn(f"a worker process was killed or crashed: {again} evaluated again")


def _chain(again: deque[Shard], waiting: Iterator[Shard]) -> Iterator[Shard]:
    while again:
        yield again.popleft()
    while (shard := next(waiting, None)) is not None:  # `yield from` would end a generator with this one
        yield shard


class _Processes:
    """Processes that do a task with shards; leaving the block ends them."""

    def __init__(self, task: ShardTask[Any], workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.RawValue("b", 0)  # without a lock, which a killed process could hold
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=context,
            initializer=begin,
            initargs=(task, self._stop, context.Lock()),
        )
        self._ahead = workers < available_cores()

    def __enter__(self) -> _Processes:
        return self

    def submit(self, shard: Shard) -> Future[Any]:
        with starting_processes():
            return self._pool.submit(done_here, shard._replace(decode_ahead=self._ahead).alone())

    def __exit__(self, *_: object) -> None:
        self._stop.value = 1
        self._pool.shutdown(wait=True, cancel_futures=True)


def _completed(
    submit: Callable[[Shard], Future[Done]],
    shards: Iterable[Shard],
    most: int,
    broken: list[Shard] | None = None,
) -> Generator[Evaluated[Done], None, None]:
    """Keeps so many shards submitted until all are done; ends early where a process did.

    Args:
        submit: Begins the evaluation of a shard.
        shards: The shards.
        most: How many are submitted at once.
        broken: Takes the shards that were not evaluated because a process ended.
    """
    waiting = iter(shards)
    running: dict[Future[Done], Shard] = {}
    while True:
        while len(running) < most and not broken:
            shard = next(waiting, None)
            if shard is None:
                break
            try:
                running[submit(shard)] = shard
            except BrokenProcessPool:
                if broken is None:
                    raise
                broken.append(shard)
        if not running:
            return
        done, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        for future in done:
            shard = running.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                if broken is None:
                    raise
                broken.append(shard)
            else:
                yield shard, result
