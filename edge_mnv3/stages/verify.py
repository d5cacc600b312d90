"""Verifying, joined: what a bundle says is held against what it holds and does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_mnv3.core.errors import ArgumentError, BundleError, EdgeMnv3Error
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.images import SkippedImage
from edge_mnv3.core.results.package import (
    BundleManifest,
    GoldenRun,
    PackagedModel,
    StatedAccuracy,
    VerifiedAccuracy,
    VerifyCheck,
    VerifyResult,
)
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.packaging.bundle import BundleFiles, check_container, read_bundle
from edge_mnv3.packaging.contents import golden_vectors, metadata_differences
from edge_mnv3.packaging.golden import GoldenRunner, HostRunner, output_kind, run_golden
from edge_mnv3.packaging.manifest import bundle_sha256, file_differences, read_manifest, versions

HOST_RUNNERS: tuple[GoldenRunner, ...] = (HostRunner("xnnpack"), HostRunner("builtin"))


@dataclass(slots=True)
class _Findings:
    """Checks made so far."""

    checks: list[VerifyCheck] = field(default_factory=list)
    golden: list[GoldenRun] = field(default_factory=list)
    accuracy: list[VerifiedAccuracy] = field(default_factory=list)

    def add(self, name: str, differences: Sequence[str], found: str) -> bool:
        """Notes a check; True if it passed."""
        self.checks.append(
            VerifyCheck(name=name, passed=not differences, detail=tuple(differences) or (found,))
        )
        return not differences


def verify(
    path: Path, *, data: Path | None, runners: Sequence[GoldenRunner], reporter: Reporter
) -> VerifyResult:
    """Verifies a bundle. A model is loaded only if every byte is the one that was packaged.

    Args:
        path: Folder or zip.
        data: Labelled images to measure the accuracy on; None to leave that out.
        runners: Where the golden images are run.
        reporter: Told of each step.

    Raises:
        InputFileError: There is no such folder or file.
        ArgumentError: `data` is given, but the bundle states no accuracy.
        EdgeMnv3Error: A runner or the data cannot be used.
    """
    findings = _Findings()
    reporter.step("reading the bundle")
    bundle = _read(path, findings)
    manifest = None if bundle is None else _check_files(bundle, findings)
    if bundle is not None and manifest is not None and findings.checks[-1].passed:
        _check_models(bundle, manifest, data, runners, findings, reporter)
    differences = tuple(line for check in findings.checks if not check.passed for line in check.detail)
    return VerifyResult(
        path=str(path),
        sha256=None if bundle is None else bundle_sha256(bundle.files),
        name=None if manifest is None else manifest.name,
        checks=tuple(findings.checks),
        golden=tuple(findings.golden),
        accuracy=tuple(findings.accuracy),
        passed=not differences,
        differences=differences,
        versions=versions(),
    )


def _read(path: Path, findings: _Findings) -> BundleFiles | None:
    try:
        return read_bundle(path)
    except BundleError as error:
        findings.add("files", [str(error)], "")
        return None


def _check_files(bundle: BundleFiles, findings: _Findings) -> BundleManifest | None:
    try:
        manifest = read_manifest(bundle.files)
        differences = file_differences(bundle.files, manifest)
        if not differences:
            check_container(bundle)
    except BundleError as error:
        findings.add("files", [str(error)], "")
        return None
    findings.add("files", differences, f"{len(bundle.files)} files, every hash as packaged")
    return manifest


def _check_models(
    bundle: BundleFiles,
    manifest: BundleManifest,
    data: Path | None,
    runners: Sequence[GoldenRunner],
    findings: _Findings,
    reporter: Reporter,
) -> None:
    if data is not None and all(model.accuracy is None for model in manifest.models):
        raise ArgumentError(
            "--data",
            "a bundle that states no accuracy",
            next_step="package it with --validate, or leave --data out",
        )
    with tempfile.TemporaryDirectory() as folder:
        for model in manifest.models:
            path = Path(folder) / "model.tflite"
            path.write_bytes(bundle.files[model.file])
            reporter.step(f"verifying {model.file}")
            differences = metadata_differences(bundle.files, manifest, model)
            findings.add(f"metadata of {model.file}", differences, "as the manifest says, labels inside")
            if not _check_loading(path, model, findings):
                continue
            _check_golden(bundle, manifest, model, path, runners, findings)
            if data is not None and model.accuracy is not None:
                _check_accuracy(path, model, model.accuracy, data, findings, reporter)


def _check_loading(path: Path, model: PackagedModel, findings: _Findings) -> bool:
    from edge_mnv3_quantization.validation.checks import inspect_file

    found = inspect_file(path)
    differences = []
    if found.full_integer != model.full_integer:
        differences.append(f"{model.file} is {'' if found.full_integer else 'not '}full integer")
    if (found.inputs, found.outputs) != ((model.input,), (model.output,)):
        differences.append(f"{model.file} has other inputs or outputs than the manifest says")
    if found.dynamic_tensors:
        differences.append(f"{model.file} has tensors of open shape")
    for check, words in ((found.xnnpack, "XNNPACK"), (found.builtin, "the built-in kernels")):
        if not check.loads:
            differences.append(f"{model.file} does not load under {words}: {check.problem}")
    integer = "full integer" if found.full_integer else "float"
    return findings.add(
        f"loading of {model.file}",
        differences,
        f"{integer}, loads under XNNPACK ({found.xnnpack.partitions} partitions) and the built-in kernels",
    )


def _check_golden(
    bundle: BundleFiles,
    manifest: BundleManifest,
    model: PackagedModel,
    path: Path,
    runners: Sequence[GoldenRunner],
    findings: _Findings,
) -> None:
    try:
        images, outputs = golden_vectors(bundle.files, manifest, model)
    except BundleError as error:
        findings.add(f"golden images of {model.file}", [str(error)], "")
        return
    kind = output_kind(read_file(path))
    for runner in runners:
        run = run_golden(runner, model, path, images, outputs, kind)
        findings.golden.append(run)
        words = describe(run)
        findings.add(
            f"golden images of {model.file}, {runner.name}",
            []
            if run.passed
            else [f"{model.file} answers the golden images otherwise, {runner.name}: {words}"],
            words,
        )


def describe(run: GoldenRun) -> str:
    """A golden run in words."""
    difference = run.difference
    if difference.differing == 0:
        return f"all {difference.values} values of {difference.images} images bit for bit"
    asked = "none may differ" if run.exact else f"up to {run.limit} {difference.unit} may"
    return (
        f"{difference.differing} of {difference.values} values differ, by up to {difference.max_apart} "
        f"{difference.unit} ({asked}); the same class on "
        f"{difference.top1_equal} of {difference.images} images"
    )


def _check_accuracy(
    path: Path,
    model: PackagedModel,
    stated: StatedAccuracy,
    data: Path,
    findings: _Findings,
    reporter: Reporter,
) -> None:
    hits, n = _count_hits(path, stated, data, model.input.shape[1], reporter.progress)
    top1_percent = 100 * hits / n
    low, high = stated.ci95_percent
    verified = VerifiedAccuracy(
        model=model.file,
        data=str(data),
        n=n,
        top1_percent=top1_percent,
        stated_ci95_percent=stated.ci95_percent,
        passed=low <= top1_percent <= high,
    )
    findings.accuracy.append(verified)
    found = f"top-1 {top1_percent:.2f} % on {n} images, {low:.2f} to {high:.2f} % is stated"
    findings.add(
        f"accuracy of {model.file}",
        [] if verified.passed else [f"{model.file}: {found}"],
        found,
    )


def _count_hits(
    path: Path, stated: StatedAccuracy, data: Path, side_px: int, on_image: Callable[[int, int], None]
) -> tuple[int, int]:
    """Images whose highest output is the label, and images in all; as `validate` counts."""
    from edge_mnv3.core.runtime import open_model
    from edge_mnv3_calibration_data.loading import check_skipped, load_image
    from edge_mnv3_calibration_data.sources import open_source

    items = open_source(data, need_labels=True).items
    loaded = open_model(path, kernels="builtin" if stated.kernels == "builtin" else "xnnpack")
    hits, skipped = 0, []
    for index, item in enumerate(items, start=1):
        try:
            pixels = load_image(item, preprocess=stated.preprocess, size=side_px)
        except EdgeMnv3Error as error:
            skipped.append(SkippedImage(file=item.file, reason=error.got))
            continue
        hits += int(loaded.run(pixels).argmax()) - stated.class_offset == item.label
        on_image(index, len(items))
    check_skipped(skipped, len(items))
    return hits, len(items) - len(skipped)
