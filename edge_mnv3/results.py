"""The frozen results that stages return and files hold; `result_json` writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """An input or output of a `.tflite` file.

    Attributes:
        name: Tensor name.
        shape: Dimensions; -1 where the file leaves one open.
        dtype: NumPy name, such as `uint8`.
        scale: Real value of one step, or None where the tensor is not quantized per tensor.
        zero_point: Stored value of real 0, or None likewise.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCheck:
    """Whether a file loads and runs under one kind of kernels.

    Attributes:
        loads: It was loaded and ran once on a constant input.
        partitions: Subgraphs handed to the delegate; 0 for the built-in kernels; None if it does not load.
        undelegated_ops: Operator to count of those that the delegate left to the built-in kernels.
        problem: Why it does not load, with the operator and tensor where they are known.
    """

    loads: bool
    partitions: int | None
    undelegated_ops: dict[str, int]
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChecks:
    """What was checked of a `.tflite` file before it may be shipped.

    Attributes:
        full_integer: No tensor holds floats.
        float_tensors: Names of those that do.
        fixed_shapes: Every dimension is fixed.
        dynamic_tensors: Names of tensors with an open dimension.
        xnnpack: Under the XNNPACK delegate, the default on phones.
        builtin: Under TFLite's built-in kernels.
        passed: All of the above are as they must be.
        problems: One line each; empty when `passed`.
    """

    full_integer: bool
    float_tensors: tuple[str, ...]
    fixed_shapes: bool
    dynamic_tensors: tuple[str, ...]
    xnnpack: KernelCheck
    builtin: KernelCheck
    passed: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectResult:
    """What a `.tflite` file holds.

    Attributes:
        ops: Operator name to count.
        full_integer: No tensor holds floats.
        fixed_shapes: Every dimension is fixed.
        runtime: Name and version of the runtime that loaded it.
    """

    schema_version: int = SCHEMA_VERSION
    path: str
    size_bytes: int
    sha256: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    ops: dict[str, int]
    full_integer: bool
    float_tensors: tuple[str, ...]
    fixed_shapes: bool
    dynamic_tensors: tuple[str, ...]
    xnnpack: KernelCheck
    builtin: KernelCheck
    runtime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """An image that was used.

    Attributes:
        file: Path relative to the manifest's root, or `NAME.npz[3]`, or `synthetic[3]`.
        sha256: Of the file's bytes, or of the pixels' where there is no file.
        label: Class, 0-based, or None.
    """

    file: str
    sha256: str
    label: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedImage:
    """An image that could not be used, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationManifest:
    """The exact images of a calibration: enough to run it again.

    Attributes:
        kind: `folder`, `csv`, `list`, `npz` or `synthetic`; `merged` for calibrations that were joined.
        root: Folder that `images[].file` is relative to; None for synthetic images.
        preprocess: Name of the preprocessing.
        input_size_px: Side of the preprocessed square images.
        seed: Of the sample, or of the generator.
        requested: Number of images asked for.
        available: Number of images the source has; None for synthetic images.
        sha256: Of preprocessing, size and the images' hashes in order; equal manifests give equal pixels.
    """

    kind: str
    root: str | None
    preprocess: str
    input_size_px: int
    seed: int
    requested: int
    available: int | None
    images: tuple[ImageRecord, ...]
    skipped: tuple[SkippedImage, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantInfo:
    """Which network a file holds."""

    name: str
    size: str
    minimalistic: bool
    alpha: float
    input_size_px: int
    classes: int
    include_softmax: bool
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsInfo:
    """Where weights came from.

    Attributes:
        source: `imagenet`, `file` or `none` (random).
        path: The file; None for random weights.
        sha256: Of the file; None for random weights.
    """

    source: str
    path: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A saved Keras model."""

    schema_version: int = SCHEMA_VERSION
    path: str
    size_bytes: int
    sha256: str
    variant: VariantInfo
    weights: WeightsInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateResult:
    """A stored calibration, with the statistics of one network.

    Attributes:
        path: The folder.
        pixels_size_bytes: Of the preprocessed images.
        merged: SHA-256 of the manifests that were joined; of the one manifest where none were.
        float_sha256: Of the float file.
        network_sha256: Of its operators and weights up to the softmax: what the statistics belong to.
        statistics_path: Their file.
        values: Outputs of operators whose numbers were counted.
        channels: Of all these values together.
        observed: Images that were run through the float model now.
        reused: Images that had been before.
        timings_s: Step to seconds of wall time.
        versions: Package to version.
    """

    schema_version: int = SCHEMA_VERSION
    path: str
    variant: VariantInfo
    weights: WeightsInfo
    calibration: CalibrationManifest
    pixels_size_bytes: int
    merged: tuple[str, ...]
    float_sha256: str
    network_sha256: str
    statistics_path: str
    statistics_size_bytes: int
    values: int
    channels: int
    observed: int
    reused: int
    warnings: tuple[str, ...]
    timings_s: dict[str, float]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """A float and an int8 file made from one graph.

    Attributes:
        recipe: Name of the quantization recipe.
        hard_swish: What it was asked to make of hard-swish.
        io: dtype of the int8 file's input and output.
        timings_s: Step to seconds of wall time.
        versions: Package to version.
        checks: Of the int8 file.
        warnings: What the user must know before shipping.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    variant: VariantInfo
    weights: WeightsInfo
    calibration: CalibrationManifest
    recipe: str
    hard_swish: str
    io: str
    float_path: str
    float_size_bytes: int
    float_sha256: str
    int8_path: str
    int8_size_bytes: int
    int8_sha256: str
    checks: ModelChecks
    warnings: tuple[str, ...]
    timings_s: dict[str, float]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccuracy:
    """Accuracy of one file over the labelled images.

    Attributes:
        kernels: `xnnpack` or `builtin`: which produced these outputs.
        class_offset: Output index less label: 1 for files with a "background" class at 0.
        top1_percent: Share of images whose highest output is the label; ties go to the lower index.
        top5_percent: Share of images whose label is among the five highest outputs.
    """

    path: str
    sha256: str
    kernels: str
    class_offset: int
    top1_percent: float
    top5_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyDelta:
    """int8 less float, on the same images: negative is a loss.

    Attributes:
        ci95_points: Lower and upper end of the 95 % interval of `top1_points`.
        method: How the interval was made.
        lost: Images that float has right and int8 wrong.
        won: Images that float has wrong and int8 right.
    """

    top1_points: float
    top5_points: float
    ci95_points: tuple[float, float]
    method: str
    lost: int
    won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLoss:
    """A class on which int8 is right less often than float."""

    label: int
    n: int
    float_correct: int
    int8_correct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """An image on which the two files answer differently.

    Attributes:
        float_class: Float's highest class, 0-based label.
        int8_class: Likewise of int8.
        float_margin: Float's output for its own class less its output for int8's class: how clear the
            answer was that int8 changed. In the unit of the float file's output.
    """

    file: str
    label: int
    float_class: int
    int8_class: int
    float_margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A limit on the accuracy drop: float top-1 less int8 top-1, in percentage points."""

    max_drop_points: float
    drop_points: float
    passed: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """Accuracy of a float file against an int8 file on the same labelled images.

    Attributes:
        n: Images counted.
        agreement_percent: Share of images on which both have the same highest class.
        per_class_losses: Worst first.
        worst: Disagreements with the largest float margin, largest first.
        images_per_s: Images decoded and run through both files in a second of wall time.
    """

    schema_version: int = SCHEMA_VERSION
    n: int
    data: str
    preprocess: str
    float_: ModelAccuracy
    int8: ModelAccuracy
    delta: AccuracyDelta
    agreement_percent: float
    per_class_losses: tuple[ClassLoss, ...]
    worst: tuple[Disagreement, ...]
    skipped: tuple[SkippedImage, ...]
    workers: int
    images_per_s: float
    runtime: str
    gate: Gate | None
    warnings: tuple[str, ...]
