"""The stage `package`: models, labels, evidence and golden images become a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import DEFAULT_SCORE_TRANSFORMATION, ScoreTransformation
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.folded_names import folded
from edge_mnv3.core.hashing import sha256_names
from edge_mnv3.core.input_range import stated_range
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call, optional_path
from edge_mnv3.core.result_files import read_result
from edge_mnv3.core.results.model_facts import Task
from edge_mnv3.core.results.package import (
    BundleManifest,
    GoldenImages,
    LabelsInfo,
    PackagedModel,
    PackageResult,
)
from edge_mnv3.core.results.stated import Provenance
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.versions import versions
from edge_mnv3.packaging import evidence
from edge_mnv3.packaging.android_project import android_project
from edge_mnv3.packaging.app_sources import app_sources
from edge_mnv3.packaging.bundle import check_output, write_bundle, zip_bundle
from edge_mnv3.packaging.labels import IMAGENET, LABELS_LICENSE_FILE, Labels, imagenet_labels_license
from edge_mnv3.packaging.manifest import PACKAGING_PACKAGES, bundle_sha256, read_manifest, seal
from edge_mnv3.packaging.metadata import Description
from edge_mnv3.packaging.model_card import CARD_FILE, model_card
from edge_mnv3.packaging.model_file import ModelFile, Stated, check_name
from edge_mnv3.stages.package_inputs import (
    choose_golden,
    label_files,
    open_all,
    open_labels,
    open_score_calibration,
    open_thresholds,
)
from edge_mnv3.stages.packaged_models import (
    BundledLabels,
    BundleInputs,
    Evidence,
    app_context,
    bundled_labels,
    golden_files,
    package_model,
    preprocess_of,
)

APPS_FOLDER = "apps"
PROJECT_FOLDER = f"{APPS_FOLDER}/android_project"
PUBLISHED_WEIGHTS_LICENSE = "Apache-2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest(Request):
    """What to package.

    Attributes:
        models: `.tflite` files, or folders of `quantize`, whose int8 file is meant. App sources are for the
            first.
        input_range: What a float input takes, as `parse_input_range` reads it; None for what the file tells.
        labels: Text file, or folder of class folders, of the first output that is scores; for others
            `NAME=PATH` with the output's name, in a list; None for ImageNet's names.
        task: What all outputs mean; None for what `quantize.json` or the files tell.
        thresholds: Text file of a number a line, for a model of one output of labels: a label holds where its
            score lies above it; None for a probability of one half.
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
        android_project: Put a whole Android project for the first model into the bundle, with its own copies
            of the model and the golden files.
        as_zip: Write one zip in place of a folder.
        force: Replace the output, and metadata that a model has.
    """

    models: Sequence[AnyPath]
    input_range: str | None = None
    labels: AnyPath | Sequence[AnyPath] | None = None
    task: Task | None = None
    thresholds: AnyPath | None = None
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
    android_project: bool = False
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


def package(request: PackageRequest, reporter: Reporter = SILENT) -> PackageResult:
    """Packages models; writes the whole bundle or nothing.

    Raises:
        EdgeMnv3Error: As the stages raise.
    """
    check_call("package", (PackageRequest,), request, reporter)
    reporter.step("checking the models")
    labels_given = label_files(request.labels)
    stated = Stated(
        input_range=stated_range(request.input_range),
        task=request.task,
        labelled=frozenset([*labels_given.of, *([""] if labels_given.first is not None else [])]),
    )
    opened = open_all(request.models, stated, force=request.force)
    first = opened[0]
    made = evidence.provenance(first.path, first.sha256)
    description = _describe(request, first, made)
    output = Path(
        request.output
        or first.bundled_name.removesuffix(".tflite") + ("_bundle.zip" if request.as_zip else "_bundle")
    )
    check_output(output, as_zip=request.as_zip, force=request.force)
    inputs = _read_inputs(request, description, opened, open_labels(labels_given, first))
    _check_names(inputs, opened)
    files = {labels.file: labels.labels.content() for labels in inputs.labels.values()}
    if any(labels.labels.source == IMAGENET for labels in inputs.labels.values()):
        files[LABELS_LICENSE_FILE] = imagenet_labels_license()
    names = golden_files(inputs.golden, first)
    files |= {name: image.tobytes() for name, image in zip(names, inputs.golden.images, strict=True)}
    context = app_context(description.name, first, inputs)
    preprocess = preprocess_of(made)
    app_sources(context, preprocess=preprocess)  # what cannot stand in a source is refused before models run
    models = []
    for model_file in opened:
        reporter.step(f"packaging {model_file.bundled_name}")
        model, parts = package_model(model_file, inputs)
        models.append(model)
        files |= parts
    measured = models[0].accuracy or models[0].comparison
    sources = app_sources(context, preprocess=preprocess if measured is None else measured.preprocess)
    if request.android_project:
        project = android_project(context, sources, files)
        files |= {f"{PROJECT_FOLDER}/{name}": content for name, content in project.items()}
    files |= {f"{APPS_FOLDER}/{name}": text.encode() for name, text in sources.items()}
    manifest = _manifest(inputs, models, first)
    files[CARD_FILE] = model_card(manifest).encode()
    sealed = seal(files, manifest)
    reporter.step("writing the bundle")
    write_bundle(output, sealed, as_zip=request.as_zip, force=request.force)
    doubts = [
        *(warning for file in opened for warning in file.warnings),
        *_doubtful_labels(inputs, made),
        *evidence.left_out(inputs.measured.benches, [file.sha256 for file in opened]),
    ]
    result = _result(output, sealed, request, models, (*doubts, *inputs.golden.warnings))
    for warning in result.warnings:
        reporter.warn(warning)
    return result


def _check_names(inputs: BundleInputs, opened: Sequence[ModelFile]) -> None:
    """Refuses an accuracy that was measured with other names, or another threshold, than the bundle gets.

    Raises:
        InputFileError: It was.
    """
    hashes = {file.sha256 for file in opened}
    for result in inputs.measured.validations:
        if not hashes & {result.float_.sha256, result.int8.sha256}:
            continue
        _check_order(inputs, result)
        _check_threshold(inputs, result)
        for name, digest in result.label_names_sha256.items():
            labels = _labels_of(inputs, name, of=len(result.label_names_sha256))
            if labels is None:
                continue
            # Without the name of a background class, which labels of images cannot have.
            names = labels.labels.names
            if digest not in (sha256_names(names), sha256_names(names[1:])):
                raise InputFileError(
                    f"--validate with labels {labels.labels.source}",
                    f"an accuracy of {result.data} that was measured with other names, or in another order",
                    "the labels that edge-mnv3 validate had",
                    "give both the same --labels",
                )


def _check_order(inputs: BundleInputs, result: ValidateResult) -> None:
    """Refuses an accuracy whose labels were numbered by an order of names that is not that of the bundle's.

    Names of other kinds, such as numbers and those of WordNet, tell nothing of that.

    Raises:
        InputFileError: It is one.
    """
    for output, ordered in result.ordered_names.items():
        labels = _labels_of(inputs, output, of=len(result.ordered_names))
        numbers = [str(number) for number in range(len(ordered))]
        if labels is None or list(ordered) == numbers:
            continue
        names = list(map(folded, labels.labels.names))
        # One score is that of the second class.
        first = len(ordered) - 1 if len(names) == 1 else -result.int8.class_offset
        for number, name in enumerate(ordered):
            if folded(name) in names and names.index(folded(name)) + first != number:
                raise InputFileError(
                    f"--validate with labels {labels.labels.source}",
                    f"an accuracy of {result.data}, where '{name}' was taken for class {number} by the order "
                    "of names",
                    f"class {names.index(folded(name)) + first}, as in these labels",
                    "run edge-mnv3 validate with the same --labels",
                )


def _check_threshold(inputs: BundleInputs, result: ValidateResult) -> None:
    """Refuses an accuracy at another threshold than that above which the bundle lets a class hold.

    Raises:
        InputFileError: It is one.
    """
    for each in result.outputs:
        shipped = inputs.thresholds.get(each.output.name, ())
        if len(inputs.thresholds) == 1 == len(result.outputs):
            shipped = next(iter(inputs.thresholds.values()))
        if each.threshold is not None and len(shipped) == 1 and shipped[0] != each.threshold:
            raise InputFileError(
                "--validate",
                f"an accuracy of {result.data} where scores above {each.threshold:g} count",
                f"above {shipped[0]:g}, as in the bundle",
                "give the same number to edge-mnv3 validate --threshold, and to package --thresholds",
            )


def _labels_of(inputs: BundleInputs, output: str, *, of: int) -> BundledLabels | None:
    """The labels of an output; where it has another name in the bundle, those of the only one of one."""
    labels = inputs.labels.get(output)
    if labels is None and len(inputs.labels) == of == 1:
        labels = next(iter(inputs.labels.values()))
    return labels


def _doubtful_labels(inputs: BundleInputs, made: Provenance | None) -> tuple[str, ...]:
    """Says that ImageNet's names were put on a model that may have other classes."""
    taken = [each.labels for each in inputs.labels.values() if each.labels.source == IMAGENET]
    if not taken or (made is not None and made.weights_source == IMAGENET):
        return ()
    count = len(taken[0].names)
    return (f"its {count:,} classes get ImageNet's names: if they are others, give theirs with --labels",)


def _describe(request: PackageRequest, first: ModelFile, made: Provenance | None) -> Description:
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
    request: PackageRequest, description: Description, opened: Sequence[ModelFile], labels: dict[str, Labels]
) -> BundleInputs:
    first = opened[0]
    calibration = open_score_calibration(optional_path(request.score_calibration), first)
    made = evidence.provenance(first.path, first.sha256)
    return BundleInputs(
        description=description,
        labels=bundled_labels(labels),
        thresholds=open_thresholds(optional_path(request.thresholds), first),
        score_transformation=None if calibration is None else request.score_transformation,
        score_calibration=calibration,
        measured=_read_evidence(request, {model.sha256 for model in opened}),
        golden=choose_golden(request.golden, shape=first.image_shape, preprocess=preprocess_of(made)),
    )


def _read_evidence(request: PackageRequest, hashes: set[str]) -> Evidence:
    validations = [
        (path, read_result(ValidateResult, path, command="validate"))
        for path in map(Path, request.validations)
    ]
    benches = [(path, evidence.read_bench(path)) for path in map(Path, request.benches)]
    evidence.check_all_used(validations, benches, hashes)
    return Evidence([result for _, result in validations], [result for _, result in benches])


def _manifest(inputs: BundleInputs, models: Sequence[PackagedModel], first: ModelFile) -> BundleManifest:
    description, golden = inputs.description, inputs.golden
    return BundleManifest(
        name=description.name,
        version=description.version,
        description=description.description,
        author=description.author,
        license=description.license,
        models=tuple(models),
        labels=tuple(
            LabelsInfo(
                file=each.file,
                count=len(each.labels.names),
                source=each.labels.source,
                license=each.labels.license,
            )
            for each in inputs.labels.values()
        ),
        golden=GoldenImages(
            source=golden.source,
            shape=first.image_shape.dimensions,
            files=golden_files(golden, first),
            kernels="xnnpack",
            runtime=f"litert {versions(PACKAGING_PACKAGES)['ai-edge-litert']}",
        ),
        versions=versions(PACKAGING_PACKAGES),
        files={},
    )


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
                f"{model.file} takes int8: MediaPipe's and the Task Library's image tasks refuse it; "
                "quantize with --io uint8 for them"
            )
        for output in model.outputs:
            if len({files[path] for path in output.golden}) == 1 and len(output.golden) > 1:
                which = model.file if len(model.outputs) == 1 else f"output {output.name} of {model.file}"
                warnings.append(f"{which} answers all golden images alike: they say little about it")
        if model.accuracy is None and model.comparison is None:
            warnings.append(
                f"the accuracy of {model.file} is not stated: use --validate with the result of "
                "edge-mnv3 validate --json"
            )
    return warnings
