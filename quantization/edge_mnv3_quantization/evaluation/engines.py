"""What does a task with shards: one interface, and the local engine; `dask_engine` has the other one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Generator, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_quantization.evaluation.engine import PROCESS_IMAGES, Evaluated, in_processes, in_threads
from edge_mnv3_quantization.evaluation.environment import Environment
from edge_mnv3_quantization.evaluation.evaluating import Shard, ShardTask

Done = TypeVar("Done")


class Team(NamedTuple):
    """Who works.

    Attributes:
        workers: How many there are.
        unit: `thread`, `process` or `Dask thread`.
    """

    workers: int
    unit: str

    @property
    def text(self) -> str:
        """A part of a line for people."""
        several = ("es" if self.unit == "process" else "s") if self.workers > 1 else ""
        return f"{self.workers} {self.unit}{several}"


class Engine(Protocol):
    """Does any task with shards: evaluation, statistics of calibration, whatever depends on images alone.

    Results are the same bytes whichever engine made them, in whatever order they come.
    """

    @property
    def remote(self) -> bool:
        """Other machines work, which read the images themselves."""

    def environment(self, task: ShardTask[Done], images: ImageSource, here: Environment) -> Environment:
        """Describes where the task is done, the same for all who work.

        Args:
            task: The task.
            images: Any images of its source.
            here: This process.

        Raises:
            EdgeMnv3Error: They are not alike, or nobody is there.
        """

    def team(self, images: ImageSource, shards: Sequence[Shard]) -> Team:
        """Who would work on so many shards."""

    def run(
        self, task: ShardTask[Done], shards: Iterable[Shard], team: Team
    ) -> Generator[Evaluated[Done], None, None]:
        """Does the task with each shard.

        Args:
            task: What is done.
            shards: Taken as they are needed.
            team: Who works, as `team` gives it.

        Returns:
            A generator of the shards as they are done, in any order; closing it ends the work.

        Raises:
            WorkerLostError: A shard ends all workers that get it.
            Exception: What the task raises.
        """


class LocalEngine:
    """All cores of this machine, or as many workers as are wanted: threads for few images, else processes."""

    remote = False

    def __init__(self, workers: int | None, reporter: Reporter) -> None:
        self._workers, self._reporter = workers, reporter

    def environment(self, task: ShardTask[Done], images: ImageSource, here: Environment) -> Environment:
        """This process's."""
        return here

    def team(self, images: ImageSource, shards: Sequence[Shard]) -> Team:
        """Processes where they are worth their start, and allowed."""
        workers = max(1, min(self._workers or available_cores(), len(shards)))
        worth = sum(len(shard.indices) for shard in shards) >= PROCESS_IMAGES and workers > 1
        allowed = worth and not multiprocessing.current_process().daemon and images.part([0]) is not None
        return Team(workers, "process" if allowed else "thread")

    def run(
        self, task: ShardTask[Done], shards: Iterable[Shard], team: Team
    ) -> Generator[Evaluated[Done], None, None]:
        """Does the task with each shard."""
        if team.unit == "process":
            return in_processes(task, shards, team.workers, self._reporter)
        return in_threads(task, shards, team.workers)
