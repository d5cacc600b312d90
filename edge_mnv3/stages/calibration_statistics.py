"""The stage `statistics`: a float model observed over any number of images, in parts that are merged."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import DEFAULT_ENGINE, DEFAULT_PREPROCESS, EngineName, PreprocessName
from edge_mnv3.core.errors import ArgumentError, CalibrationDataError
from edge_mnv3.core.images import (
    ImageSource,
    check_skipped,
    foreign_labels,
    skipped_warnings,
    unread_warnings,
)
from edge_mnv3.core.outputs import check_writable
from edge_mnv3.core.reporting import SILENT, Phase, Reporter
from edge_mnv3.core.requests import AnyPath, Count, Request, check_call
from edge_mnv3.core.results.calibration_statistics import (
    CountedImages,
    StatisticsFacts,
    StatisticsResult,
)
from edge_mnv3.core.versions import versions
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.engines import check_engine, open_images_for, opened_engine
from edge_mnv3.stages.float_file import WAITING
from edge_mnv3.stages.float_model import FloatModel, ModelRequest
from edge_mnv3.stages.open_model import OpenedModel, check_model_packages, open_float_model
from edge_mnv3.stages.population import read_merged, statistics_files
from edge_mnv3_calibration_data.sampling import sample_order
from edge_mnv3_quantization.calibration.collecting import ImagesToCount, collect
from edge_mnv3_quantization.calibration.counted import CountedStatistics, merge_warnings
from edge_mnv3_quantization.calibration.counted_files import (
    SUFFIX,
    Unfinished,
    load_unfinished,
    save_counted,
    save_unfinished,
    unfinished_path,
)
from edge_mnv3_quantization.calibration.shard_totals import Observation, observation
from edge_mnv3_quantization.calibration.statistics import network_sha256, observed_network
from edge_mnv3_quantization.evaluation.contents import ImagesState, images_identity
from edge_mnv3_quantization.evaluation.engines import LocalEngine
from edge_mnv3_quantization.evaluation.environment import Environment, environment
from edge_mnv3_quantization.recipes.expected import OBSERVE_S, READ_IMAGE_S, SMALL_MULTIPLY_ADDS

_OBSERVING = "running the float model over images"
_SHARD = re.compile(r"([1-9]\d*)/([1-9]\d*)")
_NAMED_SKIPPED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectStatisticsRequest(Request):
    """What to observe, and over which images.

    Attributes:
        graph: A variant and its weights, or a whole model of the user's.
        calibration: A location for `open_images`; not synthetic images.
        output: The file, `.npz`.
        samples: Draw so many images; None for all.
        seed: Decides which images are drawn.
        preprocess: Key of `PREPROCESSES`.
        shard: `K/N` for the images K, K + N, K + 2N and so on of those that were chosen, from 1 on; the N
            files are then merged. None for all.
        workers: Threads, or for 1000 images and more processes; None for one a core.
        force: Overwrite the output, and begin anew what was interrupted.
        use_cache: Take the float file from the cache if an equal one was made before, and keep it there.
        engine: `local`: this machine; `dask`: the workers of a Dask scheduler, which see the images under the
            same paths.
        scheduler: Address of the scheduler.
    """

    graph: GraphRequest | ModelRequest
    calibration: AnyPath
    output: AnyPath
    samples: Count | None = None
    seed: int = 0
    preprocess: PreprocessName = DEFAULT_PREPROCESS
    shard: str | None = None
    workers: Count | None = None
    force: bool = False
    use_cache: bool = True
    engine: EngineName = DEFAULT_ENGINE
    scheduler: str | None = None

    def check(self) -> None:
        """Refuses a shard that is none, outputs of another kind, half an engine.

        Raises:
            ArgumentError: With what was expected.
        """
        _shard(self.shard)
        check_engine(self.engine, self.scheduler, self.workers)
        _check_suffix(self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeStatisticsRequest(Request):
    """What to merge.

    Attributes:
        statistics: Files, or folders of files, of statistics.
        output: The file, `.npz`; it may be none of `statistics`.
        force: Overwrite it.
    """

    statistics: Sequence[AnyPath]
    output: AnyPath
    force: bool = False

    def check(self) -> None:
        """Refuses outputs of another kind.

        Raises:
            ArgumentError: With what was expected.
        """
        _check_suffix(self.output)


class _Work(NamedTuple):
    """What was done for a result: images run now and before, and the wall time of those run now."""

    observed: int = 0
    reused: int = 0
    seconds: float = 0.0


class _Chosen(NamedTuple):
    """The images that are counted, and how the facts name them."""

    images: ImagesToCount
    data: CountedImages


def collect_statistics(request: CollectStatisticsRequest, reporter: Reporter = SILENT) -> StatisticsResult:
    """Runs the float model over all images of a shard, and writes its statistics.

    What was counted is kept beside the output every few seconds: after an interruption, or a `kill -9`, the
    same call goes on there. Images that could not be read are tried again then.

    Raises:
        ArgumentError: The images are synthetic, or the shard has none.
        CalibrationDataError: There are no images, too many cannot be read, or those of an interrupted run
            are others.
        EdgeMnv3Error: As the stages raise.
    """
    check_call("collect_statistics", (CollectStatisticsRequest,), request, reporter)
    check_model_packages(request.graph)
    output = Path(request.output)
    check_writable([output], force=request.force)
    source = open_images_for(request.calibration, request.engine)
    if source.synthetic or source.available is None:
        raise ArgumentError("--calibration", str(request.calibration), "images, such as a folder")
    chosen = _chosen(source, request)
    with (
        opened_engine(request.engine, request.scheduler, reporter) as remote,
        open_float_model(request.graph, use_cache=request.use_cache, reporter=reporter) as opened,
    ):
        source.check_shape(opened.shape)
        reporter.plan(_phases(len(chosen.images.indices), opened))
        warnings = (*source.remarks, *foreign_labels(source, classes=opened.classes))
        float_model = opened.made()
        network = observed_network(float_model.content, float_model.input_range)
        task = observation(network, float_model.shape, request.preprocess)
        engine = remote or LocalEngine(request.workers, reporter)
        where = engine.environment(task, source, environment(task.open_models(), source))
        facts = _facts(task, network_sha256(network), float_model, chosen, where)
        state = ImagesState(source, chosen.images.indices)
        start = _start(output, facts, chosen.images, state, force=request.force)
        images = dataclasses.replace(chosen.images, engine=engine)
        reporter.step(_OBSERVING)
        began = time.perf_counter()
        counted = collect(
            task,
            images,
            facts,
            start=start,
            reporter=reporter,
            on_checkpoint=lambda so_far: save_unfinished(
                so_far._replace(images=state.sha256(images.counted_by(so_far))), unfinished_path(output)
            ),
        )
        seconds = time.perf_counter() - began
    check_skipped(counted.facts.skipped, len(chosen.images.indices))
    save_counted(counted, output, force=request.force)
    unfinished_path(output).unlink(missing_ok=True)
    reused = start.counted.facts.images if start else 0
    work = _Work(counted.facts.images - reused, reused, seconds)
    warnings = (
        *warnings,
        *_skipped_warnings(counted.facts),
        *unread_warnings(source.unread),
        *merge_warnings(counted.facts, of_a_shard=True),
    )
    return _result([output], counted, warnings, reporter, work)


def merge_statistics(request: MergeStatisticsRequest, reporter: Reporter = SILENT) -> StatisticsResult:
    """Merges files of statistics into one, which has the same bytes in whichever order they are given.

    Raises:
        CalibrationDataError: They are of different models or preprocessings, or count an image twice.
        InputFileError: A file is missing, damaged or not finished.
        OutputError: The output cannot be written.
    """
    check_call("merge_statistics", (MergeStatisticsRequest,), request, reporter)
    output = Path(request.output)
    check_writable([output], force=request.force)
    counted = read_merged(request.statistics)
    save_counted(counted, output, force=request.force)
    return _result([output], counted, merge_warnings(counted.facts), reporter)


def show_statistics(statistics: Sequence[AnyPath], reporter: Reporter = SILENT) -> StatisticsResult:
    """Reads files of statistics, several as if they were merged; writes nothing.

    Args:
        statistics: Files, or folders of files, of statistics.
        reporter: Told of warnings.

    Raises:
        CalibrationDataError: They are of different models or preprocessings, or count an image twice.
        InputFileError: A file is missing, damaged or not finished.
    """
    counted = read_merged(statistics)
    return _result(statistics_files(statistics), counted, merge_warnings(counted.facts), reporter)


def _shard(text: str | None) -> tuple[int, int]:
    """Number of a shard, from 1 on, and of how many."""
    if text is None:
        return 1, 1
    found = _SHARD.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise ArgumentError("--shard", repr(text), "K/N with K from 1 to N, such as 2/7")
    return int(found[1]), int(found[2])


def _check_suffix(output: AnyPath) -> None:
    if Path(output).suffix != SUFFIX:
        raise ArgumentError("--output", str(output), f"a {SUFFIX} file")


def _chosen(source: ImageSource, request: CollectStatisticsRequest) -> _Chosen:
    available = source.available or 0
    indices: Sequence[int] = range(available)
    if request.samples is not None and request.samples < available:
        indices = sample_order(source, seed=request.seed)[: request.samples]
    number, of = _shard(request.shard)
    mine = indices[number - 1 :: of]
    if not mine:
        raise ArgumentError("--shard", f"{number}/{of} of {len(indices)} images", "a shard with images")
    data = CountedImages(
        sha256=images_identity(source, indices), location=source.location, shards=(number,), of=of
    )
    return _Chosen(ImagesToCount(source=source, indices=mine), data)


def _phases(images: int, opened: OpenedModel) -> list[Phase]:
    each_s = READ_IMAGE_S + OBSERVE_S * opened.multiply_adds / SMALL_MULTIPLY_ADDS
    return [Phase(WAITING, opened.expected_s), Phase(_OBSERVING, images * each_s)]


def _facts(
    task: Observation, network: str, float_model: FloatModel, chosen: _Chosen, where: Environment
) -> StatisticsFacts:
    """What the statistics will be of, before any image is counted."""
    return StatisticsFacts(
        network_sha256=network,
        models_sha256=(hashlib.sha256(float_model.content).hexdigest(),),
        input_shape=task.shape,
        preprocess=chosen.images.source.applied_preprocess(task.preprocess),
        data=(chosen.data,),
        images=0,
        repeated=0,
        skipped=(),
        channels=task.channels,
        environments=(f"{where.runtime}, numpy {where.numpy}, {where.decoder}, processor {where.processor}",),
        sha256="",
    )


def _start(
    output: Path, facts: StatisticsFacts, images: ImagesToCount, state: ImagesState, *, force: bool
) -> Unfinished | None:
    """What an interrupted run has counted of the same."""
    path = unfinished_path(output)
    if force or not path.exists():
        return None
    start = load_unfinished(path)
    theirs = start.counted.facts
    (data,), (their_data,) = facts.data, theirs.data
    remotes = (images.source.remote(index) for index in images.indices)
    if all(remote is None or remote.tagged for remote in remotes):
        # What the images that were counted are is compared below, and the others may have changed.
        data = dataclasses.replace(data, sha256=their_data.sha256)
    same = dataclasses.replace(
        facts,
        data=(data,),
        images=theirs.images,
        repeated=theirs.repeated,
        skipped=theirs.skipped,
        sha256=theirs.sha256,
    )
    others = [
        f"other {field.name}"
        for field in dataclasses.fields(StatisticsFacts)
        if getattr(theirs, field.name) != getattr(same, field.name)
    ]
    if start.images != state.sha256(images.counted_by(start)):  # what is done is not read again
        others.append("images whose files were changed, moved or copied since")
    if others:
        raise CalibrationDataError(
            f"unfinished statistics {path}",
            others[0],
            "those of this call",
            "use --force to begin anew, or another -o",
        )
    return start


def _skipped_warnings(facts: StatisticsFacts) -> tuple[str, ...]:
    named = skipped_warnings(facts.skipped[:_NAMED_SKIPPED])
    more = len(facts.skipped) - _NAMED_SKIPPED
    return (*named, f"{more} more images were left out") if more > 0 else named


def _result(
    paths: Sequence[Path],
    counted: CountedStatistics,
    warnings: Sequence[str],
    reporter: Reporter,
    work: _Work | None = None,
) -> StatisticsResult:
    for warning in warnings:
        reporter.warn(warning)
    work = work or _Work()
    return StatisticsResult(
        path=str(paths[0]),
        size_bytes=sum(path.stat().st_size for path in paths),
        facts=counted.facts,
        observed=work.observed,
        reused=work.reused,
        images_per_s=round(work.observed / work.seconds, 1) if work.observed else None,
        warnings=tuple(warnings),
        versions=versions(),
    )
