"""Shards on their way through a Dask scheduler: which worker has which, since when, and what became of them.

Dask itself does again what a worker had that ended. It does not see one that is frozen before its own limit,
five minutes by default, which belongs to the scheduler. So what takes far longer than the rest is given to
another worker as well, and whichever answers first is taken: they are the same bytes.

An image that a worker cannot have is left out only where no worker and not even this machine can have it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import itertools
import queue
import statistics
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_quantization.evaluation.dask_part import Part, not_shared
from edge_mnv3_quantization.evaluation.dask_worker import (
    Answer,
    Place,
    Unopened,
    answered,
    closed_images,
    pickled,
)
from edge_mnv3_quantization.evaluation.engine import WorkerLostError
from edge_mnv3_quantization.evaluation.evaluating import Shard

_AHEAD = 2  # parts a thread
_COPIES = 4  # of a part at once
_ASKED = 4  # parts of which all workers are asked at once
_REMEMBERED = 50  # parts whose time tells how long one takes
_MOST_REFUSALS = 3  # parts that a worker cannot do, and others can, before it gets no more
_PART_S = 2.0  # what a part should take: a scheduler and its clients do some hundred of them a second
_MOST_SHARDS = 64
_run_numbers = itertools.count()
# Three classes in Python 3.10.
TIMEOUTS = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)


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


class _Looked(NamedTuple):
    """What workers said of the images of a part: each that answered to those that it cannot open."""

    closed: dict[str, frozenset[Place]]


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
        self._fetched: queue.SimpleQueue[tuple[Part, str, Answer | _Looked | BaseException]] = (
            queue.SimpleQueue()
        )
        self._asking = ThreadPoolExecutor(_ASKED)
        self._refusals = Counter[str]()
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
        self._asking.shutdown(wait=False, cancel_futures=True)
        if futures and self._client.status == "running":
            self._client.cancel(futures, force=True)

    def _give(self, shards: Iterator[Shard]) -> None:
        """Gives parts away, as many as keep all workers at it."""
        idle = self.silent | self._blind
        threads = sum(count for worker, count in self._workers.items() if worker not in idle)
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
        """Gives a part to any worker but those that are silent, cannot have its images or are avoided."""
        avoided = self.silent | part.unable | (avoided or set())
        able = [worker for worker in self._workers if worker not in avoided]
        allowed = [worker for worker in able if worker not in self._blind] or able
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

    @property
    def _blind(self) -> set[str]:
        """Workers that cannot have what others can."""
        return {worker for worker, count in self._refusals.items() if count >= _MOST_REFUSALS}

    def _taken(self, part: Part, copy: str, answer: Answer | _Looked | BaseException) -> Answer | None:
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
        if isinstance(answer, _Looked):
            self._looked_for(part, answer)
            return None
        if answer.unopened is not None:
            self._unopened(part, answer.worker, answer.unopened)
            return None
        self._count_refusals(part)
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
        if self._client.status != "running":
            raise SchedulerError(
                "the connection to the Dask scheduler was lost",
                next_step="start the command again: what was done is in the store",
            ) from error
        if not cancelled and not isinstance(error, TIMEOUTS):
            raise error
        if not part.copies:
            self._submit(part)

    def _ended_workers(self, part: Part, error: BaseException) -> None:
        if part.alone:
            raise WorkerLostError(
                f"images {part.text}",
                "several Dask workers that were killed or crashed over them",
                "an evaluation that ends",
                "take these images out, or look whether the workers' memory runs short",
            ) from error
        again = count(sum(len(shard.indices) for shard in part.shards), "image is", "images are")
        self._reporter.warn(f"Dask workers were killed or crashed: {again} done again, alone")
        self._alone.extend(part.each_alone())

    def _unopened(self, part: Part, worker: str, unopened: Unopened) -> None:
        """Asks all workers which of a part's images they can open, so that one that can does the part."""
        part.closed.setdefault(worker, set()).add(unopened.place)
        part.last = (worker, unopened)
        asked = self._workers.keys() - self.silent
        part.since = self._patience.clock()
        if asked - part.unable:
            told = f"Dask worker {worker} cannot open image {unopened.name} ({unopened.reason})"
            others = asked - part.unable - {worker}
            self._reporter.warn(f"{told}: {'another one tries' if others else 'it is tried again'}")
        self._asking.submit(self._look_around, part, pickled(part.shards), asked | {worker})

    def _look_around(self, part: Part, shards: bytes, workers: set[str]) -> None:
        try:
            answer: _Looked | BaseException = self._ask(workers, shards)
        except BaseException as error:
            answer = error
        self._fetched.put((part, "", answer))

    def _ask(self, workers: set[str], shards: bytes) -> _Looked:
        """Asks which images of shards each worker cannot open; some may not answer in time."""
        futures = {
            worker: self._client.submit(
                closed_images,
                shards,
                key=f"edge-mnv3-look-{self._run}-{next(self._names)}",
                pure=False,
                workers=[worker],
                priority=1,
            )
            for worker in sorted(workers)
        }
        deadline = self._patience.clock() + self._patience.least_s
        closed = {}
        for worker, future in futures.items():
            # One that ended, or is silent, is found to be so elsewhere.
            with suppress(Exception):
                closed[worker] = future.result(timeout=max(0.1, deadline - self._patience.clock()))
        if self._client.status == "running":
            self._client.cancel(list(futures.values()), force=True)
        return _Looked(closed)

    def _looked_for(self, part: Part, looked: _Looked) -> None:
        """Gives a part to a worker that has its images; leaves out what nobody has, or ends."""
        for worker, places in looked.closed.items():
            part.closed.setdefault(worker, set()).update(places)
        present = self._workers.keys() - self.silent
        if present and not present - part.unable:  # none is left that might have all of them
            missing = set.intersection(*(part.closed[worker] for worker in present)) - part.absent
            part.leave_out(missing)
        if present and not present - part.unable:
            raise not_shared(*part.last, "some images on one worker, and some on another")
        self._submit(part)

    def _count_refusals(self, part: Part) -> None:
        """Notes who could not do a part that was done."""
        for worker in part.unable & self._workers.keys():
            self._refusals[worker] += 1
            if self._refusals[worker] == _MOST_REFUSALS:
                self._reporter.warn(f"Dask worker {worker} cannot open what others can: it gets no more work")

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
