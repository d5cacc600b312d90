"""Files run over images on all cores, as a phone would run them."""

from __future__ import annotations

import dataclasses
import time
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.choices import DEFAULT_RUNTIME, Kernels, RuntimeName
from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import ImageShape, SkippedImage
from edge_mnv3.core.runtime import LoadedModel, open_model
from edge_mnv3_quantization.evaluation.engines import Engine, LocalEngine, Team
from edge_mnv3_quantization.evaluation.environment import environment
from edge_mnv3_quantization.evaluation.evaluating import (
    Evaluation,
    ModelContent,
    NotedEvaluation,
    Reading,
    Shard,
)
from edge_mnv3_quantization.evaluation.kept import KeptShards
from edge_mnv3_quantization.evaluation.labelled import KeptPart
from edge_mnv3_quantization.evaluation.records import Columns, JoinedRecords, ShardRecords
from edge_mnv3_quantization.evaluation.served_files import ServedFiles
from edge_mnv3_quantization.evaluation.shared_files import refuse_other_files
from edge_mnv3_quantization.evaluation.store import Store

# Few, so that little is lost with a process, and no core waits long for the last one.
SHARD_IMAGES = 16


class RunnableFile(NamedTuple):
    """A `.tflite` file, the kernels that run it, and what it is fed."""

    path: Path
    kernels: Kernels
    input_range: InputRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How files are run over images.

    Attributes:
        preprocess: Key of `PREPROCESSES`.
        runtime: TFLite runtime to use.
        workers: Threads or processes, each with interpreters of one thread; None for one a core.
        indices: Which images to run; None for all.
        store: Where records are kept and taken from; None for nowhere.
        engine: Who works; None for this machine.
    """

    preprocess: str
    runtime: RuntimeName = DEFAULT_RUNTIME
    workers: int | None = None
    indices: Sequence[int] | None = None
    store: Store | None = None
    engine: Engine | None = None


class Pace(NamedTuple):
    """How fast images went, which no figure depends on.

    Attributes:
        images: Images that were run.
        elapsed_s: Wall time.
        team: Who worked.
        stored: Images whose records came from the store.
    """

    images: int
    elapsed_s: float
    team: Team
    stored: int

    @property
    def text(self) -> str:
        """A line for people."""
        if not self.images:
            return f"{count(self.stored, 'image')} from the store"
        pace = f"{self.images / self.elapsed_s:,.0f} images/s in {self.team.text}"
        others = f", {self.stored:,} from the store" if self.stored else ""
        return f"{count(self.images, 'image')}, {pace}{others}"


class KeptRun(NamedTuple):
    """Where the store has what files answered.

    Attributes:
        key: The evaluation's.
        parts: The shards, in the order of the images.
    """

    key: str
    parts: tuple[KeptPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What files answered; the same whatever the number of workers, and their order.

    Attributes:
        indices: The images that could be read, ascending.
        columns: What the reading keeps of each of them, a row an image.
        skipped: Images that could not be read, in the order of their index.
        pace: How fast it went.
        kept: Where the store has the answers; None where there is none.
    """

    indices: Sequence[int]
    columns: Columns
    skipped: tuple[SkippedImage, ...]
    pace: Pace
    kept: KeptRun | None = None


def run_files(
    files: Sequence[RunnableFile],
    images: ImageSource,
    settings: RunSettings,
    reading: Reading,
    reporter: Reporter = SILENT,
) -> Run:
    """Runs every file over the same pixels of every image.

    Args:
        files: Files with one input (1, rows, columns, 3 or 1) of the same shape.
        images: The images.
        settings: How to run the files.
        reading: What is kept of the outputs.
        reporter: Its `progress` is told of (images done, images in all), from the calling thread.

    Raises:
        ModelFileError: A file does not load, or takes no image.
        WorkerLostError: Some images end all processes that evaluate them.
        InputFileError: A file behind a URL changed while it was read.
    """
    indices = range(images.available or 0) if settings.indices is None else sorted(settings.indices)
    shards = [
        Shard(number, images, indices[start : start + SHARD_IMAGES])
        for number, start in enumerate(range(0, len(indices), SHARD_IMAGES))
    ]
    evaluation, first = _evaluation(files, settings, reading)
    task = NotedEvaluation(evaluation)
    engine = settings.engine or LocalEngine(settings.workers, reporter)
    where = engine.environment(task, images, environment([first], images))
    kept = None
    if settings.store is not None and images.available:
        kept = KeptShards(settings.store, evaluation, images, where, remote=engine.remote)
    found = _Found(len(indices), reporter, kept)
    missing = [shard for shard in shards if not found.take(shard, read=False)]
    team = engine.team(images, missing)
    # Files whose hash is not known are read when their turn comes, and may be known by their bytes. What
    # other machines read does not go through this one for it.
    wanted = (shard for shard in missing if engine.remote or not found.take(shard, read=True))
    started, evaluated_images = time.perf_counter(), 0
    served = ServedFiles(images)
    if missing:
        with closing(engine.run(task, wanted, team)) as done:
            for shard, noted in done:
                if engine.remote:
                    refuse_other_files(shard, noted.files)
                served.add(shard.indices)
                if kept is not None:
                    kept.keep(shard, noted)
                    if served.due:
                        kept.settle(served.same())
                evaluated_images += len(shard.indices)
                found.add(shard, noted.records)
    elapsed_s = time.perf_counter() - started
    _refuse_changed(evaluation)
    same = served.same()
    for warning in served.untold:
        reporter.warn(warning)
    if kept is not None:
        kept.settle(same)
        for warning in served.warnings if kept.usable else ():
            reporter.warn(warning)
    pace = Pace(evaluated_images, elapsed_s, team, len(indices) - evaluated_images)
    run = _joined(images, indices, found.records, pace)
    if kept is None or not kept.usable:
        return run
    parts = tuple(KeptPart(kept.keys.get(shard.number, ""), len(shard.indices)) for shard in shards)
    return dataclasses.replace(run, kept=KeptRun(kept.run, parts))


def _refuse_changed(evaluation: Evaluation) -> None:
    """Refuses figures of a file that is another one by now: results are known by the hash of the file.

    Raises:
        ModelFileError: With the file.
    """
    for model in evaluation.models:
        try:
            same = model.path.read_bytes() == model.content
        except OSError:
            same = False
        if not same:
            raise ModelFileError(
                f"model {model.path}",
                "a file that changed while it was run",
                "one that stays",
                "run it again",
            )


class _Found:
    """The records that are there, and how many images they are; a table of all, for there may be millions."""

    def __init__(self, total: int, reporter: Reporter, kept: KeptShards | None) -> None:
        self.records = JoinedRecords(total)
        self._done, self._total, self._reporter = 0, total, reporter
        self._kept = kept

    def take(self, shard: Shard, *, read: bool) -> bool:
        """Takes a shard from the store; returns whether it was there."""
        records = None if self._kept is None else self._kept.find(shard, read=read)
        if records is None:
            return False
        self.add(shard, records)
        return True

    def add(self, shard: Shard, records: ShardRecords) -> None:
        """Takes the records of a shard."""
        self.records.add(shard.number * SHARD_IMAGES, records)
        self._done += len(shard.indices)
        self._reporter.progress(self._done, self._total)


def _evaluation(
    files: Sequence[RunnableFile], settings: RunSettings, reading: Reading
) -> tuple[Evaluation, LoadedModel]:
    """What is done with each image, and the first file, loaded."""
    contents = []
    for file in files:
        try:
            content = file.path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"model {file.path}", why_unreadable(file.path, error)) from error
        contents.append(ModelContent(file.path, content, file.kernels, settings.runtime, file.input_range))
    first = open_model(
        files[0].path, kernels=files[0].kernels, runtime=settings.runtime, content=contents[0].content
    )
    evaluation = Evaluation(
        models=tuple(contents),
        shape=image_shape(files[0].path, first),
        preprocess=settings.preprocess,
        reading=reading,
    )
    return evaluation, first


def _joined(images: ImageSource, indices: Sequence[int], records: JoinedRecords, pace: Pace) -> Run:
    """What is known of all images, in their order."""
    skipped = tuple(
        SkippedImage(file=images.name(indices[place]), reason=reason)
        for place, reason in sorted(records.skipped)
    )
    read = (
        indices
        if not skipped
        else array("q", (indices[place] for place in np.flatnonzero(records.read).tolist()))
    )
    return Run(indices=read, columns=records.columns, skipped=skipped, pace=pace)


def image_shape(path: Path, model: LoadedModel) -> ImageShape:
    """Returns the shape of the images that a file takes.

    Args:
        path: The file, for the error.
        model: The file as it is loaded.

    Raises:
        ModelFileError: It takes something else than one RGB or grey image.
    """
    dimensions = model.inputs[0].shape if len(model.inputs) == 1 else ()
    shape = ImageShape.of_input(dimensions)
    if shape is None:
        raise ModelFileError(
            f"model {path}",
            f"an input of shape {dimensions}" if dimensions else f"{len(model.inputs)} inputs",
            "one RGB or grey image, (1, rows, columns, 3 or 1)",
        )
    return shape
