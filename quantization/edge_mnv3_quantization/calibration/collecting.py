"""Statistics over any number of images in one pass: on all cores, resumable, in memory that does not grow.

What grows are the hashes, 16 bytes an image, and the list of the images.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.calibration_statistics import StatisticsFacts
from edge_mnv3.core.results.images import SkippedImage
from edge_mnv3_quantization.calibration.channel_totals import no_totals
from edge_mnv3_quantization.calibration.counted import CountedStatistics, of_one_source, sorted_digests
from edge_mnv3_quantization.calibration.counted_files import Unfinished
from edge_mnv3_quantization.calibration.shard_totals import Observation, ShardTotals
from edge_mnv3_quantization.evaluation.engines import Engine, LocalEngine
from edge_mnv3_quantization.evaluation.evaluating import Shard
from edge_mnv3_quantization.evaluation.served_files import ServedFiles
from edge_mnv3_quantization.evaluation.shared_files import refuse_other_files

SHARD_IMAGES = 16
CHECKPOINT_S = 5.0
_SHARE = 20  # so many times as long as a checkpoint takes, nothing is written


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesToCount:
    """Images of a source, in the order in which shards take them.

    Attributes:
        source: The source.
        indices: Which of its images.
        workers: Threads, or for 1000 images and more processes, of this machine; None for one a core.
        engine: Who works; None for this machine.
    """

    source: ImageSource
    indices: Sequence[int]
    workers: int | None = None
    engine: Engine | None = None

    def shards(self) -> Iterable[Shard]:
        """The engine's shards."""
        for number, start in enumerate(range(0, len(self.indices), SHARD_IMAGES)):
            yield Shard(number, self.source, self.indices[start : start + SHARD_IMAGES])

    def counted_by(self, so_far: Unfinished) -> npt.NDArray[np.bool_]:
        """Which images an interrupted run has counted, (images,), in the order of the indices."""
        counted = np.zeros(len(self.indices), np.bool_)
        for number in so_far.done:
            counted[number * SHARD_IMAGES : (number + 1) * SHARD_IMAGES] = True
        return counted & ~np.isin(self.indices, list(so_far.left_out))

    def left(self, start: Unfinished | None) -> Iterator[Shard]:
        """What an interrupted run has not done: shards, and of others the images that could not be read."""
        for shard in self.shards():
            if start is None or shard.number not in start.done:
                yield shard
            elif again := [index for index in shard.indices if index in start.left_out]:
                yield shard._replace(indices=again)


class _Sums:
    """What has been counted so far."""

    def __init__(self, source: ImageSource, facts: StatisticsFacts, start: Unfinished | None) -> None:
        self._source, self._facts = source, facts
        self.done = set(start.done) if start else set[int]()
        self._totals = start.counted.totals.copy() if start else no_totals(sum(facts.channels))
        self._digests = bytearray(
            b"".join(each.tobytes() for each in start.counted.digests.values()) if start else b""
        )
        self._skipped = dict(start.left_out) if start else {}

    def add(self, shard: Shard, added: ShardTotals) -> None:
        try:
            self._totals.merge(added.totals)
        except OverflowError as error:
            raise ConversionError(
                "statistics", "sums that have no room left", "fewer images, or smaller numbers"
            ) from error
        self.done.add(shard.number)
        self._digests += added.digests
        for index in shard.indices:
            self._skipped.pop(index, None)  # it may have been mended
        self._skipped |= {shard.indices[place]: reason for place, reason in added.skipped}

    def counted(self) -> CountedStatistics:
        names = self._source.name
        skipped = (SkippedImage(file=names(index), reason=reason) for index, reason in self._skipped.items())
        ordered = tuple(sorted(skipped, key=lambda image: (image.file, image.reason)))
        facts = dataclasses.replace(self._facts, skipped=ordered)
        return of_one_source(facts, self._totals.copy(), sorted_digests(bytes(self._digests)))

    def unfinished(self) -> Unfinished:
        return Unfinished(self.counted(), frozenset(self.done), dict(self._skipped))


def collect(
    task: Observation,
    images: ImagesToCount,
    facts: StatisticsFacts,
    *,
    start: Unfinished | None = None,
    reporter: Reporter = SILENT,
    on_checkpoint: Callable[[Unfinished], None] | None = None,
) -> CountedStatistics:
    """Counts images, by an engine.

    Args:
        task: The network that is observed.
        images: The images.
        facts: What the statistics are of; what follows from the images is filled in.
        start: What an interrupted run has counted of the same; images that it could not read are tried again.
        reporter: Its `progress` is told of (images done, images in all), and it is warned of processes that
            ended, and of files whose servers do not tell whether they changed.
        on_checkpoint: Called now and then with what has been counted so far.

    Returns:
        The same bit by bit whatever the number of workers, the order of shards, and interruptions.

    Raises:
        ConversionError: A number is not finite.
        InputFileError: Workers read other files than those here, or a file behind a URL changed while it was
            read.
        WorkerLostError: Some images end all processes that run them.
    """
    sums = _Sums(images.source, facts, start)
    left = list(images.left(start))
    total = len(images.indices)
    done = total - sum(len(shard.indices) for shard in left)
    if not left:
        return sums.counted()
    engine = images.engine or LocalEngine(images.workers, reporter)
    served = ServedFiles(images.source)
    saved, pause_s = time.monotonic(), CHECKPOINT_S
    with closing(engine.run(task, left, engine.team(images.source, left))) as results:
        for shard, added in results:
            if engine.remote:
                refuse_other_files(shard, added.files)
            sums.add(shard, added)
            served.add(shard.indices)
            done += len(shard.indices)
            reporter.progress(done, total)
            if on_checkpoint and done < total and time.monotonic() - saved >= pause_s:
                began = time.monotonic()
                served.same()
                on_checkpoint(sums.unfinished())
                saved = time.monotonic()
                pause_s = max(CHECKPOINT_S, _SHARE * (saved - began))
    served.same()
    for warning in served.untold:
        reporter.warn(warning)
    return sums.counted()
