"""The stage `verify`: what a bundle says is held against what it holds and does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edge_mnv3.core.choices import CURRENT_BINARY, LabelMap
from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import ArgumentError, BundleError
from edge_mnv3.core.exact_tests import LEVEL
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call, optional_path
from edge_mnv3.core.results.package import BundleManifest, PackagedModel
from edge_mnv3.core.results.verify import (
    GoldenRun,
    VerifiedAccuracy,
    VerifyCheck,
    VerifyResult,
)
from edge_mnv3.core.versions import versions
from edge_mnv3.packaging.bundle import BundleFiles, check_container, read_bundle
from edge_mnv3.packaging.contents import golden_vectors, metadata_differences
from edge_mnv3.packaging.golden import GoldenRunner, HostRunner, run_golden
from edge_mnv3.packaging.manifest import PACKAGING_PACKAGES, bundle_sha256, file_differences, read_manifest
from edge_mnv3.stages.verify_accuracy import (
    AccuracyTest,
    LabelledData,
    accuracy_words,
    bundle_names,
    measure_accuracy,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest(Request):
    """What to verify.

    Attributes:
        bundle: Folder or zip.
        data: Labelled images to measure the accuracy on, a location for `open_images`; None to leave that
            out.
        label_map: How class numbers of these images are counted, as `open_images` has it; None for what they
            tell.
        arm: Run the golden images on an emulated Arm processor too, if QEMU and its runtime are there.
        devices: Phones on which the golden images are run too: serials or addresses of adb, or `all`.
        adb: The adb binary; None for the one that `find_adb` finds.
        benchmark_binary: Build of `benchmark_model` for the phones: a file, or a name in the registry; None
            for today's.
    """

    bundle: AnyPath
    data: AnyPath | None = None
    label_map: LabelMap | None = None
    arm: bool = False
    devices: Sequence[str] = ()
    adb: AnyPath | None = None
    benchmark_binary: AnyPath | None = None


@dataclass(slots=True)
class _Findings:
    """Checks made so far.

    Attributes:
        request: What is verified.
        runners: Where the golden images are run.
        reporter: Told of each step.
        checks: What was checked, in its order.
        golden: Runs of the golden images.
        accuracy: Measured on the request's data.
    """

    request: VerifyRequest
    runners: Sequence[GoldenRunner]
    reporter: Reporter
    checks: list[VerifyCheck] = field(default_factory=list)
    golden: list[GoldenRun] = field(default_factory=list)
    accuracy: list[VerifiedAccuracy] = field(default_factory=list)

    def add(self, name: str, differences: Sequence[str], as_stated: str) -> bool:
        """Notes a check; True if it passed."""
        self.checks.append(
            VerifyCheck(name=name, passed=not differences, detail=tuple(differences) or (as_stated,))
        )
        return not differences


def verify(request: VerifyRequest, reporter: Reporter = SILENT) -> VerifyResult:
    """Verifies a bundle. A model is loaded only if every byte is the one that was packaged.

    Raises:
        InputFileError: There is no such folder or file.
        ArgumentError: `data` is given, but the bundle states no accuracy.
        EdgeMnv3Error: A runner or the data cannot be used.
    """
    check_call("verify", (VerifyRequest,), request, reporter)
    with ExitStack() as devices:
        findings = _Findings(request, _runners(request, reporter, devices), reporter)
        return _verify(request, findings, reporter)


def _verify(request: VerifyRequest, findings: _Findings, reporter: Reporter) -> VerifyResult:
    reporter.step("reading the bundle")
    bundle = _read(Path(request.bundle), findings)
    manifest = None if bundle is None else _check_files(bundle, findings)
    if bundle is not None and manifest is not None and findings.checks[-1].passed:
        _check_models(bundle, manifest, findings)
    differences = tuple(line for check in findings.checks if not check.passed for line in check.detail)
    return VerifyResult(
        path=str(request.bundle),
        sha256=None if bundle is None else bundle_sha256(bundle.files),
        name=None if manifest is None else manifest.name,
        checks=tuple(findings.checks),
        golden=tuple(findings.golden),
        accuracy=tuple(findings.accuracy),
        passed=not differences,
        differences=differences,
        versions=versions(PACKAGING_PACKAGES),
    )


def _runners(request: VerifyRequest, reporter: Reporter, devices: ExitStack) -> list[GoldenRunner]:
    """Both kinds of kernels of this machine, and what the request adds; devices are locked until the end."""
    runners: list[GoldenRunner] = [HostRunner("xnnpack"), HostRunner("builtin")]
    if request.arm:
        from edge_mnv3.packaging.arm import find_arm_runner

        runners.append(find_arm_runner())
    if request.devices:
        from edge_mnv3.stages.verify_device import phone_runners

        runners += devices.enter_context(
            phone_runners(
                request.devices,
                adb=optional_path(request.adb),
                benchmark_binary=str(request.benchmark_binary or CURRENT_BINARY),
                reporter=reporter,
            )
        )
    return runners


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


def _check_models(bundle: BundleFiles, manifest: BundleManifest, findings: _Findings) -> None:
    data = findings.request.data
    if data is not None and all(model.accuracy is None for model in manifest.models):
        raise ArgumentError(
            "--data",
            "a bundle that states no accuracy of one output of classes",
            next_step="package it with --validate, or leave --data out",
        )
    with tempfile.TemporaryDirectory() as folder:
        for model in manifest.models:
            path = Path(folder) / "model.tflite"
            path.write_bytes(bundle.files[model.file])
            findings.reporter.step(f"verifying {model.file}")
            differences = metadata_differences(bundle.files, manifest, model)
            findings.add(f"metadata of {model.file}", differences, "as the manifest says, labels inside")
            if not _check_loading(path, model, findings):
                continue
            _check_golden(bundle, manifest, model, path, findings)
            if data is not None:
                _check_accuracy(bundle, manifest, model, path, findings)


def _check_loading(path: Path, model: PackagedModel, findings: _Findings) -> bool:
    from edge_mnv3_quantization.validation.checks import inspect_file

    inspected = inspect_file(path)
    differences = []
    if inspected.full_integer != model.full_integer:
        differences.append(f"{model.file} is {'' if inspected.full_integer else 'not '}full integer")
    if (inspected.inputs, inspected.outputs) != (
        (model.input,),
        tuple(output.tensor for output in model.outputs),
    ):
        differences.append(f"{model.file} has other inputs or outputs than the manifest says")
    if inspected.dynamic_tensors and -1 not in model.input.shape:
        differences.append(f"{model.file} has tensors of open shape")
    for check, words in ((inspected.xnnpack, "XNNPACK"), (inspected.builtin, "the built-in kernels")):
        if not check.loads:
            differences.append(f"{model.file} does not load under {words}: {check.problem}")
    integer = "full integer" if inspected.full_integer else "float"
    partitions = inspected.xnnpack.partitions
    parts = "1 partition" if partitions == 1 else f"{partitions} partitions"
    return findings.add(
        f"loading of {model.file}",
        differences,
        f"{integer}, loads under XNNPACK ({parts}) and the built-in kernels",
    )


def _check_golden(
    bundle: BundleFiles,
    manifest: BundleManifest,
    model: PackagedModel,
    path: Path,
    findings: _Findings,
) -> None:
    try:
        images, outputs = golden_vectors(bundle.files, manifest, model)
    except BundleError as error:
        findings.add(f"golden images of {model.file}", [str(error)], "")
        return
    for runner in findings.runners:
        for run, output in zip(run_golden(runner, model, path, images, outputs), model.outputs, strict=True):
            findings.golden.append(run)
            words = describe(run, classes=output.has_classes)
            which = "" if len(model.outputs) == 1 else f", output {output.name}"
            findings.add(
                f"golden images of {model.file}{which}, {runner.name}",
                []
                if run.passed
                else [
                    f"{model.file} gives other answers to the golden images{which}, {runner.name}: {words}"
                ],
                words,
            )


def describe(run: GoldenRun, *, classes: bool) -> str:
    """A golden run in words.

    Args:
        run: The run.
        classes: The highest output is an answer.
    """
    difference = run.difference
    if difference.differing == 0:
        return f"all {difference.values:,} values of {difference.images} images bit for bit"
    unit = difference.unit.removesuffix("s")
    asked = "none may differ" if run.exact else f"up to {count(run.limit, unit)} may"
    same = f"; the same class on {difference.top1_equal} of {difference.images} images" if classes else ""
    return (
        f"{difference.differing:,} of {difference.values:,} values differ, by up to "
        f"{count(difference.max_apart, unit)} ({asked}){same}"
    )


def _check_accuracy(
    bundle: BundleFiles, manifest: BundleManifest, model: PackagedModel, path: Path, findings: _Findings
) -> None:
    """Each model is a test more: the level is shared, so that an intact bundle is seldom told to differ."""
    request, stated = findings.request, model.accuracy
    if request.data is None or stated is None:
        return
    tests = sum(each.accuracy is not None for each in manifest.models)
    names = bundle_names(bundle, model, stated.class_offset)
    test = AccuracyTest(model, stated, LEVEL / tests)
    try:
        data = LabelledData(request.data, names, request.label_map)
        measured = measure_accuracy(path, test, data, findings.reporter)
    except BundleError as error:
        findings.add(f"accuracy of {model.file}", [str(error)], "")
        return
    findings.accuracy.append(measured)
    words = accuracy_words(measured)
    findings.add(f"accuracy of {model.file}", [] if measured.passed else [f"{model.file}: {words}"], words)
