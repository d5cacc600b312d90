"""The stage `sweep`: a grid of quantizations, measured side by side, resumed where it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_mnv3.core.errors import ArgumentError, CalibrationDataError, EdgeMnv3Error
from edge_mnv3.core.outputs import check_writable, staged, write_text
from edge_mnv3.core.reporting import SILENT, Phase, Reporter
from edge_mnv3.core.requests import check_call, optional_path
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.sweep import (
    CostBasis,
    PlannedPoint,
    Quality,
    SweepPlan,
    SweepPoint,
    SweepResult,
)
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.tensorflow_package import check_tensorflow
from edge_mnv3.core.versions import versions
from edge_mnv3.stages.engines import opened_engine
from edge_mnv3.stages.open_model import check_model_packages
from edge_mnv3.stages.sweep_images import FEW_HELD_OUT, SweepImages, labelled_state
from edge_mnv3.stages.sweep_kept import check_sweep_folder, code_sha256, network_sha256, sweep_folder
from edge_mnv3.stages.sweep_measure import Measured, Measuring, cost_basis, labelled_figures
from edge_mnv3.stages.sweep_request import GridPoint, SweepRequest, grid
from edge_mnv3.stages.sweep_rows import Comparing, recommend, sweep_rows, with_front
from edge_mnv3_quantization.evaluation.dask_parts import SchedulerError
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.expected import expected_s

SWEEP_FILE = "sweep.json"
_MEASURE_S = 5.0  # of a point's files, beside making them


def plan_sweep(request: SweepRequest, reporter: Reporter = SILENT) -> SweepPlan:
    """Lists the points of a sweep, and which of them are done; makes and writes nothing.

    Raises:
        ArgumentError: The grid has no such points, or points of several models and no labelled images.
        CalibrationDataError: There are no images, or none is left to hold out.
        InputFileError: Images, weights or models cannot be read.
        OutputError: The folder is not one of a sweep.
        RuntimeUnavailableError: Instructions are wanted, and there is no emulated Arm processor.
    """
    check_call("plan_sweep", (SweepRequest,), request, reporter)
    check_sweep_folder(Path(request.output_dir))
    measuring, points, remarks = _prepared(request)
    return SweepPlan(
        folder=str(request.output_dir),
        samples=measuring.images.samples,
        held_out=measuring.images.held_out if measuring.images.compares else None,
        points=tuple(
            PlannedPoint(
                name=point.name,
                model=point.model,
                recipe=point.request.recipe,
                budget_percent=point.request.budget_percent or 0.0,
                seed=point.request.seed,
                done=measuring.is_done(point),
            )
            for point in points
        ),
        remarks=remarks,
    )


def sweep(request: SweepRequest, reporter: Reporter = SILENT) -> SweepResult:
    """Quantizes and measures every point of a grid, and recommends one.

    Each point has a folder with what `quantize` and `validate` write. A point that is done is not made again:
    it is found by all that its files depend on, and by their hashes. A point that fails is in the result with
    its reason, and the others are made. `sweep.json` in the folder has the result.

    Raises:
        ArgumentError: As `plan_sweep`.
        CalibrationDataError: As `plan_sweep`.
        InputFileError: As `plan_sweep`.
        MissingExtraError: TensorFlow is needed, or for a picture matplotlib, and not installed.
        OutputError: The folder is not one of a sweep, or is in use, or the picture exists and `force` is off.
        RuntimeUnavailableError: As `plan_sweep`.
        SchedulerError: A Dask scheduler does not answer, or is lost; points that are done are kept.
    """
    check_call("sweep", (SweepRequest,), request, reporter)
    from edge_mnv3_quantization.exploring.plot import plot_sweep
    from edge_mnv3_quantization.plotting import check_plot

    folder, plot = Path(request.output_dir), optional_path(request.plot)
    if plot:
        check_writable([plot], force=request.force)
        check_plot(plot)
    _check_packages(request)
    noting = _Noting(reporter)
    measuring, points, remarks = _prepared(request)
    for remark in (*remarks, *_remarks(measuring)):
        noting.warn(remark)
    steps = [f"point {number} of {len(points)}, {point.name}" for number, point in enumerate(points, start=1)]
    reporter.plan([_phase(step, point, measuring.images) for step, point in zip(steps, points, strict=True)])
    measured: list[SweepPoint] = []
    validated: dict[str, ValidateResult] = {}
    labelled = _labelled_state(request)
    with opened_engine(request.engine, request.scheduler, reporter) as engine, sweep_folder(folder):
        measuring = dataclasses.replace(measuring, engine=engine)
        for step, point in zip(steps, points, strict=True):
            reporter.step(step)
            found = _point(measuring, point, noting.of(step), validated)
            if found.failure is not None:
                noting.warn(f"{point.name} failed: {found.failure}")
            measured.append(found)
        _refuse_other_labels(request, labelled)
        result = _result(request, measuring, measured, validated, noting)
        write_text(folder / SWEEP_FILE, to_json(result), force=True)
        if plot:
            with staged([plot], force=request.force) as (file,):
                plot_sweep(result, file)
    return result


def _check_packages(request: SweepRequest) -> None:
    for network in request.networks:
        check_model_packages(network)
    for recipe in request.recipes:
        if RECIPES[recipe].needs_tensorflow:
            check_tensorflow(f"recipe {recipe}")


def _prepared(request: SweepRequest) -> tuple[Measuring, tuple[GridPoint, ...], tuple[str, ...]]:
    networks = {network: network_sha256(network) for network in request.networks}
    several = len(request.networks) > 1
    if several and request.data is None:
        raise ArgumentError(
            "a sweep over several models",
            "no labelled images",
            "--data, as each model's own float file says nothing of the others",
        )
    if several and request.held_out is not None:
        raise ArgumentError(
            "--held-out", "several models", "one model: several are compared by accuracy on --data"
        )
    if request.data is not None:
        from edge_mnv3_calibration_data.source_kinds import open_images

        open_images(request.data, label_map=request.label_map)
    images = SweepImages(request, compares=not several)
    points, remarks = grid(request, images.samples)
    basis = cost_basis(request.cost)
    measuring = Measuring(request=request, images=images, basis=basis, code=code_sha256(), networks=networks)
    return measuring, points, remarks


def _labelled_state(request: SweepRequest) -> str | None:
    if request.data is None:
        return None
    return labelled_state(request.data, request.label_map, request.labels)


def _refuse_other_labels(request: SweepRequest, before: str | None) -> None:
    """Refuses to put points in one table that were measured on labelled images of two kinds.

    Raises:
        CalibrationDataError: The images, or their labels, changed while the sweep ran.
    """
    if _labelled_state(request) != before:
        raise CalibrationDataError(
            f"images {request.data}",
            "images or labels that changed while the sweep ran",
            "the same for all points",
            "run it again: points that are done are kept",
        )


def _remarks(measuring: Measuring) -> list[str]:
    images, remarks = measuring.images, []
    if images.compares and images.held_out < FEW_HELD_OUT:
        remarks.append(
            f"points are compared on {images.held_out} held-out images, which are few: give more "
            f"calibration images, or --held-out with {FEW_HELD_OUT} or more"
        )
    if images.compares and images.synthetic:
        remarks.append(
            "points are compared on synthetic images, which show no object: use --calibration with your "
            "app's own images"
        )
    if not images.compares:
        remarks.append(
            "several models are compared on the images of --data, so that the accuracy there of what is "
            "chosen is a little too good: report it on images that nothing was chosen on"
        )
    return remarks


def _phase(text: str, point: GridPoint, images: SweepImages) -> Phase:
    recipe = RECIPES[point.request.recipe]
    seconds = expected_s(recipe, images.calibrated_on(), synthetic=images.synthetic)
    return Phase(text, sum(seconds.values()) + _MEASURE_S)


def _point(
    measuring: Measuring, point: GridPoint, reporter: Reporter, validated: dict[str, ValidateResult]
) -> SweepPoint:
    """Makes and measures one point; an expected error is its failure, other than one of all points."""
    try:
        measured = measuring.measure(point, reporter)
        if measured.validated is not None:
            validated[point.name] = measured.validated
        return _measured_point(point, measured, chosen_by_labels=not measuring.images.compares)
    except SchedulerError:
        raise
    except EdgeMnv3Error as error:
        return SweepPoint(
            **_names(point),
            state="failed",
            failure=str(error),
            int8_path=None,
            int8_sha256=None,
            int8_size_bytes=None,
            ship_problems=(),
            cost=None,
            held_out=None,
            labelled=None,
        )


def _names(point: GridPoint) -> dict[str, Any]:
    request = point.request
    return {
        "name": point.name,
        "model": point.model,
        "recipe": request.recipe,
        "target": request.target,
        "budget_percent": request.budget_percent,
        "seed": request.seed,
    }


def _measured_point(point: GridPoint, measured: Measured, *, chosen_by_labels: bool) -> SweepPoint:
    made = measured.made
    grave = [finding.text for finding in made.findings if finding.fails_gate]
    labelled = None if measured.validated is None else labelled_figures(measured.validated)
    if chosen_by_labels and labelled is not None:
        grave += [f"has an accuracy that says little: {problem}" for problem in labelled.problems]
    return SweepPoint(
        **_names(point),
        state="kept" if measured.kept else "made",
        failure=None,
        int8_path=str(Path(point.request.output_dir) / Path(made.int8_path).name),
        int8_sha256=made.int8_sha256,
        int8_size_bytes=made.int8_size_bytes,
        ship_problems=(*made.checks.problems, *grave),
        cost=measured.cost,
        held_out=measured.held_out,
        labelled=labelled,
    )


def _result(
    request: SweepRequest,
    measuring: Measuring,
    points: Sequence[SweepPoint],
    validated: dict[str, ValidateResult],
    noting: _Noting,
) -> SweepResult:
    quality: Quality = "held_out_snr_db" if measuring.images.compares else "int8_percent"
    rows = with_front(sweep_rows(points), quality)
    basis: CostBasis = measuring.basis
    return SweepResult(
        folder=str(request.output_dir),
        calibration=str(request.calibration),
        samples=measuring.images.samples,
        held_out=measuring.images.held_out_location if measuring.images.compares else None,
        data=None if request.data is None else str(request.data),
        quality=quality,
        cost=basis,
        points=tuple(points),
        rows=rows,
        recommendation=recommend(rows, Comparing(points, validated, quality)),
        plot=None if request.plot is None else str(request.plot),
        warnings=noting.warnings,
        versions=versions(),
    )


class _Noting(Reporter):
    """Passes on what a point's stages report, and notes warnings with the point's name."""

    def __init__(self, reporter: Reporter, warned: dict[str, str] | None = None, prefix: str = "") -> None:
        self._reporter, self._prefix = reporter, prefix
        self._warned: dict[str, str] = {} if warned is None else warned

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was warned of: what several points say, with the name of the first."""
        return tuple(self._warned.values())

    def of(self, step: str) -> _Noting:
        """For one point."""
        return _Noting(self._reporter, self._warned, f"{step}: ")

    def plan(self, phases: Sequence[Phase]) -> None:
        """Divides the point's own step."""
        self._reporter.plan([Phase(f"{self._prefix}{phase.text}", phase.expected_s) for phase in phases])

    def step(self, text: str) -> None:
        """Reports a step of the point."""
        self._reporter.step(f"{self._prefix}{text}")

    def progress(self, done: int, total: int) -> None:
        """Reports progress."""
        self._reporter.progress(done, total)

    def note(self, text: str) -> None:
        """Reports how it went."""
        self._reporter.note(f"{self._prefix}{text}")

    def warn(self, text: str) -> None:
        """Reports a warning, of several points once, and notes it."""
        if text not in self._warned:
            self._warned[text] = f"{self._prefix}{text}"
            self._reporter.warn(self._warned[text])
