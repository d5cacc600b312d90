"""Shards on their way through a Dask scheduler: which worker has which, since when, and what became of them.

Dask itself does again what a worker had that ended. It does not see one that is frozen before its own limit,
five minutes by default, which belongs to the scheduler. So what takes far longer than the rest is given to
another worker as well, and whichever answers first is taken: they are the same bytes.
"""

from __future__ import annotations

import importlib
import itertools
import queue
import statistics
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from edge_mnv3.core.errors import EdgeMnv3Error, InputFileError
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_quantization.evaluation.contents import looked
from edge_mnv3_quantization.evaluation.dask_worker import Answer, Unopened, answered, pickled
from edge_mnv3_quantization.evaluation.engine import WorkerLostError
from edge_mnv3_quantization.evaluation.evaluating import Shard

_AHEAD = 2  # parts a thread
_COPIES = 4  # of a part at once
_REMEMBERED = 50  # parts whose time tells how long one takes
_OPENERS = 3  # workers that may try to open an image
_PART_S = 2.0  # what a part should take: a scheduler and its clients do some hundred of them a second
_MOST_SHARDS = 64
_run_numbers = itertools.count()


class SchedulerError(EdgeMnv3Error):
    """A Dask scheduler cannot be reached, has gone, or has no workers that can do the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited.

    Attributes:
        connect_s: For the scheduler.
        answer_s: For the first answer of each worker, which imports and loads, and for a result to arrive.
        least_s: Nothing is given to a second worker earlier.
        times: Nor before it took so many times as long as others.
        look_s: How often that is looked at.
    """

    connect_s: float = 30.0
    answer_s: float = 60.0
    least_s: float = 10.0
    times: float = 4.0
    look_s: float = 1.0

    def clock(self) -> float:
        """Seconds since any moment."""
        return time.monotonic()


@dataclass(slots=True, eq=False)
class Part:
    """Some shards that one worker does.

    Attributes:
        shards: The shards.
        alone: Nothing else may be on its way: what it was with has ended workers.
        copies: Name of each copy that is on its way to its future.
        since: When the last copy was given away.
        unable: Workers that cannot open one of its images.
    """

    shards: list[Shard]
    alone: bool = False
    copies: dict[str, Any] = field(default_factory=dict)
    since: float = 0.0
    unable: set[str] = field(default_factory=set)


class Parts:
    """All shards of one run.

    Attributes:
        silent: Workers that have not answered for long; they get no work before they answer.
    """

    def __init__(
        self, client: Any, task: str, fetching: Executor, reporter: Reporter, patience: Patience
    ) -> None:
        """Begins a run.

        Args:
            client: Dask's.
            task: The task's key.
            fetching: Fetches results.
            reporter: Warned of workers.
            patience: How long they are waited for.
        """
        self._client, self._task, self._fetching = client, task, fetching
        self._reporter, self._patience = reporter, patience
        self.silent: set[str] = set()
        self._workers: dict[str, int] = dict(client.nthreads())
        self._last_answer: dict[str, float] = {}
        self._running: list[Part] = []
        self._alone: deque[Part] = deque()
        self._fetched: queue.SimpleQueue[tuple[Part, str, Answer | BaseException]] = queue.SimpleQueue()
        self._took: deque[float] = deque(maxlen=_REMEMBERED)
        self._shard_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._next_look = 0.0
        self._names = itertools.count()
        self._run = f"{task[:16]}-{client.id}-{next(_run_numbers)}"
        self._killed = importlib.import_module("distributed").KilledWorker

    def answers(self, shards: Iterator[Shard]) -> Generator[tuple[list[Shard], Answer], None, None]:
        """Does all shards; see `DaskEngine.run`."""
        while True:
            self._give(shards)
            if not self._running:
                return
            with suppress(queue.Empty):
                part, copy, answer = self._fetched.get(timeout=self._patience.look_s)
                taken = self._taken(part, copy, answer)
                if taken is not None:
                    yield part.shards, taken
            self._look()

    def end(self) -> None:
        """Takes back what is on its way."""
        futures = [future for part in self._running for future in part.copies.values()]
        self._running.clear()
        if futures and self._client.status == "running":
            self._client.cancel(futures, force=True)

    def _give(self, shards: Iterator[Shard]) -> None:
        """Gives parts away, as many as keep all workers at it."""
        threads = sum(count for worker, count in self._workers.items() if worker not in self.silent)
        while len(self._running) < _AHEAD * max(1, threads) and not any(each.alone for each in self._running):
            listed = list(itertools.islice(shards, self._size()))
            if listed:
                self._submit(Part([shard._replace(must_open=True) for shard in listed]))
                continue
            if not self._running and self._alone:
                self._submit(self._alone.popleft())
            return

    def _size(self) -> int:
        if not self._shard_s:
            return 1
        wanted = _PART_S / max(1e-3, statistics.median(self._shard_s))
        return max(1, min(_MOST_SHARDS, int(wanted)))

    def _submit(self, part: Part, avoided: set[str] | None = None) -> None:
        """Gives a part to any worker but those that are silent, cannot open its images or are avoided."""
        avoided = self.silent | part.unable | (avoided or set())
        allowed = [worker for worker in self._workers if worker not in avoided]
        copy = f"edge-mnv3-{self._run}-{next(self._names)}"
        restricted = {"workers": allowed} if allowed and len(allowed) < len(self._workers) else {}
        future = self._client.submit(
            answered, self._task, pickled(part.shards), key=copy, pure=False, **restricted
        )
        part.copies[copy] = future
        part.since = self._patience.clock()
        if part not in self._running:
            self._running.append(part)
        future.add_done_callback(lambda done: self._fetch_later(part, copy, done))

    def _fetch_later(self, part: Part, copy: str, future: Any) -> None:
        with suppress(RuntimeError):  # the run has ended
            self._fetching.submit(self._fetch, part, copy, future)

    def _fetch(self, part: Part, copy: str, future: Any) -> None:
        try:
            answer: Answer | BaseException = future.result(timeout=self._patience.answer_s)
        except BaseException as error:
            answer = error
        self._fetched.put((part, copy, answer))

    def _taken(self, part: Part, copy: str, answer: Answer | BaseException) -> Answer | None:
        """Takes an answer; returns it where it is the first of its part."""
        part.copies.pop(copy, None)
        if isinstance(answer, Answer):
            self._last_answer[answer.worker] = self._patience.clock()
            self.silent.discard(answer.worker)
        if part not in self._running:
            return None
        if isinstance(answer, BaseException):
            self._failed(part, answer)
            return None
        if answer.unopened is not None:
            self._unopened(part, answer.worker, answer.unopened)
            return None
        self._running.remove(part)
        if part.copies:
            self._client.cancel(list(part.copies.values()), force=True)
        self._took.append(self._patience.clock() - part.since)
        self._shard_s.append(answer.elapsed_s / len(part.shards))
        return answer

    def _failed(self, part: Part, error: BaseException) -> None:
        """Does again, with nothing beside it, what ended workers; other errors are the task's own."""
        if isinstance(error, self._killed):
            self._running.remove(part)
            self._ended_workers(part, error)
            return
        # Dask has a class of its own, which is no subclass of the standard library's.
        cancelled = isinstance(error, CancelledError) or "CancelledError" in type(error).__name__
        if not cancelled and not isinstance(error, TimeoutError):
            raise error
        if self._client.status != "running":
            raise SchedulerError(
                "the connection to the Dask scheduler was lost",
                next_step="start the command again: what was done is in the store",
            ) from error
        if not part.copies:
            self._submit(part)

    def _ended_workers(self, part: Part, error: BaseException) -> None:
        if part.alone:
            raise WorkerLostError(
                f"images {_names(part)}",
                "several Dask workers that were killed or crashed over them",
                "an evaluation that ends",
                "take these images out, or look whether the workers' memory runs short",
            ) from error
        count = sum(len(shard.indices) for shard in part.shards)
        self._reporter.warn(f"Dask workers were killed or crashed: {count} images are done again, alone")
        self._alone.extend(Part([shard], alone=True, unable=part.unable) for shard in part.shards)

    def _unopened(self, part: Part, worker: str, unopened: Unopened) -> None:
        """Tries another worker; what not even this machine can open is left out, as it would be here."""
        part.unable.add(worker)
        others = self._workers.keys() - part.unable - self.silent
        if others and len(part.unable) < _OPENERS:
            told = f"Dask worker {worker} cannot open image {unopened.image} ({unopened.reason})"
            self._reporter.warn(f"{told}: another one tries")
            self._submit(part)
            return
        if _opens_here(part, unopened.image):
            raise InputFileError(
                f"image {unopened.image} on Dask worker {worker}",
                unopened.reason,
                "a file that all workers see under the path that it has here",
                "put the images into a folder that all machines share",
            )
        part.unable.clear()
        part.shards = [shard._replace(must_open=False) for shard in part.shards]
        self._submit(part)

    def _look(self) -> None:
        """Looks for workers that have gone, and for parts that take far too long."""
        now = self._patience.clock()
        if now < self._next_look:
            return
        self._next_look = now + self._patience.look_s
        workers = dict(self._client.nthreads())
        for worker in sorted(self._workers.keys() - workers.keys()):
            self._reporter.warn(f"Dask worker {worker} is gone: others do what it had")
            self.silent.discard(worker)
        self._workers = workers
        usual = statistics.median(self._took) if self._took else 0.0
        limit = max(self._patience.least_s, self._patience.times * usual)
        late = [part for part in self._running if now - part.since > limit and len(part.copies) < _COPIES]
        if late:
            self._give_again(late, now - limit)

    def _give_again(self, late: list[Part], before: float) -> None:
        """Gives parts that took too long to others, too; a worker that answers nothing gets no more."""
        held = {str(key): worker for worker, keys in self._client.processing().items() for key in keys}
        for part in late:
            holders = {held[copy] for copy in part.copies if copy in held}
            for worker in sorted(holders - self.silent):
                if self._last_answer.get(worker, 0.0) < before and len(self._workers) > 1:
                    self.silent.add(worker)
                    self._reporter.warn(f"Dask worker {worker} does not answer: others do what it has")
        for part in late:
            holders = {held[copy] for copy in part.copies if copy in held}
            if self._workers.keys() - self.silent - part.unable - holders:
                self._submit(part, holders)


def _names(part: Part) -> str:
    first, last = part.shards[0], part.shards[-1]
    return f"{first.images.name(first.indices[0])} to {last.images.name(last.indices[-1])}"


def _opens_here(part: Part, name: str) -> bool:
    for shard in part.shards:
        for index in shard.indices:
            if shard.images.name(index) == name:
                content = shard.images.content(index)
                return content is not None and content.path is not None and looked(content.path) is not None
    return False
