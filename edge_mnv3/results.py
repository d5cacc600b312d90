"""Frozen results, JSON in and out.

A field's name is its JSON key, less a trailing underscore (`float_` is written `float`). Units end the
name. NaN and infinity have no JSON form and are refused.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from typing import Any, TypeVar

SCHEMA_VERSION = 1

R = TypeVar("R")


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
        delegated_ops: Operators handed to the delegate; None if it does not load.
        problem: Why it does not load, with the operator and tensor where they are known.
    """

    loads: bool
    partitions: int | None
    delegated_ops: int | None
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
        kind: `folder`, `csv`, `list`, `npz`, `manifest` or `synthetic`.
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
class QuantizeResult:
    """A float and an int8 file made from one graph.

    Attributes:
        recipe: Name of the quantization recipe.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConditions:
    """Under which conditions a latency was measured.

    Attributes:
        device: Processor model of this machine, or the phone's model.
        kernels: `xnnpack` or `builtin`.
        cpu_mask: Hexadecimal mask of the processors that the process was allowed to use.
    """

    device: str
    platform: str
    runtime: str
    kernels: str
    num_threads: int
    num_runs: int
    warmup_runs: int
    cpu_mask: str
    model_path: str
    model_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """Latency of one inference (batch 1), the copying of input and output not included."""

    schema_version: int = SCHEMA_VERSION
    conditions: BenchConditions
    median_us: float
    p5_us: float
    p95_us: float
    min_us: float
    max_us: float
    mean_us: float
    std_us: float
    init_us: float
    warnings: tuple[str, ...]


def to_jsonable(value: Any) -> Any:
    """Turns a result into what `json.dumps` takes: dicts, lists, strings, numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name.rstrip("_"): to_jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, dict):
        return {key: to_jsonable(item) for key, item in value.items()}
    return value


def to_json(result: Any) -> str:
    """Writes a result as indented JSON.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    return json.dumps(to_jsonable(result), indent=2, allow_nan=False) + "\n"


def from_json(kind: type[R], text: str) -> R:
    """Reads a result written by `to_json`.

    Raises:
        ValueError: It is no JSON object, lacks a key, has an unknown one, one of another type, or another
            `schema_version`; the text names the key.
    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"a JSON object was expected, got {type(data).__name__}")
    version = data.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema_version {version!r} is not supported, this program reads {SCHEMA_VERSION}")
    return typing.cast(R, _parse(kind, data, kind.__name__))


def _parse(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(typing.cast(type, kind), value, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _parse(next(a for a in args if a is not type(None)), value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) == len(value):
            return tuple(
                _parse(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
            )
    if origin is dict and isinstance(value, dict):
        return {key: _parse(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ValueError(f"{where}: {kind} was expected, got {value!r}")


def _parse_dataclass(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: an object was expected, got {value!r}")
    names = {field.name.rstrip("_"): field.name for field in dataclasses.fields(kind)}
    if value.keys() != names.keys():
        missing, unknown = names.keys() - value.keys(), value.keys() - names.keys()
        raise ValueError(f"{where}: missing keys {sorted(missing)}, unknown keys {sorted(unknown)}")
    hints = typing.get_type_hints(kind)
    return kind(
        **{names[key]: _parse(hints[names[key]], item, f"{where}.{key}") for key, item in value.items()}
    )
