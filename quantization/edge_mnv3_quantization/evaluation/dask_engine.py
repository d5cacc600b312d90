"""The engine of many machines: shards done by the workers of an existing Dask scheduler."""

from __future__ import annotations

import hashlib
import importlib
import pickle
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from edge_mnv3.core.errors import ArgumentError, EdgeMnv3Error
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_quantization.evaluation.dask_parts import TIMEOUTS, Parts, Patience, SchedulerError
from edge_mnv3_quantization.evaluation.dask_worker import METADATA, Answer, answered, pickled
from edge_mnv3_quantization.evaluation.engine import Evaluated
from edge_mnv3_quantization.evaluation.engines import Team
from edge_mnv3_quantization.evaluation.environment import Environment
from edge_mnv3_quantization.evaluation.evaluating import Shard, ShardTask

Done = TypeVar("Done")
_ENDED = ("KilledWorker", "CancelledError", "FutureCancelledError")  # of Dask, each with a base of its own
_FETCHES = 8  # results that are fetched at once
_EXTRA = "pip install 'edge-mnv3[dask]'"


class DaskEngine:
    """The workers of a scheduler. They need this package and its runtime, and no TensorFlow."""

    remote = True

    def __init__(self, address: str, reporter: Reporter, patience: Patience | None = None) -> None:
        """Connects.

        Args:
            address: The scheduler's, such as `tcp://10.0.0.1:8786`.
            reporter: Warned of workers that are lost, do not answer or cannot open an image.
            patience: How long workers are waited for.

        Raises:
            SchedulerError: There is none, or Dask is not installed.
        """
        self._address, self._reporter = address, reporter
        self._patience = patience or Patience()
        self._where: Environment | None = None
        self._silent: set[str] = set()
        self._keys: set[str] = set()
        try:
            distributed = importlib.import_module("distributed")
        except ImportError as error:
            raise SchedulerError("--engine dask needs Dask", str(error), next_step=_EXTRA) from error
        try:
            self._client = distributed.Client(address, set_as_default=False, timeout=self._patience.connect_s)
        except (*TIMEOUTS, OSError, ValueError) as error:
            raise SchedulerError(
                f"Dask scheduler {address}",
                f"no answer ({error})",
                "the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786",
                "start one, or look whether a firewall is between",
            ) from error

    def __enter__(self) -> DaskEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client.status == "running":
            for key in self._keys:
                self._client.set_metadata([METADATA, key], None)
        self._client.close(timeout=self._patience.connect_s)

    def environment(self, task: ShardTask[Done], images: ImageSource, here: Environment) -> Environment:
        """Asks all workers what they are, once; those that do not answer get no work.

        Raises:
            ArgumentError: The images cannot be sent to workers.
            SchedulerError: There are none, or they differ from this machine or from one another.
        """
        if images.part([0]) is None:
            raise ArgumentError(
                f"--engine dask with {images.description}",
                "pixels that lie on this machine",
                "images that workers can read",
                "give the images themselves, or leave --engine out",
            )
        if self._where is None:
            self._where = self._agreed(self._answers(task, images), here)
        return self._where

    def team(self, images: ImageSource, shards: Sequence[Shard]) -> Team:
        """All threads of all workers."""
        return Team(max(1, sum(self._client.nthreads().values())), "Dask thread")

    def run(
        self, task: ShardTask[Done], shards: Iterable[Shard], team: Team
    ) -> Generator[Evaluated[Done], None, None]:
        """Does the task with each shard; see `Engine`.

        Raises:
            WorkerLostError: A shard ends the workers that get it.
            SchedulerError: The scheduler is gone, or a worker is another than the first ones.
            InputFileError: An image that this machine can open can be opened by no worker.
        """
        where = self._where
        if where is None:
            raise ValueError("environment() must be asked first")
        key = self._sent(task)
        fetching = ThreadPoolExecutor(_FETCHES)
        parts = Parts(self._client, key, fetching, self._reporter, self._patience)
        parts.silent |= self._silent
        try:
            for done, answer in parts.answers(iter(shards)):
                _check_same(answer, where)
                results: list[Done] = pickle.loads(answer.results or b"")  # noqa: S301
                yield from zip(done, results, strict=True)
        finally:
            self._silent = parts.silent
            parts.end()
            fetching.shutdown(wait=False, cancel_futures=True)

    def _sent(self, task: ShardTask[Any]) -> str:
        """Gives the task to the scheduler, from which each worker takes it once."""
        content = pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
        key = f"{hashlib.sha256(content).hexdigest()[:32]}-{self._client.id}"
        if key not in self._keys:
            self._client.set_metadata([METADATA, key], content)
            self._keys.add(key)
        return key

    def _answers(self, task: ShardTask[Any], images: ImageSource) -> list[Answer]:
        """What each worker says of itself."""
        key, asked = self._sent(task), pickled([Shard(0, images, ())])
        futures = {
            worker: self._client.submit(
                answered, key, asked, workers=[worker], key=f"edge-mnv3-ask-{key[:16]}-{worker}", pure=False
            )
            for worker in self._present()
        }
        deadline = self._patience.clock() + self._patience.answer_s
        try:
            answers = [self._answer(worker, future, deadline) for worker, future in futures.items()]
        finally:
            self._client.cancel(list(futures.values()), force=True)
        return [answer for answer in answers if answer is not None]

    def _answer(self, worker: str, future: Any, deadline: float) -> Answer | None:
        try:
            answer: Answer = future.result(timeout=max(0.1, deadline - self._patience.clock()))
        except TIMEOUTS:
            self._silent.add(worker)
            self._reporter.warn(f"Dask worker {worker} does not answer: it gets no work")
            return None
        except EdgeMnv3Error:
            raise
        except (Exception, CancelledError) as error:
            if self._client.status != "running":
                raise SchedulerError("the connection to the Dask scheduler was lost", str(error)) from error
            if isinstance(error, CancelledError) or type(error).__name__ in _ENDED:
                self._silent.add(worker)
                told = f"Dask worker {worker} was killed or crashed when it was asked what it is"
                self._reporter.warn(f"{told}: it gets no work")
                return None
            raise SchedulerError(
                f"Dask worker {worker} cannot run edge-mnv3",
                f"{type(error).__name__} {error}",
                "the same packages as here",
                f"{_EXTRA} there, in the same version",
            ) from error
        return answer

    def _present(self) -> list[str]:
        try:
            self._client.wait_for_workers(1, timeout=self._patience.answer_s)
        except TIMEOUTS as error:
            raise SchedulerError(f"Dask scheduler {self._address}", "no workers", "one at least") from error
        return list(self._client.nthreads())

    def _agreed(self, answers: Sequence[Answer], here: Environment) -> Environment:
        if not answers:
            raise SchedulerError(f"Dask scheduler {self._address}", "no worker that answers", "one at least")
        for answer in answers:
            _check_versions(answer, here)
            _check_same(answer, answers[0].where)
        return answers[0].where


def _check_versions(answer: Answer, where: Environment) -> None:
    """Refuses a worker of other versions."""
    differences = where.differences(answer.where)
    if differences:
        raise SchedulerError(
            f"Dask worker {answer.worker} might give other results",
            "; ".join(differences),
            next_step="install the same versions there as here",
        )


def _check_same(answer: Answer, where: Environment) -> None:
    """Refuses what another kind of worker than the first has made: it is never mixed."""
    _check_versions(answer, where)
    if answer.where.processor != where.processor:
        raise SchedulerError(
            f"Dask worker {answer.worker}",
            "another kind of processor than that of other workers, which changes the last bits of results",
            "workers of one kind",
            "give the scheduler workers on one kind of machine",
        )
