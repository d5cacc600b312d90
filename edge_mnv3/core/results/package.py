"""The frozen result of packaging, and the manifest of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.bench import HostBenchResult, nested_conditions
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.model_facts import InputFacts, OutputFacts
from edge_mnv3.core.results.models import RuntimeNeeds, TensorInfo
from edge_mnv3.core.results.stated import (
    PhoneLatency,
    Provenance,
    StatedAccuracy,
    StatedComparison,
    StatedImages,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFacts:
    """The JSON that a packaged `.tflite` carries in its metadata, under the name `EDGE_MNV3`.

    Attributes:
        made_with: Name and version of this program.
        measured_sha256: SHA-256 of the file as it was quantized and measured; it lies unchanged inside.
        measured_size_bytes: Size of that file.
        provenance: How it was made; None if no `quantize.json` tells.
        accuracy: The accuracy that `validate` measured; None if it was not given.
    """

    FORMAT: ClassVar[Format] = Format("embedded facts")
    schema_version: int = FORMAT.version
    made_with: str
    measured_sha256: str
    measured_size_bytes: int
    provenance: Provenance | None
    accuracy: StatedAccuracy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDifference:
    """Two sets of outputs compared value by value.

    Attributes:
        values: Number of values compared.
        differing: Number of values that are not equal.
        max_apart: Largest difference, in `unit`.
        unit: `steps` of the output's last bit, or `millionths` of an image's largest output, for
            floats.
        top1_equal: Images whose highest output is at the same index.
        images: Number of images compared.
    """

    values: int
    differing: int
    max_apart: int
    unit: str
    top1_equal: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedOutput:
    """An output of a model of a bundle.

    Attributes:
        name: Name under which an app asks for it: the signature's, or the tensor's without a signature.
        tensor: The tensor.
        facts: What it means; None in bundles of earlier releases, whose outputs are scores of classes.
        labels: Path of its labels in the bundle; None for embeddings and maps, which have none.
        thresholds: The least score with which each label holds, for `binary` and `labels`; else empty.
        golden: Paths of the raw outputs, one for each golden image.
        builtin: What the built-in kernels of the machine that packaged answer, against the golden outputs.
    """

    name: str
    tensor: TensorInfo
    facts: OutputFacts | None
    labels: str | None
    thresholds: tuple[float, ...]
    golden: tuple[str, ...]
    builtin: StepDifference

    @property
    def has_classes(self) -> bool:
        """Whether the highest number is the answer."""
        return self.tensor.shape[-1] > 1 and (self.facts is None or self.facts.task == "classes")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedModel:
    """A model of a bundle.

    Attributes:
        file: Its name in the bundle.
        measured_file: Name of the file that it was made from.
        measured_sha256: SHA-256 of that file.
        measured_size_bytes: Size of that file.
        input: The image input.
        takes_numbers: What the input takes; None in bundles of earlier releases, whose float inputs take the
            numbers 0 to 255.
        needs: What the file asks of runtimes; None in bundles of earlier releases.
        outputs: The outputs, in the file's order.
        full_integer: No tensor holds floats.
        xnnpack_partitions: Subgraphs handed to the XNNPACK delegate.
        takes: What each mobile API says to a file of this input type.
        provenance: How it was made; None if no `quantize.json` tells.
        accuracy: The accuracy that `validate` measured of an output of classes; None if it was not given.
        stated_images: Which images of `accuracy` were right; None where it is not known, and in bundles of
            earlier releases.
        comparison: What `validate` measured against the float file; None if it was not given, or in bundles
            of earlier releases.
        latencies: What `bench --host` measured; `conditions` say where.
        phone_latencies: What `bench --device` measured.
    """

    file: str
    measured_file: str
    measured_sha256: str
    measured_size_bytes: int
    input: TensorInfo
    takes_numbers: InputFacts | None
    needs: RuntimeNeeds | None
    outputs: tuple[PackagedOutput, ...]
    full_integer: bool
    xnnpack_partitions: int
    takes: dict[str, str]
    provenance: Provenance | None
    accuracy: StatedAccuracy | None
    stated_images: StatedImages | None
    comparison: StatedComparison | None
    latencies: tuple[HostBenchResult, ...]
    phone_latencies: tuple[PhoneLatency, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenImages:
    """The images whose exact answers a bundle holds.

    Attributes:
        source: `synthetic`, or `images` for those that were given.
        shape: Height, width, channels of each raw uint8 file, RGB or grey.
        files: Their paths in the bundle.
        kernels: Kernels that gave the golden outputs.
        runtime: Runtime that gave them, with its version.
    """

    source: str
    shape: tuple[int, int, int]
    files: tuple[str, ...]
    kernels: str
    runtime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsInfo:
    """Labels of a bundle.

    Attributes:
        file: Path in the bundle.
        count: Number of labels.
        source: `imagenet` for those that come with this program, or the name of the file that was given.
        license: License of the labels, where it is known.
    """

    file: str
    count: int
    source: str
    license: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """A file of a bundle.

    Attributes:
        size_bytes: Size of the file.
        sha256: SHA-256 of the file's bytes.
    """

    size_bytes: int
    sha256: str


def _nest_phone_latencies(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a manifest of version 1, whose phone latencies had all conditions on one level."""
    models = [
        {**model, "phone_latencies": [nested_conditions(latency) for latency in model["phone_latencies"]]}
        for model in data["models"]
    ]
    return {**data, "models": models}


def _without_facts(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a manifest of version 2, which says neither what inputs take nor what files need."""
    models = [{**model, "takes_numbers": None, "needs": None} for model in data["models"]]
    return {**data, "models": models}


def _of_one_output(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a manifest of version 3, whose models have one output of scores and share its labels."""
    moved = ("output", "golden_outputs", "builtin")
    models = []
    for model in data["models"]:
        output = {
            "name": model["output"]["name"],
            "tensor": model["output"],
            "facts": None,
            "labels": data["labels"]["file"],
            "thresholds": [],
            "golden": model["golden_outputs"],
            "builtin": model["builtin"],
        }
        kept = {key: value for key, value in model.items() if key not in moved}
        models.append({**kept, "outputs": [output], "comparison": None})
    return {**data, "models": models, "labels": [data["labels"]]}


def _without_images(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a manifest of version 4, which does not say which images were right."""
    return {**data, "models": [{**model, "stated_images": None} for model in data["models"]]}


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleManifest:
    """`manifest.json` of a bundle: what it holds, and the hash of every file but itself and `SHA256SUMS`.

    Attributes:
        name: Name that the user gave.
        version: Version of the model that the user gave.
        description: A sentence for people; may be empty.
        author: Who made the model; None if that was not stated.
        license: License of the model that the user gave; None if none was stated.
        models: The models, of which app sources are for the first.
        labels: The labels of outputs of scores, in the order of these.
        golden: The images whose exact answers the bundle holds.
        versions: Package to version, when it was packaged.
        files: Path to size and hash.
    """

    FORMAT: ClassVar[Format] = Format(
        "bundle manifest", (_nest_phone_latencies, _without_facts, _of_one_output, _without_images)
    )
    schema_version: int = FORMAT.version
    name: str
    version: str
    description: str
    author: str | None
    license: str | None
    models: tuple[PackagedModel, ...]
    labels: tuple[LabelsInfo, ...]
    golden: GoldenImages
    versions: dict[str, str]
    files: dict[str, FileRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageResult:
    """A bundle that was written.

    Attributes:
        path: The folder or zip.
        size_bytes: Size of all files together.
        sha256: SHA-256 of `SHA256SUMS`, and so of everything: equal bundles, folder or zip, share it.
        zip_sha256: SHA-256 of the zip; None for a folder.
        manifest: What the bundle holds.
        warnings: What the user must know before shipping.
    """

    FORMAT: ClassVar[Format] = Format("package")
    schema_version: int = FORMAT.version
    path: str
    size_bytes: int
    sha256: str
    zip_sha256: str | None
    manifest: BundleManifest
    warnings: tuple[str, ...]
