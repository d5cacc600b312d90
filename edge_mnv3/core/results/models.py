"""What a model file is, where its weights came from, and whether it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.model_facts import Activation

ModelFormat = Literal["keras", "h5", "saved_model", "tflite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """An input or output of a `.tflite` file.

    Attributes:
        name: Tensor name.
        shape: Dimensions; -1 where the file leaves one open.
        dtype: NumPy name, such as `uint8`.
        scale: Real value of one step, or None where the tensor is not quantized per tensor.
        zero_point: Stored value of real 0, or None where the tensor is not quantized per tensor.
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
        float_tensors: Names of the tensors that do.
        fixed_shapes: Every dimension is fixed.
        dynamic_tensors: Names of tensors with an open dimension.
        xnnpack: The check under the XNNPACK delegate, the default on phones.
        builtin: The check under TFLite's built-in kernels.
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
class RuntimeNeeds:
    """What a file asks of the runtime that is to run it, by its operators and their versions.

    Attributes:
        least_tflite: The least release of TensorFlow Lite, such as `2.3.0`, that has all of them; any LiteRT
            is newer. None where an operator's history is not known.
        unknown_operators: The operators of which it is not known, with their versions.
        missing_in_micro: The operators that TensorFlow Lite Micro's interpreter lacks, or cannot run as they
            are here.
    """

    least_tflite: str | None
    unknown_operators: tuple[str, ...]
    missing_in_micro: tuple[str, ...]

    @property
    def least_words(self) -> str:
        """The least release, for people."""
        if self.least_tflite is None:
            return f"not known for {', '.join(self.unknown_operators) or 'a file without operators'}"
        return f"TensorFlow Lite {self.least_tflite}, or any LiteRT"

    @property
    def micro_words(self) -> str:
        """Whether TensorFlow Lite Micro has the operators, for people."""
        missing = self.missing_in_micro
        return f"lacks {', '.join(missing)}" if missing else "has all operators"


def _without_needs(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades an inspection of version 1, which says nothing of the runtimes that a file needs."""
    return {**data, "needs": None}


def _without_activations(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades an inspection of version 2, which says nothing of what made the outputs."""
    return {**data, "activations": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectResult:
    """What a `.tflite` file holds.

    Attributes:
        path: The file.
        size_bytes: Size of the file.
        sha256: SHA-256 of the file's bytes.
        inputs: The inputs of the graph.
        outputs: The outputs of the graph.
        activations: The function that made each of the outputs; empty in results of earlier releases.
        ops: Operator name to count.
        full_integer: No tensor holds floats.
        float_tensors: Names of tensors that hold floats.
        fixed_shapes: Every dimension is fixed.
        dynamic_tensors: Names of tensors with an open dimension.
        xnnpack: The check under the XNNPACK delegate, the default on phones.
        builtin: The check under TFLite's built-in kernels.
        needs: What it asks of runtimes; None in results of earlier releases.
        runtime: Name and version of the runtime that loaded it.
    """

    FORMAT: ClassVar[Format] = Format("inspect", (_without_needs, _without_activations))
    schema_version: int = FORMAT.version
    path: str
    size_bytes: int
    sha256: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    activations: tuple[Activation, ...]
    ops: dict[str, int]
    full_integer: bool
    float_tensors: tuple[str, ...]
    fixed_shapes: bool
    dynamic_tensors: tuple[str, ...]
    xnnpack: KernelCheck
    builtin: KernelCheck
    needs: RuntimeNeeds | None
    runtime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantInfo:
    """Which network a file holds.

    Attributes:
        name: For example `small_minimalistic_1.0`.
        size: `small` or `large`.
        minimalistic: Without squeeze-excite, hard-swish and 5×5 kernels.
        alpha: Width multiplier, > 0.
        input_size_px: Side of the square input.
        classes: Outputs of the classifier.
        include_softmax: The outputs are probabilities; otherwise logits.
        parameters: Number of weights, those of batch normalization included.
        multiply_adds: Multiply-adds of one inference.
    """

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
        sha256: SHA-256 of the file; None for random weights.
    """

    source: str
    path: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where a whole model came from.

    Attributes:
        format: `keras`, `h5`, `saved_model` or `tflite`.
        path: The file or folder.
        sha256: SHA-256 of the file; of a folder, over the names and hashes of its files.
    """

    format: str
    path: str
    sha256: str


def facts_of_variant(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of the time when every network was a variant, which takes pixels 0..255."""
    variant = data["variant"]
    image = {
        "height_px": variant["input_size_px"],
        "width_px": variant["input_size_px"],
        "channels": 3,
        "mean": [0.0],
        "std": [1.0],
        "range_source": "definition",
    }
    scores = {
        "name": "output_0",
        "shape": [variant["classes"]],
        "activation": "softmax" if variant["include_softmax"] else "none",
        "task": "classes",
    }
    return {**data, "source": None, "model": {"input": image, "outputs": [scores]}}


def _without_source(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 1, when all that was built were variants."""
    return {**data, "source": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A saved Keras model.

    Attributes:
        path: The saved `.keras` file.
        size_bytes: Size of the file.
        sha256: SHA-256 of the file's bytes.
        source: The whole model that was read; None for a variant.
        variant: The network; None for a whole model.
        weights: Where the variant's weights came from; None for a whole model.
    """

    FORMAT: ClassVar[Format] = Format("build", (_without_source,))
    schema_version: int = FORMAT.version
    path: str
    size_bytes: int
    sha256: str
    source: ModelSource | None
    variant: VariantInfo | None
    weights: WeightsInfo | None
