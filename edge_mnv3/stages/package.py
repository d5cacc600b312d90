"""The stage `package`: models, labels, evidence and golden images become a bundle."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from edge_mnv3.core.choices import DEFAULT_PREPROCESS, DEFAULT_SCORE_TRANSFORMATION, ScoreTransformation
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.input_range import InputRange, stated_range
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call, optional_path
from edge_mnv3.core.result_files import read_result
from edge_mnv3.core.results.package import (
    BundleManifest,
    EmbeddedFacts,
    GoldenImages,
    LabelsInfo,
    PackagedModel,
    PackageResult,
    Provenance,
    StepDifference,
)
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.tflite.attached import with_metadata
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.runtimes import runtime_needs
from edge_mnv3.core.versions import __version__, versions
from edge_mnv3.packaging import evidence
from edge_mnv3.packaging.apis import takes
from edge_mnv3.packaging.app_context import AppContext
from edge_mnv3.packaging.app_sources import app_sources
from edge_mnv3.packaging.bundle import check_output, write_bundle, zip_bundle
from edge_mnv3.packaging.classifier_file import ClassifierFile, check_name
from edge_mnv3.packaging.golden import HostRunner, compare, image_file, output_file, output_kind, to_bytes
from edge_mnv3.packaging.labels import (
    IMAGENET,
    LABELS_FILE,
    LABELS_LICENSE_FILE,
    Labels,
    imagenet_labels_license,
)
from edge_mnv3.packaging.manifest import PACKAGING_PACKAGES, bundle_sha256, read_manifest, seal
from edge_mnv3.packaging.metadata import Description, build_metadata
from edge_mnv3.packaging.model_card import CARD_FILE, model_card
from edge_mnv3.packaging.score_calibration import SCORE_CALIBRATION_FILE
from edge_mnv3.stages.package_inputs import (
    GoldenChoice,
    choose_golden,
    open_all,
    open_labels,
    open_score_calibration,
)

APPS_FOLDER = "apps"
PUBLISHED_WEIGHTS_LICENSE = "Apache-2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest(Request):
    """What to package.

    Attributes:
        models: `.tflite` files, or folders of `quantize`, whose int8 file is meant. App sources are for the
            first.
        input_range: What a float input takes, as `parse_input_range` reads it; None for what the file tells.
        labels: Text file, or folder of class folders; None for ImageNet's names.
        score_calibration: Text file of sigmoid parameters.
        score_transformation: `identity`, `log` or `inverse-logistic`, applied to scores before the sigmoid.
        name: For people; None for that of `quantize.json`, or of the file.
        version: The model's, for people.
        description: A sentence for people.
        author: The model's.
        license: The license of the model; None for that of the published weights where these were used.
        validations: JSON results of `validate`.
        benches: JSON results of `bench`, on this machine or on phones.
        golden: Images for the golden vectors, a location for `open_images`; None for synthetic ones.
        output: Folder or zip; None for a name made of the model's.
        as_zip: Write one zip in place of a folder.
        force: Replace the output, and metadata that a model has.
    """

    models: Sequence[AnyPath]
    input_range: str | None = None
    labels: AnyPath | None = None
    score_calibration: AnyPath | None = None
    score_transformation: ScoreTransformation = DEFAULT_SCORE_TRANSFORMATION
    name: str | None = None
    version: str = "1"
    description: str = ""
    author: str | None = None
    license: str | None = None
    validations: Sequence[AnyPath] = ()
    benches: Sequence[AnyPath] = ()
    golden: AnyPath | None = None
    output: AnyPath | None = None
    as_zip: bool = False
    force: bool = False

    def check(self) -> None:
        """Refuses a request without models.

        Raises:
            ArgumentError: There is none.
        """
        if not self.models:
            raise ArgumentError("PackageRequest: models", "none", "at least one .tflite file or folder")
        stated_range(self.input_range)


class _Evidence(NamedTuple):
    validations: list[ValidateResult]
    benches: list[evidence.BenchEvidence]


class _Inputs(NamedTuple):
    """What all models of a bundle share.

    Attributes:
        score_transformation: Applied to scores before the sigmoid; None without a score calibration.
        associated: Files that go into each model, by name.
    """

    description: Description
    labels: Labels
    score_transformation: ScoreTransformation | None
    associated: dict[str, bytes]
    measured: _Evidence
    golden: GoldenChoice


def package(request: PackageRequest, reporter: Reporter = SILENT) -> PackageResult:
    """Packages models; writes the whole bundle or nothing.

    Raises:
        EdgeMnv3Error: As the stages raise.
    """
    check_call("package", (PackageRequest,), request, reporter)
    reporter.step("checking the models")
    classifiers = open_all(request.models, force=request.force, stated=stated_range(request.input_range))
    first = classifiers[0]
    made = evidence.provenance(first.path, first.sha256)
    description = _describe(request, first, made)
    output = Path(
        request.output
        or first.bundled_name.removesuffix(".tflite") + ("_bundle.zip" if request.as_zip else "_bundle")
    )
    check_output(output, as_zip=request.as_zip, force=request.force)
    inputs = _read_inputs(request, description, classifiers, made)
    files: dict[str, bytes] = {LABELS_FILE: inputs.labels.content()}
    if inputs.labels.source == IMAGENET:
        files[LABELS_LICENSE_FILE] = imagenet_labels_license()
    names = _golden_files(inputs.golden, first)
    files |= {name: image.tobytes() for name, image in zip(names, inputs.golden.images, strict=True)}
    models = []
    for classifier in classifiers:
        reporter.step(f"packaging {classifier.bundled_name}")
        model, parts = _package_model(classifier, inputs)
        models.append(model)
        files |= parts
    sources = app_sources(_app_context(description.name, first), preprocess=_measured_preprocess(models[0]))
    files |= {f"{APPS_FOLDER}/{name}": text.encode() for name, text in sources.items()}
    manifest = _manifest(inputs, models, first)
    files[CARD_FILE] = model_card(manifest).encode()
    sealed = seal(files, manifest)
    reporter.step("writing the bundle")
    write_bundle(output, sealed, as_zip=request.as_zip, force=request.force)
    result = _result(output, sealed, request, models, inputs.golden.warnings)
    for warning in result.warnings:
        reporter.warn(warning)
    return result


def _describe(request: PackageRequest, first: ClassifierFile, made: Provenance | None) -> Description:
    published = made is not None and made.weights_source == IMAGENET
    name = request.name if request.name is not None else first.path.stem
    optional = {"--author": request.author, "--license": request.license}
    stated = {
        option: None if text is None else check_name(text, option=option) for option, text in optional.items()
    }
    return Description(
        name=check_name(name, option="--name"),
        version=check_name(request.version, option="--model-version"),
        description=check_name(request.description, option="--description") if request.description else "",
        author=stated["--author"],
        license=stated["--license"] or (PUBLISHED_WEIGHTS_LICENSE if published else None),
    )


def _read_inputs(
    request: PackageRequest,
    description: Description,
    classifiers: Sequence[ClassifierFile],
    made: Provenance | None,
) -> _Inputs:
    first = classifiers[0]
    labels = open_labels(optional_path(request.labels), first)
    calibration = open_score_calibration(optional_path(request.score_calibration), first.class_count)
    associated = {LABELS_FILE: labels.content()}
    if calibration is not None:
        associated[SCORE_CALIBRATION_FILE] = calibration
    return _Inputs(
        description=description,
        labels=labels,
        score_transformation=None if calibration is None else request.score_transformation,
        associated=associated,
        measured=_read_evidence(request, {classifier.sha256 for classifier in classifiers}),
        golden=choose_golden(request.golden, shape=first.image_shape, preprocess=_preprocess(made)),
    )


def _read_evidence(request: PackageRequest, hashes: set[str]) -> _Evidence:
    validations = [
        (path, read_result(ValidateResult, path, command="validate"))
        for path in map(Path, request.validations)
    ]
    benches = [(path, evidence.read_bench(path)) for path in map(Path, request.benches)]
    evidence.check_all_used(validations, benches, hashes)
    return _Evidence([result for _, result in validations], [result for _, result in benches])


def _preprocess(made: Provenance | None) -> str:
    from edge_mnv3_calibration_data.preprocess import PREPROCESSES

    stated = made.calibration.preprocess if made is not None and made.calibration is not None else ""
    return stated if stated in PREPROCESSES else DEFAULT_PREPROCESS


def _measured_preprocess(model: PackagedModel) -> str:
    """That of the stated accuracy; else that of the calibration."""
    return model.accuracy.preprocess if model.accuracy is not None else _preprocess(model.provenance)


def _package_model(classifier: ClassifierFile, inputs: _Inputs) -> tuple[PackagedModel, dict[str, bytes]]:
    """Puts the metadata on one model, checks it, and runs the golden images."""
    facts = EmbeddedFacts(
        made_with=f"edge-mnv3 {__version__}",
        measured_sha256=classifier.sha256,
        measured_size_bytes=len(classifier.content),
        provenance=evidence.provenance(classifier.path, classifier.sha256),
        accuracy=evidence.accuracy(inputs.measured.validations, classifier.sha256),
    )
    metadata = build_metadata(
        inputs.description,
        facts,
        image=classifier.image,
        taken=InputRange(classifier.input.mean, classifier.input.std),
        scores=classifier.scores,
        score_transformation=inputs.score_transformation,
    )
    content = with_metadata(classifier.content, metadata, inputs.associated, name=str(classifier.path))
    name = classifier.bundled_name
    full_integer, outputs, builtin = _run(content, name, inputs.golden.images)
    paths = tuple(output_file(name, index) for index in range(len(outputs)))
    model = PackagedModel(
        file=name,
        measured_file=classifier.path.name,
        measured_sha256=classifier.sha256,
        measured_size_bytes=len(classifier.content),
        input=classifier.image,
        takes_numbers=classifier.input,
        needs=runtime_needs(read_model(content, name)),
        output=classifier.scores,
        full_integer=full_integer,
        xnnpack_partitions=classifier.xnnpack_partitions,
        takes=takes(
            classifier.image.dtype,
            grey=classifier.image_shape.is_grey,
            taken=InputRange(classifier.input.mean, classifier.input.std),
        ),
        golden_outputs=paths,
        builtin=builtin,
        provenance=facts.provenance,
        accuracy=facts.accuracy,
        latencies=evidence.latencies(inputs.measured.benches, classifier.sha256, name),
        phone_latencies=evidence.phone_latencies(inputs.measured.benches, classifier.sha256),
    )
    return model, {name: content} | {path: to_bytes(out) for path, out in zip(paths, outputs, strict=True)}


class _Run(NamedTuple):
    """A packaged file's golden outputs, and what the built-in kernels make of the images."""

    full_integer: bool
    outputs: list[npt.NDArray[Any]]
    builtin: StepDifference


def _run(content: bytes, name: str, images: Sequence[Pixels]) -> _Run:
    """Runs a packaged file under XNNPACK and the built-in kernels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        outputs = HostRunner("xnnpack").run(path, images).outputs
        builtin = HostRunner("builtin").run(path, images).outputs
    contents = read_model(content, name)
    return _Run(
        full_integer=not contents.float_tensors(),
        outputs=outputs,
        builtin=compare(outputs, builtin, step=output_kind(contents).step),
    )


def _app_context(name: str, classifier: ClassifierFile) -> AppContext:
    is_float = classifier.image.dtype == "float32"
    return AppContext(
        name=name,
        image=classifier.image_shape,
        class_count=classifier.class_count,
        model_file=classifier.bundled_name,
        labels_file=LABELS_FILE,
        input_dtype=classifier.image.dtype,
        output_dtype=classifier.scores.dtype,
        output_scale=classifier.scores.scale,
        output_zero_point=classifier.scores.zero_point,
        float_input_mean=classifier.input.mean[0] if is_float else None,
        float_input_std=classifier.input.std[0] if is_float else None,
    )


def _manifest(inputs: _Inputs, models: Sequence[PackagedModel], first: ClassifierFile) -> BundleManifest:
    description, labels, golden = inputs.description, inputs.labels, inputs.golden
    return BundleManifest(
        name=description.name,
        version=description.version,
        description=description.description,
        author=description.author,
        license=description.license,
        models=tuple(models),
        labels=LabelsInfo(
            file=LABELS_FILE, count=len(labels.names), source=labels.source, license=labels.license
        ),
        golden=GoldenImages(
            source=golden.source,
            shape=first.image_shape.dimensions,
            files=_golden_files(golden, first),
            kernels="xnnpack",
            runtime=f"litert {versions(PACKAGING_PACKAGES)['ai-edge-litert']}",
        ),
        versions=versions(PACKAGING_PACKAGES),
        files={},
    )


def _golden_files(golden: GoldenChoice, first: ClassifierFile) -> tuple[str, ...]:
    return tuple(image_file(index, grey=first.image_shape.is_grey) for index in range(len(golden.images)))


def _result(
    output: Path,
    files: dict[str, bytes],
    request: PackageRequest,
    models: Sequence[PackagedModel],
    warnings: Sequence[str],
) -> PackageResult:
    return PackageResult(
        path=str(output),
        size_bytes=sum(map(len, files.values())),
        sha256=bundle_sha256(files) or "",
        zip_sha256=hashlib.sha256(zip_bundle(files)).hexdigest() if request.as_zip else None,
        manifest=read_manifest(files),
        warnings=(*warnings, *_warnings(files, models)),
    )


def _warnings(files: dict[str, bytes], models: Sequence[PackagedModel]) -> list[str]:
    warnings = []
    for model in models:
        if model.input.dtype == "int8":
            warnings.append(
                f"{model.file} takes int8: MediaPipe's and the Task Library's image classifiers refuse it; "
                "quantize with --io uint8 for them"
            )
        outputs = {files[path] for path in model.golden_outputs}
        if len(outputs) == 1 and len(model.golden_outputs) > 1:
            warnings.append(f"{model.file} answers all golden images alike: they say little about it")
        if model.accuracy is None:
            warnings.append(
                f"the accuracy of {model.file} is not stated: use --validate with the result of "
                "edge-mnv3 validate --json"
            )
    return warnings
