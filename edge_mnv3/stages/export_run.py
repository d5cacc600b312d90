"""Accuracy, size and Arm instructions of a run, in the forms of programs that keep figures over time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.result_files import json_keys, read_quantize_result, read_result
from edge_mnv3.core.results.cost import CostResult
from edge_mnv3.core.results.run import RunResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.stages.run_plan import RUN_FILE

_OF_A_RUN = frozenset({"stages", "gates", "config", "finished"})


class RunFigure(NamedTuple):
    """One figure of a run.

    Attributes:
        name: The file, and the images or the processor that it is of.
        measure: What Bencher calls it.
        value: As Bencher has it, in `unit`.
        unit: `bytes`, `%` or `instructions`.
        smaller_is_better: Whether less is more; shares are turned into errors where all must be so.
    """

    name: str
    measure: str
    value: float
    unit: str
    smaller_is_better: bool


def is_run(path: Path) -> bool:
    """Whether a file is the `run.json` of a run."""
    try:
        return json_keys(path.read_text(encoding="utf-8")) >= _OF_A_RUN
    except (OSError, ValueError):
        return False  # what reads it says so


def run_results(path: Path) -> dict[str, Path]:
    """The results of the stages of a run that are done, by stage.

    Raises:
        InputFileError: The file is damaged, or a result is not the one that the run wrote.
    """
    run = read_result(RunResult, path, command="run")
    results: dict[str, Path] = {}
    for stage in run.stages:
        if stage.status in ("ran", "kept"):
            result = path.parent / f"{stage.name}.json"
            _check_same(result, {output.path: output.sha256 for output in stage.outputs}.get(result.name))
            results[stage.name] = result
    return results


def _check_same(result: Path, sha256: str | None) -> None:
    try:
        found = sha256_file(result)
    except OSError as error:
        raise InputFileError(f"result {result}", why_unreadable(result, error), "a file") from error
    if found != sha256:
        raise InputFileError(
            f"result {result}",
            "another file than the run wrote",
            f"the one of which {RUN_FILE} has the SHA-256",
            f"edge-mnv3 run {result.parent} makes it again",
        )


def run_figures(path: Path) -> tuple[RunFigure, ...]:
    """The figures of a run other than latencies.

    Raises:
        InputFileError: The run, or a result of it, is damaged.
    """
    found: list[RunFigure] = []
    results = run_results(path)
    if "quantize" in results:
        made = read_quantize_result(results["quantize"])
        for file, size in (
            (made.float_path, made.float_size_bytes),
            (made.int8_path, made.int8_size_bytes),
        ):
            found.append(RunFigure(PurePath(file).name, "file-size", float(size), "bytes", True))
    if "validate" in results:
        found += _accuracies(read_result(ValidateResult, results["validate"], command="validate"))
    if "cost" in results:
        found += [
            RunFigure(
                f"{PurePath(file.path).name}, {each.cpu}, {each.kernels} kernels",
                "instructions",
                float(each.instructions.total),
                "instructions",
                True,
            )
            for file in read_result(CostResult, results["cost"], command="cost").files
            for each in file.cpus
        ]
    return tuple(found)


def _accuracies(result: ValidateResult) -> list[RunFigure]:
    images = count(result.n, "image")
    named = [(PurePath(file.path).name, file.top1_percent) for file in (result.float_, result.int8)]
    found = [
        RunFigure(f"{name}, {images}", "top1-percent", top1, "%", False)
        for name, top1 in named
        if top1 is not None
    ]
    if result.agreement_percent is not None:
        name = f"{named[1][0]}, {images}"
        found.append(RunFigure(name, "agreement-percent", result.agreement_percent, "%", False))
    return found


def with_bencher(text: str, figures: Sequence[RunFigure]) -> str:
    """Adds figures to Bencher's metrics."""
    metrics: dict[str, Any] = json.loads(text)
    for figure in figures:
        metrics.setdefault(figure.name, {})[figure.measure] = {"value": figure.value}
    return json.dumps(metrics, indent=2, allow_nan=False) + "\n"


def with_github(text: str, figures: Sequence[RunFigure]) -> str:
    """Adds figures to github-action-benchmark's, of which less is better: shares as what is missing."""
    rows: list[dict[str, Any]] = json.loads(text)
    for figure in figures:
        if figure.smaller_is_better:
            rows.append(
                {"name": f"{figure.name}, {figure.measure}", "unit": figure.unit, "value": figure.value}
            )
        else:
            name = f"{figure.name}, 100 less {figure.measure}"
            rows.append({"name": name, "unit": figure.unit, "value": round(100 - figure.value, 6)})
    return json.dumps(rows, indent=2, allow_nan=False) + "\n"
