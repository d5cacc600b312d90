"""The stage `calibrate`: images and a float model's statistics into a folder that outlives the run.

The folder is consistent whenever this is killed: every file is written beside its place and renamed, the
description of the images last. What was collected is found again by the images' hashes, so that running the
same command again does what is left.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge_mnv3.core.errors import ArgumentError, CalibrationDataError, OutputError
from edge_mnv3.core.outputs import STAGING_PREFIX, staged
from edge_mnv3.core.reporting import Reporter, timed
from edge_mnv3.core.results.calibrate import CalibrateResult
from edge_mnv3.core.versions import versions
from edge_mnv3.model.graphs import GraphRequest, ResolvedGraph, build_graph, resolve_graph
from edge_mnv3.stages.calibration_images import (
    SYNTHETIC,
    CalibrationRequest,
    check_labels,
    check_size,
    image_warnings,
    load_images,
    open_calibration,
)
from edge_mnv3_calibration_data.stored import (
    DESCRIPTION,
    PIXELS_FILES,
    StoredCalibration,
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

if TYPE_CHECKING:
    from edge_mnv3_calibration_data.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateRequest:
    """What to collect, and where.

    Attributes:
        calibration: `synthetic`, or the path of a folder, CSV, list, `.npz` or manifest; None for the images
            that `output` has already, or those of `merge`.
        samples: Number of calibration images.
        seed: Of their choice.
        preprocess: Key of `PREPROCESSES`.
        merge: Stored calibrations whose images and statistics are to be added.
        output: The folder.
        force: Make it anew if it exists.
    """

    graph: GraphRequest
    calibration: str | None
    samples: int
    seed: int
    preprocess: str
    merge: Sequence[Path]
    output: Path
    force: bool


def calibrate(request: CalibrateRequest, reporter: Reporter) -> CalibrateResult:
    """Reads the images unless they are stored, adds others, runs the float model over what is left.

    Raises:
        ArgumentError: Nothing tells which images to take.
        CalibrationDataError: The folder has other images than those asked for, or what is to be merged does
            not fit.
        EdgeMnv3Error: As the stages raise.
    """
    folder = request.output
    stored = _existing(request)
    others = [(path, _read(path, request)) for path in request.merge]
    images, source = _open_images(request) if stored is None else (None, None)
    if stored is None and images is None and not others:
        raise ArgumentError("calibration images", "none", "--calibration PATH or --merge PATH")
    graph = resolve_graph(request.graph, reporter)
    timings_s: dict[str, float] = {}
    with timed(timings_s, "calibration_images", "reading calibration images", reporter):
        parts = [] if stored is None else [stored]
        if images is not None:
            check_labels(source, graph.classes)
            parts.append(new_stored(*load_images(images, source, reporter), _source(images.calibration)))
        for _, other in others:
            check_labels(other, graph.classes)
            parts.append(other)
        joined = functools.reduce(_joined, parts)
    warnings = image_warnings(joined.description.manifest)
    for warning in warnings:
        reporter.warn(warning)
    theirs = [found for path, _ in others for found in _statistics_in(path)]
    if joined is not stored:
        _write_images(joined, folder, anew=stored is None)
    _merge_statistics(theirs, folder)
    observation = _observe(joined, graph, folder, timings_s, reporter)
    return CalibrateResult(
        path=str(folder),
        variant=graph.info(),
        weights=graph.weights,
        calibration=joined.description.manifest,
        pixels_size_bytes=(folder / joined.description.pixels_file).stat().st_size,
        merged=joined.description.merged,
        float_sha256=observation.float_sha256,
        network_sha256=observation.statistics.network_sha256,
        statistics_path=str(observation.path),
        statistics_size_bytes=observation.path.stat().st_size,
        values=len(observation.statistics.channels),
        channels=sum(observation.statistics.channels),
        observed=len(observation.statistics.images) - observation.reused,
        reused=observation.reused,
        warnings=tuple(warnings),
        timings_s={step: round(seconds, 3) for step, seconds in timings_s.items()},
        versions=versions(),
    )


class _Observation(NamedTuple):
    float_sha256: str
    statistics: Statistics
    path: Path
    reused: int


def _observe(
    stored: StoredCalibration,
    graph: ResolvedGraph,
    folder: Path,
    timings_s: dict[str, float],
    reporter: Reporter,
) -> _Observation:
    """Runs the graph's float file over the images that it has not seen yet."""
    from edge_mnv3_quantization.convert import convert_float

    with timed(timings_s, "build", "building the Keras graph", reporter):
        model = build_graph(graph, batch_size=1)
    with timed(timings_s, "convert_float", "converting to float .tflite (about 10 s)", reporter):
        float_model = convert_float(model)
    network = observed_network(float_model)
    path = folder / statistics_file(network_sha256(network))
    start = _load(path)
    reused = len(start.images) if start else 0
    done_before = f" ({reused} images done before)" if reused else ""
    with timed(timings_s, "observe", f"running the float model{done_before}", reporter):
        statistics = collect(
            network,
            stored.pixels,
            start=start,
            reporter=reporter,
            on_checkpoint=lambda so_far: _save(so_far, path),
        )
        if len(statistics.images) > reused:
            _save(statistics, path)
    return _Observation(hashlib.sha256(float_model).hexdigest(), statistics, path, reused)


def _existing(request: CalibrateRequest) -> StoredCalibration | None:
    """What the output folder holds; leftovers of a killed run are removed."""
    folder = request.output
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
    stored = _read(folder, request)
    _check_same_images(stored, request)
    return stored


def _read(folder: Path, request: CalibrateRequest) -> StoredCalibration:
    stored = read_stored(folder)
    check_size(f"stored calibration {folder}", stored.description.manifest, request.graph.input_size_px)
    return stored


def _check_same_images(stored: StoredCalibration, request: CalibrateRequest) -> None:
    """Refuses a folder whose images were chosen in another way than is asked for."""
    if request.calibration is None:
        return
    description, manifest = stored.description, stored.description.manifest
    source = _source(request.calibration)
    asked = f"{source}, {request.samples} samples, seed {request.seed}, preprocessing {request.preprocess}"
    found = (
        f"{' and '.join(description.sources)}, {manifest.requested} samples, seed {manifest.seed}, "
        f"preprocessing {manifest.preprocess}"
    )
    if source == SYNTHETIC:
        same = (manifest.requested, manifest.seed) == (request.samples, request.seed)
    else:
        chosen = (manifest.requested, manifest.seed, manifest.preprocess)
        same = chosen == (request.samples, request.seed, request.preprocess)
    # Of images that were joined, the manifest has the sums.
    same = same or len(description.merged) > 1 or source.endswith(".json")
    if source not in description.sources or not same:
        raise CalibrationDataError(
            f"stored calibration {request.output}",
            f"images of {found}",
            asked,
            "use --force to make it anew, or another -o",
        )


def _source(calibration: str) -> str:
    return calibration if calibration == SYNTHETIC else str(Path(calibration).resolve())


def _open_images(request: CalibrateRequest) -> tuple[CalibrationRequest | None, Source | None]:
    if request.calibration is None:
        return None, None
    images = CalibrationRequest(
        calibration=request.calibration,
        samples=request.samples,
        seed=request.seed,
        preprocess=request.preprocess,
        input_size_px=request.graph.input_size_px,
    )
    source = open_calibration(images)
    if isinstance(source, StoredCalibration):
        raise ArgumentError(
            f"images {request.calibration}", "a stored calibration", "images", "use --merge for it"
        )
    return images, source


def _joined(one: StoredCalibration, other: StoredCalibration) -> StoredCalibration:
    """Both, or the first if it has the other already: a merge that was interrupted is run again."""
    if set(other.description.merged) <= set(one.description.merged):
        return one
    return join(one, other)


def _write_images(stored: StoredCalibration, folder: Path, *, anew: bool) -> None:
    if anew:  # statistics of images that go
        for statistics in folder.glob(f"{FILE_PREFIX}*.npz"):
            statistics.unlink()
    pixels = folder / stored.description.pixels_file
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
        own = _load(path)
        if own is None:
            _save(statistics, path)
        elif not set(own.images) & set(statistics.images):
            _save(merge(own, statistics), path)


def _load(path: Path) -> Statistics | None:
    return load_statistics(path) if path.exists() else None


def _save(statistics: Statistics, path: Path) -> None:
    with staged([path], force=True) as (temporary,):
        save_statistics(statistics, temporary)
