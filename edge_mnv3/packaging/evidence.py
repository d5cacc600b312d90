"""What the JSON results of earlier commands say of a model: matched by its hash, never by its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edge_mnv3.core.choices import RANDOM_WEIGHTS
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.intervals import WILSON, wilson_percent
from edge_mnv3.core.result_files import (
    QUANTIZE_FILE,
    json_keys,
    read_quantize_result,
    read_result,
    refuse_no_measurement,
)
from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.stated import (
    CalibrationSummary,
    PhoneLatency,
    Provenance,
    StatedAccuracy,
    StatedComparison,
    StatedImages,
)
from edge_mnv3.core.results.validate import ClassFigures, ModelAccuracy, ValidateResult

_WANTED = "what edge-mnv3 bench --json wrote"
BenchEvidence = HostBenchResult | HostTurnsResult | DeviceBenchReport


def read_bench(path: Path) -> BenchEvidence:
    """Reads the JSON result of `bench`, on this machine or on devices.

    Raises:
        InputFileError: It is missing or not of this command, or figures of an emulated device are in it.
    """
    text = _text(path)
    refuse_no_measurement(path, text, wanted=_WANTED)
    keys = json_keys(text)
    if {"results", "cells"} <= keys:
        raise InputFileError(
            f"result {path}",
            "verdicts of reproduce",
            _WANTED,
            "measure the file that is packaged: bench FILE.tflite --device",
        )
    if "results" not in keys:
        return read_result(HostBenchResult, path, command="bench")
    if "comparisons" in keys:
        return read_result(HostTurnsResult, path, command="bench")
    report = read_result(DeviceBenchReport, path, command="bench")
    for result in report.results:
        if result.conditions.device.emulated:
            raise InputFileError(
                f"result {path}",
                f"figures of an emulated device ({result.conditions.device.model})",
                "figures of phones: a model card tells users how fast a phone is",
                "measure on a phone, or leave them out",
            )
    return report


def _text(path: Path) -> str:
    """Gives what is in a file; of an unreadable one, which is refused when it is read, nothing."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def provenance(path: Path, sha256: str) -> Provenance | None:
    """Returns how a model was made, if `quantize.json` beside it says so of a file of this hash.

    Raises:
        InputFileError: There is such a file, but it cannot be read.
    """
    beside = path.parent / QUANTIZE_FILE
    if not beside.is_file():
        return None
    result = read_quantize_result(beside)
    if sha256 not in (result.int8_sha256, result.float_sha256):
        return None
    quantized = sha256 == result.int8_sha256
    return Provenance(
        variant=result.variant,
        weights_source=_weights_source(result),
        weights_sha256=_weights_sha256(result),
        recipe=result.recipe if quantized else None,
        hard_swish=result.hard_swish if quantized else None,
        calibration=_calibration(result.calibration) if quantized else None,
        warnings=result.warnings,
        versions=result.versions,
    )


def _weights_source(result: QuantizeResult) -> str:
    if result.source is not None:
        return result.source.format
    return RANDOM_WEIGHTS if result.weights is None else result.weights.source


def _weights_sha256(result: QuantizeResult) -> str | None:
    if result.source is not None:
        return result.source.sha256
    return None if result.weights is None else result.weights.sha256


def accuracy(results: Sequence[ValidateResult], sha256: str) -> StatedAccuracy | None:
    """Returns the first result with figures of classes that measured a file of this hash, and of one output.

    Figures of several outputs are a comparison, which names them.
    """
    found = _measured(results, sha256)
    return None if found is None else _stated(*found)


def stated_images(results: Sequence[ValidateResult], sha256: str) -> StatedImages | None:
    """Returns which images were right in the result that `accuracy` takes."""
    found = _measured(results, sha256)
    if found is None or found.result.image_answers is None:
        return None
    answers = found.result.image_answers
    int8 = found.measured is found.result.int8
    return StatedImages(sha256=answers.sha256, right=answers.int8_right if int8 else answers.float_right)


class _Measured(NamedTuple):
    """A result with figures of classes, and which of its two files is meant."""

    result: ValidateResult
    figures: ClassFigures
    measured: ModelAccuracy


def _measured(results: Sequence[ValidateResult], sha256: str) -> _Measured | None:
    for result in results:
        if len(result.outputs) > 1:
            continue
        for measured in (result.int8, result.float_):
            if measured.sha256 == sha256 and result.figures is not None:
                return _Measured(result, result.figures, measured)
    return None


def comparison(results: Sequence[ValidateResult], sha256: str) -> StatedComparison | None:
    """Returns the first result that compared a file of this hash, as the int8 file, with a float file."""
    for result in results:
        if result.int8.sha256 == sha256 and result.outputs:
            return StatedComparison(
                n=result.n,
                data=Path(result.data).name,
                preprocess=result.preprocess,
                kernels=result.int8.kernels,
                runtime=result.runtime,
                outputs=result.outputs,
                warnings=result.warnings,
            )
    return None


def _stated(result: ValidateResult, figures: ClassFigures, measured: ModelAccuracy) -> StatedAccuracy:
    int8 = measured is result.int8
    top1_percent = figures.int8_top1_percent if int8 else figures.float_top1_percent
    low, high = figures.delta.ci95_points
    return StatedAccuracy(
        n=result.n,
        data=Path(result.data).name,
        preprocess=result.preprocess,
        kernels=measured.kernels,
        class_offset=measured.class_offset,
        top1_percent=top1_percent,
        top5_percent=figures.int8_top5_percent if int8 else figures.float_top5_percent,
        ci95_percent=wilson_percent(round(top1_percent * result.n / 100), result.n),
        method=WILSON,
        drop_points=-figures.delta.top1_points if int8 else None,
        drop_ci95_points=(-high, -low) if int8 else None,
        agreement_percent=figures.agreement_percent if int8 else None,
        runtime=result.runtime,
        warnings=result.warnings,
    )


def latencies(results: Sequence[BenchEvidence], sha256: str, file: str) -> tuple[HostBenchResult, ...]:
    """Returns this machine's results for a file of this hash, with its name in the bundle as the path."""
    return tuple(
        dataclasses.replace(result, conditions=dataclasses.replace(result.conditions, model_path=file))
        for evidence in results
        if not isinstance(evidence, DeviceBenchReport)
        for result in _results(evidence)
        if isinstance(result, HostBenchResult) and result.conditions.model_sha256 == sha256
    )


def phone_latencies(results: Sequence[BenchEvidence], sha256: str) -> tuple[PhoneLatency, ...]:
    """Returns phones' results for a file of this hash on the CPU, unstable ones included."""
    return tuple(_phone_latency(result) for result in _of_phones(results, sha256) if _on_cpu(result))


def left_out(results: Sequence[BenchEvidence], hashes: Iterable[str]) -> tuple[str, ...]:
    """Says which results of phones are in no card: it has no column for accelerators."""
    others = [result for sha256 in hashes for result in _of_phones(results, sha256) if not _on_cpu(result)]
    return tuple(
        f"the card tells latencies on the CPU alone: that of {Path(result.conditions.model_path).name} "
        f"on the {result.conditions.accelerator} of {result.conditions.device.model} is left out"
        for result in others
    )


def _of_phones(results: Sequence[BenchEvidence], sha256: str) -> tuple[DeviceBenchResult, ...]:
    return tuple(
        result
        for report in results
        if isinstance(report, DeviceBenchReport)
        for result in report.results
        if result.conditions.model_sha256 == sha256
    )


def _on_cpu(result: DeviceBenchResult) -> bool:
    return result.conditions.accelerator == "cpu"


def _phone_latency(result: DeviceBenchResult) -> PhoneLatency:
    conditions, device = result.conditions, result.conditions.device
    named = device.model.casefold().startswith(device.manufacturer.casefold())
    return PhoneLatency(
        device=device.model if named else f"{device.manufacturer} {device.model}",
        soc=device.soc,
        android_version=device.android_version,
        sdk=device.sdk,
        build_fingerprint=device.build_fingerprint,
        abi=device.abi,
        binary=conditions.binary,
        protocol=conditions.protocol,
        delegate=conditions.delegate,
        cpu_mask=conditions.cpu_mask,
        fixed_performance=conditions.fixed_performance,
        launches=sum(launch.timings is not None and not launch.problems for launch in result.launches),
        statistic=result.statistic,
        median_us=result.median_us,
        ci95_us=result.ci95_us,
        coefficient_of_variation_percent=result.coefficient_of_variation_percent,
        stable=result.stable,
        warnings=result.warnings,
    )


def check_all_used(
    validations: Sequence[tuple[Path, ValidateResult]],
    benches: Sequence[tuple[Path, BenchEvidence]],
    hashes: set[str],
) -> None:
    """Refuses results that speak of other files than those that are packaged, and measurements given twice.

    Raises:
        InputFileError: Naming the first.
    """
    _check_once(benches)
    measured: list[tuple[Path, set[Any]]] = [
        (path, {result.float_.sha256, result.int8.sha256}) for path, result in validations
    ]
    measured += [(path, _benched(result)) for path, result in benches]
    for path, measured_sha256s in measured:
        if not measured_sha256s & hashes:
            raise InputFileError(
                f"result {path}",
                "a measurement of other files than those that are packaged",
                "one of the packaged models, by its SHA-256",
                "measure again, or package the file that was measured",
            )


def _check_once(benches: Sequence[tuple[Path, BenchEvidence]]) -> None:
    """Refuses a measurement that stands in two of the files, under whatever names: it would be two rows."""
    seen: list[tuple[Path, HostBenchResult | DeviceBenchResult]] = []
    for path, evidence in benches:
        for result in _results(evidence):
            first = next((other for other, known in seen if known == result), None)
            if first is not None:
                raise InputFileError(
                    f"result {path}",
                    f"a measurement that is in {first} too" if first != path else "one measurement twice",
                    "each once",
                    "leave one of them out",
                )
            seen.append((path, result))


def _results(evidence: BenchEvidence) -> Sequence[HostBenchResult | DeviceBenchResult]:
    return (evidence,) if isinstance(evidence, HostBenchResult) else evidence.results


def _benched(evidence: BenchEvidence) -> set[str]:
    """Returns the hashes of the files that were measured."""
    return {result.conditions.model_sha256 for result in _results(evidence)}


def _calibration(manifest: CalibrationManifest) -> CalibrationSummary:
    return CalibrationSummary(
        kind=manifest.kind,
        n=len(manifest.images),
        preprocess=manifest.preprocess,
        seed=manifest.seed,
        manifest_sha256=manifest.sha256,
    )
