"""The stage `calibrate`: images and a float model's statistics into a folder that outlives the run.

The folder is consistent whenever this is killed: every file is written beside its place and renamed, the
description of the images last. What was collected is known by the images' hashes, so that running the
same command again does what is left.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import DEFAULT_PREPROCESS, SYNTHETIC, PreprocessName
from edge_mnv3.core.errors import ArgumentError, CalibrationDataError, OutputError
from edge_mnv3.core.images import ImageSource, SampleRequest, foreign_labels, manifest_warnings
from edge_mnv3.core.outputs import STAGING_PREFIX, staged
from edge_mnv3.core.reporting import SILENT, Phase, Reporter, timed
from edge_mnv3.core.requests import AnyPath, Count, Request, check_call
from edge_mnv3.core.results.calibrate import CalibrateResult
from edge_mnv3.core.versions import versions
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.float_model import FloatModel, ModelRequest
from edge_mnv3.stages.open_model import READING, OpenedModel, check_model_packages, open_float_model
from edge_mnv3_calibration_data.source_kinds import is_word, open_images
from edge_mnv3_calibration_data.sources.stored import (
    DESCRIPTION,
    PIXELS_FILES,
    StoredCalibration,
    is_stored,
    join,
    new_stored,
    read_stored,
    write_stored,
)
from edge_mnv3_quantization.calibration.statistics import (
    FILE_PREFIX,
    Statistics,
    collect,
    load_statistics,
    merge,
    network_sha256,
    observed_network,
    save_statistics,
    statistics_file,
)
from edge_mnv3_quantization.recipes.expected import OBSERVE_S, SMALL_MULTIPLY_ADDS

_OBSERVING = "running the float model"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateRequest(Request):
    """What to collect, and where.

    Attributes:
        graph: A variant and its weights, or a whole model of the user's.
        output: The folder.
        calibration: A location for `open_images`; None for the images that `output` has already, or those of
            `merge`.
        samples: Number of calibration images; None for those that `output` has, else up to 500, or 200
            synthetic ones.
        seed: Decides which images are drawn.
        preprocess: Key of `PREPROCESSES`.
        merge: Stored calibrations whose images and statistics are to be added.
        force: Make it anew if it exists.
        use_cache: Take the float file from the cache if an equal one was made before, and keep it there.
    """

    graph: GraphRequest | ModelRequest
    output: AnyPath
    calibration: AnyPath | None = None
    samples: Count | None = None
    seed: int = 0
    preprocess: PreprocessName = DEFAULT_PREPROCESS
    merge: Sequence[AnyPath] = ()
    force: bool = False
    use_cache: bool = True


def calibrate(request: CalibrateRequest, reporter: Reporter = SILENT) -> CalibrateResult:
    """Reads the images unless they are stored, adds others, runs the float model over what is left.

    Raises:
        ArgumentError: Nothing tells which images to take.
        CalibrationDataError: The folder has other images than those asked for, or what is to be merged does
            not fit.
        EdgeMnv3Error: As the stages raise.
    """
    check_call("calibrate", (CalibrateRequest,), request, reporter)
    check_model_packages(request.graph)
    folder = Path(request.output)
    stored = _existing(request)
    others = [(path, read_stored(path)) for path in map(Path, request.merge)]
    source = _open_images(request) if stored is None else None
    if stored is None and source is None and not others:
        raise ArgumentError("calibration images", "none", "--calibration PATH or --merge PATH")
    timings_s: dict[str, float] = {}
    with open_float_model(request.graph, use_cache=request.use_cache, reporter=reporter) as opened:
        given = [images for images in (stored, source, *(other for _, other in others)) if images is not None]
        for images in given:
            images.check_shape(opened.shape)
        reporter.plan(_phases(sum(images.sample_size(request.samples) for images in given), opened))
        with timed(timings_s, "calibration_images", READING, reporter):
            parts = [] if stored is None else [stored]
            if source is not None:
                sample = source.sample(_sample(request, opened), reporter)
                parts.append(new_stored(sample, _name(source.location)))
            parts += [other for _, other in others]
            joined = functools.reduce(_joined, parts)
        remarks = () if source is None else source.remarks
        foreign = (foreign_labels(images, classes=opened.classes) for images in given)
        warnings = (*remarks, *itertools.chain(*foreign), *manifest_warnings(joined.contents.manifest))
        for warning in warnings:
            reporter.warn(warning)
        if joined is not stored:
            _write_images(joined, folder, anew=stored is None)
        _merge_statistics([each for path, _ in others for each in _statistics_in(path)], folder)
        observation = _observe(joined, opened, folder, timings_s, reporter)
    return CalibrateResult(
        path=str(folder),
        model=observation.float_model.facts,
        source=observation.float_model.source,
        variant=observation.float_model.variant,
        weights=observation.float_model.weights,
        calibration=joined.contents.manifest,
        pixels_size_bytes=(folder / joined.contents.pixels_file).stat().st_size,
        merged=joined.contents.merged,
        float_sha256=hashlib.sha256(observation.float_model.content).hexdigest(),
        float_from_cache=observation.float_model.from_cache,
        network_sha256=observation.statistics.network_sha256,
        statistics_path=str(observation.path),
        statistics_size_bytes=observation.path.stat().st_size,
        values=len(observation.statistics.channels),
        channels=sum(observation.statistics.channels),
        observed=len(observation.statistics.images) - observation.reused,
        reused=observation.reused,
        warnings=warnings,
        timings_s={step: round(seconds, 3) for step, seconds in timings_s.items()},
        versions=versions(),
    )


def _phases(images: int, opened: OpenedModel) -> list[Phase]:
    """What is to come, with the seconds that it takes on two x86-64 cores."""
    return [
        *opened.first_phases(images),
        Phase(_OBSERVING, images * OBSERVE_S * opened.multiply_adds / SMALL_MULTIPLY_ADDS),
    ]


class _Observation(NamedTuple):
    float_model: FloatModel
    statistics: Statistics
    path: Path
    reused: int


def _observe(
    stored: StoredCalibration,
    opened: OpenedModel,
    folder: Path,
    timings_s: dict[str, float],
    reporter: Reporter,
) -> _Observation:
    """Runs the graph's float file over the images that it has not seen yet."""
    float_model = opened.made()
    timings_s.update(float_model.timings_s)
    network = observed_network(float_model.content, float_model.input_range)
    path = folder / statistics_file(network_sha256(network))
    start = _load(path)
    reused = len(start.images) if start else 0
    with timed(timings_s, "observe", _OBSERVING, reporter):
        statistics = collect(
            network,
            stored.pixels,
            start=start,
            reporter=reporter,
            on_checkpoint=lambda so_far: _save(so_far, path),
        )
        if len(statistics.images) > reused:
            _save(statistics, path)
    return _Observation(float_model, statistics, path, reused)


def _existing(request: CalibrateRequest) -> StoredCalibration | None:
    """What the output folder holds; leftovers of a killed run are removed."""
    folder = Path(request.output)
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise OutputError(f"output {folder}", "a file", "a folder, or a new name")
    for leftover in folder.glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if not (folder / DESCRIPTION).exists():
        if any(not path.match(PIXELS_FILES) for path in folder.iterdir()):
            raise OutputError(
                f"output {folder}", "a folder with other files", "a stored calibration, or a new name"
            )
        return None
    if request.force and request.calibration is not None:
        return None
    stored = read_stored(folder)
    _check_same_images(stored, request)
    return stored


def _check_same_images(stored: StoredCalibration, request: CalibrateRequest) -> None:
    """Refuses a folder whose images were chosen in another way than is asked for."""
    if request.calibration is None:
        return
    contents, manifest = stored.contents, stored.contents.manifest
    source = _name(request.calibration)
    samples = manifest.requested if request.samples is None else request.samples
    asked = f"{source}, {samples} samples, seed {request.seed}, preprocessing {request.preprocess}"
    made_of = (
        f"{' and '.join(contents.sources)}, {manifest.requested} samples, seed {manifest.seed}, "
        f"preprocessing {manifest.preprocess}"
    )
    if source == SYNTHETIC:
        same = (manifest.requested, manifest.seed) == (samples, request.seed)
    else:
        chosen = (manifest.requested, manifest.seed, manifest.preprocess)
        same = chosen == (samples, request.seed, request.preprocess)
    # Of images that were joined, the manifest has the sums.
    same = same or len(contents.merged) > 1 or source.endswith(".json")
    if source not in contents.sources or not same:
        raise CalibrationDataError(
            f"stored calibration {request.output}",
            f"images of {made_of}",
            asked,
            "use --force to make it anew, or another -o",
        )


def _name(location: str | Path) -> str:
    """What the folder says of where its images come from; the same from every working directory."""
    return str(location) if is_word(location) else str(Path(location).resolve())


def _open_images(request: CalibrateRequest) -> ImageSource | None:
    if request.calibration is None:
        return None
    source = open_images(request.calibration)
    if is_stored(request.calibration):
        raise ArgumentError(
            f"images {request.calibration}", "a stored calibration", "images", "use --merge for it"
        )
    return source


def _sample(request: CalibrateRequest, opened: OpenedModel) -> SampleRequest:
    return SampleRequest(
        shape=opened.shape,
        samples=request.samples,
        seed=request.seed,
        preprocess=request.preprocess,
    )


def _joined(one: StoredCalibration, other: StoredCalibration) -> StoredCalibration:
    """Both, or the first if it has the other already: a merge that was interrupted is run again."""
    if set(other.contents.merged) <= set(one.contents.merged):
        return one
    return join(one, other)


def _write_images(stored: StoredCalibration, folder: Path, *, anew: bool) -> None:
    if anew:  # statistics of images that go
        for statistics in folder.glob(f"{FILE_PREFIX}*.npz"):
            statistics.unlink()
    pixels = folder / stored.contents.pixels_file
    with staged([pixels, folder / DESCRIPTION], force=True) as (pixels_file, description_file):
        write_stored(stored, pixels_file, description_file)
    for old in folder.glob(PIXELS_FILES):
        if old != pixels:
            old.unlink()


def _statistics_in(folder: Path) -> list[Statistics]:
    return [load_statistics(path) for path in sorted(folder.glob(f"{FILE_PREFIX}*.npz"))]


def _merge_statistics(theirs: Sequence[Statistics], folder: Path) -> None:
    """Adds statistics of images that the folder has now; those that overlap were added before."""
    for statistics in theirs:
        path = folder / statistics_file(statistics.network_sha256)
        so_far = _load(path)
        if so_far is None:
            _save(statistics, path)
        elif not set(so_far.images) & set(statistics.images):
            _save(merge(so_far, statistics), path)


def _load(path: Path) -> Statistics | None:
    return load_statistics(path) if path.exists() else None


def _save(statistics: Statistics, path: Path) -> None:
    with staged([path], force=True) as (temporary,):
        save_statistics(statistics, temporary)
