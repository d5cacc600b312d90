"""Which tensor of an int8 file is which tensor of the float file it was made from.

Both this project's writer and TensorFlow's converter keep the float file's tensor names, so values are paired
by name. Files with other names are paired by position if their operators are the same. Where the int8 file's
notes tell that its graph was rewritten, the float file is rewritten alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_mnv3.core.errors import ConversionError, ModelFileError
from edge_mnv3.core.results.recipe import RecipeReport
from edge_mnv3.core.tflite.read import only_graph, read_model
from edge_mnv3.core.tflite.types import Graph, Model, Operator
from edge_mnv3_quantization.algorithms.channel_groups import group_channels
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.reader import read_network
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, value_scales
from edge_mnv3_quantization.graph.tensor_names import HARD_SIGMOID_SUFFIX, layer_name, ungrouped
from edge_mnv3_quantization.graph.writer import write_float
from edge_mnv3_quantization.recipes.notes import (
    CHANNEL_GROUPS,
    EQUALIZATION_SCALES,
    RECIPE_REPORT,
    read_groups,
    read_report,
    read_scales,
)

WEIGHTED_OPS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
LOGITS_OF = ("RESHAPE", "SOFTMAX")  # what follows the logits
_MOVING = ("RESHAPE", "SOFTMAX", "QUANTIZE", "DEQUANTIZE")  # not values of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedValue:
    """A value that both files hold.

    Attributes:
        layer: Short name for people.
        op: The float file's operator that gives it.
        float_tensor: Number in the float file.
        int8_tensor: Number in the int8 file.
    """

    name: str
    layer: str
    op: str
    shape: tuple[int, ...]
    float_tensor: int
    int8_tensor: int
    scale: float
    zero_point: int

    @property
    def channels(self) -> int:
        """The last dimension."""
        return self.shape[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedWeights:
    """The weights of an operator that both files hold.

    Attributes:
        output: The value that it gives.
        float_input: What it takes in the float file.
        int8_input: What it takes in the int8 file, before any requantization.
        float_weights: conv (O, kh, kw, I), depthwise (1, kh, kw, C), dense (O, I).
        float_bias: (O,).
        stored: int8, shaped like `float_weights`.
        steps: (O,): real value of one step of each output channel's weights.
        bias: (O,): stored, in steps of input scale * weight step.
        weights_tensor: Number in the float file.
        bias_tensor: The number of the bias in the float file; -1 for none.
    """

    output: PairedValue
    float_input: int
    int8_input: int
    float_weights: Array
    float_bias: Array
    stored: Array
    steps: Array
    bias: Array
    input_scale: float
    weights_tensor: int
    bias_tensor: int

    @property
    def depthwise(self) -> bool:
        """Whether each output channel has one input channel."""
        return self.output.op == "DEPTHWISE_CONV_2D"

    def per_output(self, numbers: Array) -> Array:
        """Shapes numbers (O,) so that they multiply the weights of each output channel."""
        if self.depthwise:
            return numbers
        return numbers.reshape(-1, *[1] * (self.float_weights.ndim - 1))

    def real(self) -> Array:
        """The stored weights as real numbers."""
        return self.stored * self.per_output(self.steps)

    def real_bias(self) -> Array:
        """The stored bias as real numbers."""
        return self.bias * self.steps * self.input_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A float file and the int8 file made from it.

    Attributes:
        float_file: Rewritten as the int8 file's notes tell: hard-swish and squeeze-excite as products
            without their constant, channels in the same groups.
        values: In the order of execution, the logits last.
        weights: In the order of execution.
        equalization_scales: Those of values of the int8 file by name, (C,): float value = scale * int8
            value; 1 for others.
        hard_sigmoids: Tensors of the int8 file that are hard-sigmoids of a lowered hard-swish.
        hard_swishes: Number of them in the float file as it was given.
        report: What the int8 file notes of its recipe; None for files of others and of older releases.
    """

    float_file: Graph
    float_content: bytes
    int8_file: Graph
    int8_content: bytes
    values: tuple[PairedValue, ...]
    weights: tuple[PairedWeights, ...]
    equalization_scales: Mapping[str, Array]
    hard_sigmoids: frozenset[int]
    hard_swishes: int
    report: RecipeReport | None

    @property
    def logits(self) -> PairedValue:
        """The last value of real numbers of any size: the softmax's input, or the output."""
        return self.values[-1]

    def of_int8(self, tensor: int) -> PairedValue | None:
        """The value that a tensor of the int8 file holds."""
        return next((value for value in self.values if value.int8_tensor == tensor), None)


def pair_files(float_content: bytes, int8_content: bytes, *, float_name: str, int8_name: str) -> Pair:
    """Pairs two files.

    Raises:
        ModelFileError: One is no valid `.tflite`, the float file is not float32, the int8 file is not int8,
            or they are not of one network.
    """
    float_file = only_graph(read_model(float_content, float_name), float_name)
    int8_model = read_model(int8_content, int8_name)
    int8_file = only_graph(int8_model, int8_name)
    _check_kinds(float_file, int8_file, float_name, int8_name)
    hard_sigmoids = _hard_sigmoids(int8_file)
    hard_swishes = sum(step.name == "HARD_SWISH" for step in float_file.operators)
    scales: Mapping[str, Array] = {}
    if EQUALIZATION_SCALES in int8_model.metadata:
        float_content, scales = _rewritten(float_content, int8_model, hard_sigmoids, float_name, int8_name)
        float_file = read_model(float_content, float_name).main_graph
    numbers = _by_name(float_file, int8_file) or _by_position(float_file, int8_file)
    logits = _logits(float_file)
    # XNNPACK makes one table of such a hard-sigmoid and its product: it never rounds the hard-sigmoid.
    tables = {hard_sigmoid for hard_sigmoid, step in hard_sigmoids.items() if step.name == "ADD"}
    values = []
    for step in float_file.operators:
        if step.output in numbers and step.name not in _MOVING and numbers[step.output] not in tables:
            values.append(_value(step, numbers[step.output], float_file, int8_file, int8_name))
        if step.output == logits:
            break
    if not values or values[-1].float_tensor != logits:
        raise ModelFileError(
            f"model {int8_name}",
            f"no int8 tensor for {len(float_file.operators) - len(numbers)} of the float file's "
            f"{len(float_file.operators)} values, the logits '{float_file.tensors[logits].name}' among them",
            f"the int8 file made from {float_name}",
        )
    weights = [found for value in values if (found := _weights(value, float_file, int8_file)) is not None]
    return Pair(
        float_file=float_file,
        float_content=float_content,
        int8_file=int8_file,
        int8_content=int8_content,
        values=tuple(values),
        weights=tuple(weights),
        equalization_scales=scales,
        hard_sigmoids=frozenset(hard_sigmoids),
        hard_swishes=hard_swishes,
        report=_noted_report(int8_model, int8_name),
    )


def _noted_report(int8_model: Model, int8_name: str) -> RecipeReport | None:
    entry = int8_model.metadata.get(RECIPE_REPORT)
    try:
        return None if entry is None else read_report(entry)
    except ValueError as error:
        raise ModelFileError(
            f"model {int8_name}", f"a damaged note of its recipe ({error})", "a file of edge-mnv3 quantize"
        ) from error


def _rewritten(
    float_content: bytes,
    int8_model: Model,
    hard_sigmoids: Mapping[int, Operator],
    float_name: str,
    int8_name: str,
) -> tuple[bytes, dict[str, Array]]:
    """The float file rewritten as the int8 file was, but for constants that were folded away; the scales."""
    try:
        noted = read_scales(int8_model.metadata[EQUALIZATION_SCALES])
        groups = read_groups(int8_model.metadata.get(CHANNEL_GROUPS, b"{}"))
        network = _lowered(read_network(float_content), int8_model.main_graph, hard_sigmoids)
        numbers = {value.name: number for number, value in network.values.items()}
        for name, channels in groups.items():
            found = group_channels(network, numbers[name], [np.array(one, np.intp) for one in channels])
            if found is None:
                raise ValueError(f"'{name}' has no channel groups")
            network, _ = found
        numbers = {value.name: number for number, value in network.values.items()}
        for name, scale in noted.items():
            if network.values[numbers[name]].channels != len(scale):
                raise ValueError(f"'{name}' has {len(scale)} equalization scales")
        scales = value_scales(network, {numbers[name]: scale for name, scale in noted.items()})
        named = {network.values[value].name: scale for value, scale in scales.items()}
        return write_float(network, [network.output], pixels=True), named
    except (ConversionError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ModelFileError(
            f"model {int8_name}",
            f"channel groups or equalization scales that the float file cannot have ({error})",
            f"the int8 file made from {float_name}",
        ) from error


def _lowered(network: Network, int8_file: Graph, hard_sigmoids: Mapping[int, Operator]) -> Network:
    """With the forms of hard-swish that the int8 file has, and products without constants."""
    kinds = {
        ungrouped(int8_file.tensors[hard_sigmoid].name).removesuffix(HARD_SIGMOID_SUFFIX): step.name
        for hard_sigmoid, step in hard_sigmoids.items()
    }
    names = {
        node.inputs[0]: network.values[node.output].name
        for node in network.nodes
        if node.kind == "hard_swish"
    }
    if kinds:
        convolved = {x for x, name in names.items() if kinds.get(name) == "DEPTHWISE_CONV_2D"}
        network = lower_hard_swish(network, per_channel=convolved)
    return rescale(network, {})


def real_input(file: Graph, tensor: int) -> int:
    """What was requantized into a tensor, or the tensor itself."""
    step = file.producer(tensor)
    while step is not None and step.name == "QUANTIZE" and file.tensors[step.inputs[0]].dtype == "INT8":
        tensor = step.inputs[0]
        step = file.producer(tensor)
    return tensor


def _check_kinds(float_file: Graph, int8_file: Graph, float_name: str, int8_name: str) -> None:
    for file, name, wanted in ((float_file, float_name, "FLOAT32"), (int8_file, int8_name, "INT8")):
        kinds = [
            file.tensors[step.inputs[1]].dtype
            for step in file.operators
            if step.name in WEIGHTED_OPS and file.constant(step.inputs[1]) is not None
        ]
        if not kinds or any(kind != wanted for kind in kinds):
            got = (
                f"weights of type {next(k for k in kinds if k != wanted).lower()}" if kinds else "no weights"
            )
            raise ModelFileError(f"model {name}", got, f"a file with {wanted.lower()} weights")


def _by_name(float_file: Graph, int8_file: Graph) -> dict[int, int]:
    names = {
        int8_file.tensors[step.output].name: step.output
        for step in int8_file.operators
        if int8_file.tensors[step.output].dtype == "INT8"
    }
    found = {
        step.output: names[float_file.tensors[step.output].name]
        for step in float_file.operators
        if float_file.tensors[step.output].name in names
    }
    # The ends change their names with the type of the input and output.
    ends = _last_int8(int8_file)
    return found | {float_file.outputs[0]: ends} if found and ends is not None else found


def _by_position(float_file: Graph, int8_file: Graph) -> dict[int, int]:
    float_operators, int8_operators = (
        [step for step in file.operators if step.name not in ("QUANTIZE", "DEQUANTIZE")]
        for file in (float_file, int8_file)
    )
    if [step.name for step in float_operators] != [step.name for step in int8_operators]:
        return {}
    return {one.output: other.output for one, other in zip(float_operators, int8_operators, strict=True)}


def _last_int8(file: Graph) -> int | None:
    tensor = file.outputs[0]
    step = file.producer(tensor)
    while step is not None and step.name in ("QUANTIZE", "DEQUANTIZE"):
        tensor = step.inputs[0]
        step = file.producer(tensor)
    return tensor if file.tensors[tensor].dtype == "INT8" else None


def _hard_sigmoids(file: Graph) -> dict[int, Operator]:
    """Gates x to relu6(x + 3) whose product with x is taken."""
    found = {}
    for step in file.operators:
        if step.name in ("ADD", "DEPTHWISE_CONV_2D") and step.activation == "RELU6":
            takers = file.consumers(step.output)
            if len(takers) == 1 and takers[0].name == "MUL" and step.inputs[0] in takers[0].inputs:
                found[step.output] = step
    return found


def _logits(file: Graph) -> int:
    tensor = file.outputs[0]
    step = file.producer(tensor)
    while step is not None and step.name in LOGITS_OF:
        tensor = step.inputs[0]
        step = file.producer(tensor)
    return tensor


def _value(
    step: Operator, int8_tensor: int, float_file: Graph, int8_file: Graph, int8_name: str
) -> PairedValue:
    name, shape = float_file.tensors[step.output].name, float_file.tensors[step.output].shape
    stored = int8_file.tensors[int8_tensor]
    if stored.shape != shape:
        raise ModelFileError(
            f"model {int8_name}, tensor '{layer_name(name)}'",
            f"shape {stored.shape}",
            f"{shape} as in the float file",
        )
    return PairedValue(
        name=name,
        layer=layer_name(name),
        op=step.name,
        shape=shape,
        float_tensor=step.output,
        int8_tensor=int8_tensor,
        scale=stored.scales[0],
        zero_point=stored.zero_point,
    )


def _weights(value: PairedValue, float_file: Graph, int8_file: Graph) -> PairedWeights | None:
    float_step, int8_step = float_file.producer(value.float_tensor), int8_file.producer(value.int8_tensor)
    if float_step is None or int8_step is None or float_step.name not in WEIGHTED_OPS:
        return None
    weights, stored = (
        file.constant(step.inputs[1]) for file, step in ((float_file, float_step), (int8_file, int8_step))
    )
    if (
        weights is None
        or stored is None
        or int8_step.name != float_step.name
        or stored.shape != weights.shape
    ):
        return None
    steps = int8_file.tensors[int8_step.inputs[1]].scales
    bias_tensor = float_step.inputs[2] if len(float_step.inputs) > 2 else -1
    biases = [
        file.constant(step.inputs[2]) if len(step.inputs) > 2 else None
        for file, step in ((float_file, float_step), (int8_file, int8_step))
    ]
    zeros = np.zeros(value.channels)
    taken = real_input(int8_file, int8_step.inputs[0])
    return PairedWeights(
        output=value,
        float_input=float_step.inputs[0],
        int8_input=taken,
        float_weights=weights.astype(np.float64),
        float_bias=zeros if biases[0] is None else biases[0].astype(np.float64),
        stored=stored.astype(np.float64),
        steps=np.broadcast_to(steps, (value.channels,)).astype(np.float64),
        bias=zeros if biases[1] is None else biases[1].astype(np.float64),
        input_scale=int8_file.tensors[int8_step.inputs[0]].scales[0],
        weights_tensor=float_step.inputs[1],
        bias_tensor=bias_tensor,
    )
