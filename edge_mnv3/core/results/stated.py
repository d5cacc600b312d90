"""What the results of earlier commands say of a packaged model, as a bundle states it."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mnv3.core.results.bench import ProtocolSettings
from edge_mnv3.core.results.binaries import BinaryInfo
from edge_mnv3.core.results.models import VariantInfo
from edge_mnv3.core.results.validate import OutputComparison


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
class StatedImages:
    """Which of the images of a stated accuracy were right.

    Attributes:
        sha256: Hash of the images' names and labels, in the order of the names.
        right: The images that were right, in the order of the names, eight a byte, hexadecimal.
    """

    sha256: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedComparison:
    """How alike `validate` found this file and the float file, output by output, as the bundle states it.

    Attributes:
        n: Images compared.
        data: Name of the images, without folder.
        preprocess: Name of the preprocessing.
        kernels: `xnnpack` or `builtin`.
        runtime: Name and version of the TFLite runtime.
        outputs: The outputs, in the float file's order.
        warnings: What `validate` warned of.
    """

    n: int
    data: str
    preprocess: str
    kernels: str
    runtime: str
    outputs: tuple[OutputComparison, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneLatency:
    """Latency of one inference on a phone, from `bench --device`; without its serial and its launches.

    Attributes:
        device: Maker and model.
        soc: Name of the chip, or of its platform.
        android_version: Version of Android, such as `8.1.0`; None on a board without Android.
        sdk: Android's API level; None on a board without Android.
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
    android_version: str | None
    sdk: int | None
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
