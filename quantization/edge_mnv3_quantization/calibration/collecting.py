"""Statistics over any number of images in one pass: on all cores, resumable, in memory that does not grow.

What grows are the hashes, 16 bytes an image, and the list of the images.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.calibration_statistics import StatisticsFacts
from edge_mnv3.core.results.images import SkippedImage
from edge_mnv3_quantization.calibration.channel_totals import no_totals
from edge_mnv3_quantization.calibration.counted import CountedStatistics, counted, sorted_digests
from edge_mnv3_quantization.calibration.counted_files import Unfinished
from edge_mnv3_quantization.calibration.shard_totals import Observation, ShardTotals
from edge_mnv3_quantization.evaluation.engine import PROCESS_IMAGES, in_processes, in_threads
from edge_mnv3_quantization.evaluation.evaluating import Shard

SHARD_IMAGES = 16
CHECKPOINT_S = 5.0
_SHARE = 20  # so many times as long as a checkpoint takes, nothing is written


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesToCount:
    """Images of a source, in the order in which shards take them.

    Attributes:
        source: The source.
        indices: Which of its images.
        workers: Threads, or for 1000 images and more processes.
    """

    source: ImageSource
    indices: Sequence[int]
    workers: int

    def shards(self) -> Iterable[Shard]:
        """The engine's shards."""
        for number, start in enumerate(range(0, len(self.indices), SHARD_IMAGES)):
            yield Shard(number, self.source, self.indices[start : start + SHARD_IMAGES])


class _Sums:
    """What has been counted so far."""

    def __init__(self, facts: StatisticsFacts, start: Unfinished | None) -> None:
        self._facts = facts
        self.done = set(start.done) if start else set[int]()
        self._totals = start.counted.totals.copy() if start else no_totals(sum(facts.channels))
        self._digests = bytearray(start.counted.digests.tobytes() if start else b"")
        self._skipped = list(start.counted.facts.skipped) if start else []

    def add(self, shard: Shard, added: ShardTotals) -> None:
        try:
            self._totals.merge(added.totals)
        except OverflowError as error:
            raise ConversionError(
                "statistics", "sums that have no room left", "fewer images, or smaller numbers"
            ) from error
        self.done.add(shard.number)
        self._digests += added.digests
        self._skipped += (
            SkippedImage(file=shard.images.name(shard.indices[place]), reason=reason)
            for place, reason in added.skipped
        )

    def counted(self) -> CountedStatistics:
        skipped = tuple(sorted(self._skipped, key=lambda image: (image.file, image.reason)))
        facts = dataclasses.replace(self._facts, skipped=skipped)
        return counted(facts, self._totals.copy(), sorted_digests(bytes(self._digests)))


def collect(
    task: Observation,
    images: ImagesToCount,
    facts: StatisticsFacts,
    *,
    start: Unfinished | None = None,
    reporter: Reporter = SILENT,
    on_checkpoint: Callable[[Unfinished], None] | None = None,
) -> CountedStatistics:
    """Counts images, on all cores.

    Args:
        task: The network that is observed.
        images: The images.
        facts: What the statistics are of; what follows from the images is filled in.
        start: What an interrupted run has counted of the same.
        reporter: Its `progress` is told of (images done, images in all), and it is warned of processes that
            ended.
        on_checkpoint: Called now and then with what has been counted so far.

    Returns:
        The same bit by bit whatever the number of workers, the order of shards, and interruptions.

    Raises:
        ConversionError: A number is not finite.
        WorkerLostError: Some images end all processes that run them.
    """
    sums = _Sums(facts, start)
    left = [shard for shard in images.shards() if shard.number not in sums.done]
    count = sum(len(shard.indices) for shard in left)
    workers = max(1, min(images.workers, len(left)))
    total, done = len(images.indices), len(images.indices) - count
    if not left:
        return sums.counted()
    if _in_processes(images.source, count, workers):
        running = in_processes(task, left, workers, reporter)
    else:
        running = in_threads(task, left, workers)
    saved, pause_s = time.monotonic(), CHECKPOINT_S
    with closing(running) as results:
        for shard, added in results:
            sums.add(shard, added)
            done += len(shard.indices)
            reporter.progress(done, total)
            if on_checkpoint and done < total and time.monotonic() - saved >= pause_s:
                began = time.monotonic()
                on_checkpoint(Unfinished(sums.counted(), frozenset(sums.done)))
                saved = time.monotonic()
                pause_s = max(CHECKPOINT_S, _SHARE * (saved - began))
    return sums.counted()


def _in_processes(source: ImageSource, count: int, workers: int) -> bool:
    """Whether processes are worth their start, and allowed."""
    worth = count >= PROCESS_IMAGES and workers > 1
    return worth and source.part([0]) is not None and not multiprocessing.current_process().daemon
