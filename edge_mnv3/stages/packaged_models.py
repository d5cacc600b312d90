"""One model of a bundle: metadata put on it, golden images run, and what its app sources must know."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.choices import DEFAULT_PREPROCESS, ScoreTransformation
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.package import EmbeddedFacts, PackagedModel, PackagedOutput, StepDifference
from edge_mnv3.core.results.stated import Provenance
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.tflite.attached import with_metadata
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.runtimes import runtime_needs
from edge_mnv3.core.versions import __version__
from edge_mnv3.packaging import evidence
from edge_mnv3.packaging.apis import takes
from edge_mnv3.packaging.app_context import AppContext, AppOutput
from edge_mnv3.packaging.golden import (
    Answers,
    HostRunner,
    compare,
    image_file,
    largest_allowed,
    output_file,
    output_kinds,
    to_bytes,
)
from edge_mnv3.packaging.labels import LABELS_FILE, Labels
from edge_mnv3.packaging.metadata import DescribedOutput, Description, build_metadata
from edge_mnv3.packaging.model_file import ModelFile, check_loads, file_name
from edge_mnv3.packaging.score_calibration import SCORE_CALIBRATION_FILE
from edge_mnv3.stages.package_inputs import GoldenChoice


class Evidence(NamedTuple):
    """Results of `validate` and `bench` that speak of the models."""

    validations: list[ValidateResult]
    benches: list[evidence.BenchEvidence]


class BundledLabels(NamedTuple):
    """Labels of one output, and their file in the bundle."""

    file: str
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleInputs:
    """What all models of a bundle share.

    Attributes:
        description: What the user says of them.
        labels: Name of an output to its labels.
        thresholds: Name of an output to the scores above which its labels hold.
        score_transformation: Applied to scores before the sigmoid; None without a score calibration.
        score_calibration: The file of sigmoid parameters; None without.
        measured: What was measured of them.
        golden: The golden images.
    """

    description: Description
    labels: dict[str, BundledLabels]
    thresholds: dict[str, tuple[float, ...]]
    score_transformation: ScoreTransformation | None
    score_calibration: bytes | None
    measured: Evidence
    golden: GoldenChoice

    @property
    def associated(self) -> dict[str, bytes]:
        """Files that go into each model, by name."""
        files = {each.file: each.labels.content() for each in self.labels.values()}
        if self.score_calibration is not None:
            files[SCORE_CALIBRATION_FILE] = self.score_calibration
        return files


def bundled_labels(labels: dict[str, Labels]) -> dict[str, BundledLabels]:
    """Gives labels their files: one is `labels.txt`, several have the outputs' names in theirs."""
    if len(labels) == 1:
        return {name: BundledLabels(LABELS_FILE, each) for name, each in labels.items()}
    stem, suffix = LABELS_FILE.split(".")
    files: dict[str, BundledLabels] = {}
    for place, (name, each) in enumerate(labels.items()):
        file = f"{stem}_{file_name(name)}.{suffix}"
        if any(other.file.casefold() == file.casefold() for other in files.values()):
            file = f"{stem}_{file_name(name)}_{place}.{suffix}"
        files[name] = BundledLabels(file, each)
    return files


def preprocess_of(made: Provenance | None) -> str:
    """Returns the preprocessing of the calibration images; the default one where it is not known."""
    from edge_mnv3_calibration_data.preprocess import PREPROCESSES

    stated = made.calibration.preprocess if made is not None and made.calibration is not None else ""
    return stated if stated in PREPROCESSES else DEFAULT_PREPROCESS


def golden_files(golden: GoldenChoice, first: ModelFile) -> tuple[str, ...]:
    """Returns the paths of the golden images in the bundle."""
    return tuple(image_file(index, grey=first.image_shape.is_grey) for index in range(len(golden.images)))


def package_model(file: ModelFile, inputs: BundleInputs) -> tuple[PackagedModel, dict[str, bytes]]:
    """Puts the metadata on one model, checks it, and runs the golden images.

    Returns:
        The model of the manifest, and its files of the bundle: itself, and its golden outputs.

    Raises:
        ModelFileError: It does not load under XNNPACK, or not under the built-in kernels.
    """
    partitions = check_loads(file.path)
    facts = EmbeddedFacts(
        made_with=f"edge-mnv3 {__version__}",
        measured_sha256=file.sha256,
        measured_size_bytes=len(file.content),
        provenance=evidence.provenance(file.path, file.sha256),
        accuracy=evidence.accuracy(inputs.measured.validations, file.sha256),
    )
    taken = InputRange(file.input.mean, file.input.std)
    metadata = build_metadata(
        inputs.description, facts, image=file.image, taken=taken, outputs=_described(file, inputs)
    )
    content = with_metadata(file.content, metadata, inputs.associated, name=str(file.path))
    name = file.bundled_name
    contents = read_model(content, name)
    xnnpack, builtin = _run(content, name, inputs.golden.images)
    steps = [kind.step for kind in output_kinds(contents)]
    golden: dict[str, bytes] = {}
    outputs = []
    for place, step in enumerate(steps):
        answers = xnnpack.of(place)
        number = None if len(steps) == 1 else place
        paths = tuple(output_file(name, index, place=number) for index in range(len(answers)))
        golden |= {path: to_bytes(answer) for path, answer in zip(paths, answers, strict=True)}
        difference = compare(answers, builtin.of(place), step=step)
        outputs.append(_output(file, inputs, place, paths, difference))
    model = PackagedModel(
        file=name,
        measured_file=file.path.name,
        measured_sha256=file.sha256,
        measured_size_bytes=len(file.content),
        input=file.image,
        takes_numbers=file.input,
        needs=runtime_needs(contents),
        outputs=tuple(outputs),
        full_integer=not contents.float_tensors(),
        xnnpack_partitions=partitions,
        takes=takes(
            file.image.dtype,
            grey=file.image_shape.is_grey,
            taken=taken,
            tasks=[output.facts.task for output in file.outputs],
        ),
        provenance=facts.provenance,
        accuracy=facts.accuracy,
        stated_images=evidence.stated_images(inputs.measured.validations, file.sha256),
        comparison=evidence.comparison(inputs.measured.validations, file.sha256),
        latencies=evidence.latencies(inputs.measured.benches, file.sha256, name),
        phone_latencies=evidence.phone_latencies(inputs.measured.benches, file.sha256),
    )
    return model, {name: content} | golden


def _described(file: ModelFile, inputs: BundleInputs) -> list[DescribedOutput]:
    return [
        DescribedOutput(
            facts=output.facts,
            labels=_labels_file(inputs, output.facts.name),
            score_transformation=inputs.score_transformation,
        )
        for output in file.outputs
    ]


def _labels_file(inputs: BundleInputs, output: str) -> str | None:
    return inputs.labels[output].file if output in inputs.labels else None


def _output(
    file: ModelFile, inputs: BundleInputs, place: int, golden: tuple[str, ...], builtin: StepDifference
) -> PackagedOutput:
    output = file.outputs[place]
    return PackagedOutput(
        name=output.facts.name,
        tensor=output.tensor,
        facts=output.facts,
        labels=_labels_file(inputs, output.facts.name),
        thresholds=inputs.thresholds.get(output.facts.name, ()),
        golden=golden,
        builtin=builtin,
    )


def _run(content: bytes, name: str, images: Sequence[Pixels]) -> tuple[Answers, Answers]:
    """Runs a packaged file under XNNPACK and the built-in kernels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return HostRunner("xnnpack").run(path, images), HostRunner("builtin").run(path, images)


def app_context(name: str, file: ModelFile, inputs: BundleInputs) -> AppContext:
    """Returns what the sources for apps must know of a model."""
    is_float = file.image.dtype == "float32"
    kinds = output_kinds(read_model(file.content, file.bundled_name))
    return AppContext(
        name=name,
        image=file.image_shape,
        model_file=file.bundled_name,
        input_name=file.input_name,
        input_dtype=file.image.dtype,
        float_input_mean=file.input.mean[0] if is_float else None,
        float_input_std=file.input.std[0] if is_float else None,
        outputs=tuple(
            AppOutput(
                facts=output.facts,
                shape=(1, *output.tensor.shape[1:]),
                dtype=output.tensor.dtype,
                scale=output.tensor.scale,
                zero_point=output.tensor.zero_point,
                labels_file=_labels_file(inputs, output.facts.name),
                thresholds=inputs.thresholds.get(output.facts.name, ()),
                golden_limit=largest_allowed("xnnpack", output.tensor.dtype, kind),
                golden_step=kind.step if output.tensor.dtype == "float32" else output.tensor.scale,
            )
            for output, kind in zip(file.outputs, kinds, strict=True)
        ),
        golden_count=len(inputs.golden.images),
    )
