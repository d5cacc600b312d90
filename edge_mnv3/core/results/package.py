"""The frozen result of packaging, and the manifest of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.bench import BinaryInfo, HostBenchResult, ProtocolSettings, nested_conditions
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.model_facts import InputFacts
from edge_mnv3.core.results.models import RuntimeNeeds, TensorInfo, VariantInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSummary:
    """The images of a calibration, without their names.

    Attributes:
        kind: `folder`, `csv`, `list`, `npz`, `synthetic` or `merged`.
        n: Number of images.
        preprocess: Name of the preprocessing.
        seed: Seed of the sample, or of the generator.
        manifest_sha256: Hash over preprocessing, size and the images' hashes in order.
    """

    kind: str
    n: int
    preprocess: str
    seed: int
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How a file was made, from the `quantize.json` beside it; without paths.

    Attributes:
        variant: The network; None for one that the user made.
        weights_source: `imagenet`, `file`, `none` (random), or the format of a whole model: `keras` …
        weights_sha256: SHA-256 of the weights file or the model; None for random weights.
        recipe: Name of the quantization recipe; None for the float file.
        hard_swish: What the recipe was asked to make of hard-swish; None for the float file.
        calibration: The calibration images; None for the float file.
        warnings: What `quantize` warned of.
        versions: Package to version, when it was made.
    """

    variant: VariantInfo | None
    weights_source: str
    weights_sha256: str | None
    recipe: str | None
    hard_swish: str | None
    calibration: CalibrationSummary | None
    warnings: tuple[str, ...]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedAccuracy:
    """Accuracy that was measured by `validate`, as the bundle states it.

    Attributes:
        n: Images counted.
        data: Name of the labelled images, without folder.
        preprocess: Name of the preprocessing.
        kernels: `xnnpack` or `builtin`.
        class_offset: Output index less label.
        top1_percent: Share of images whose highest output is the label.
        top5_percent: Share of images whose label is among the five highest outputs.
        ci95_percent: Lower and upper end of the 95 % interval of `top1_percent`.
        method: How the interval was made.
        drop_points: Float top-1 less this file's, on the same images; None for the float file.
        drop_ci95_points: Lower and upper end of its 95 % interval; None for the float file.
        agreement_percent: Share of images on which float and int8 answer the same; None for the float file.
        runtime: Name and version of the TFLite runtime.
        warnings: What `validate` warned of.
    """

    n: int
    data: str
    preprocess: str
    kernels: str
    class_offset: int
    top1_percent: float
    top5_percent: float
    ci95_percent: tuple[float, float]
    method: str
    drop_points: float | None
    drop_ci95_points: tuple[float, float] | None
    agreement_percent: float | None
    runtime: str
    warnings: tuple[str, ...]


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
class PhoneLatency:
    """Latency of one inference on a phone, from `bench --device`; without its serial and its launches.

    Attributes:
        device: Maker and model.
        soc: Name of the chip, or of its platform.
        android_version: Version of Android, such as `8.1.0`.
        sdk: Android's API level.
        build_fingerprint: Names the exact system build.
        abi: Preferred ABI of the phone, such as `arm64-v8a`.
        binary: The build of `benchmark_model`.
        protocol: How each launch was asked to measure.
        delegate: Delegate that the log names, or `none`, or `unknown`.
        cpu_mask: Hexadecimal mask of the cores that it was pinned to; `all` where it was not.
        fixed_performance: Clocks were held at what the device can sustain, below its highest.
        launches: Number of launches that count.
        statistic: Which figure of each launch is used: `median` or `avg`.
        median_us: Median over the launches of their statistic; None where the result is unstable.
        ci95_us: Its 95 % interval over launches; None where the result is unstable, and with one or two
            launches.
        coefficient_of_variation_percent: Coefficient of variation of the launches' statistic; None with fewer
            than two launches.
        stable: The launches met the rules of acceptance.
        warnings: What must be known before the figure is used.
    """

    device: str
    soc: str
    android_version: str
    sdk: int
    build_fingerprint: str
    abi: str
    binary: BinaryInfo
    protocol: ProtocolSettings
    delegate: str
    cpu_mask: str
    fixed_performance: bool
    launches: int
    statistic: str
    median_us: float | None
    ci95_us: tuple[float, float] | None
    coefficient_of_variation_percent: float | None
    stable: bool
    warnings: tuple[str, ...]


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
        output: The scores.
        full_integer: No tensor holds floats.
        xnnpack_partitions: Subgraphs handed to the XNNPACK delegate.
        takes: What each mobile API says to a file of this input type.
        golden_outputs: Paths of the raw outputs, one for each golden image.
        builtin: What the built-in kernels of the machine that packaged answer, against the golden outputs.
        provenance: How it was made; None if no `quantize.json` tells.
        accuracy: The accuracy that `validate` measured; None if it was not given.
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
    output: TensorInfo
    full_integer: bool
    xnnpack_partitions: int
    takes: dict[str, str]
    golden_outputs: tuple[str, ...]
    builtin: StepDifference
    provenance: Provenance | None
    accuracy: StatedAccuracy | None
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
        labels: The labels of the outputs.
        golden: The images whose exact answers the bundle holds.
        versions: Package to version, when it was packaged.
        files: Path to size and hash.
    """

    FORMAT: ClassVar[Format] = Format("bundle manifest", (_nest_phone_latencies, _without_facts))
    schema_version: int = FORMAT.version
    name: str
    version: str
    description: str
    author: str | None
    license: str | None
    models: tuple[PackagedModel, ...]
    labels: LabelsInfo
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
