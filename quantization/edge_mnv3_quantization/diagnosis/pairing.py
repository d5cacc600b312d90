"""Which tensor of an int8 file corresponds to which tensor of the float file that it was made from.

Both this project's writer and TensorFlow's converter keep the float file's tensor names, so values are paired
by name. Files with other names are paired by position if their operators are the same. Where the int8 file's
notes say that its graph was rewritten, the float file is rewritten in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError, ModelFileError
from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.results.recipe import RecipeReport
from edge_mnv3.core.tflite.pixels import taking_pixels
from edge_mnv3.core.tflite.read import only_graph, read_model
from edge_mnv3.core.tflite.types import Graph, Model, Operator
from edge_mnv3_quantization.algorithms.channel_copies import copy_channels, movements
from edge_mnv3_quantization.algorithms.channel_groups import channelwise, group_channels
from edge_mnv3_quantization.diagnosis.divided_channels import with_divided_channels
from edge_mnv3_quantization.diagnosis.one_output import needed_for, place_of, real_input, with_one_output
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedValue, PairedWeights
from edge_mnv3_quantization.graph.network import Array, Network
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, value_scales
from edge_mnv3_quantization.graph.tensor_names import HARD_SIGMOID_SUFFIX, layer_name, ungrouped
from edge_mnv3_quantization.graph.types import Quantization
from edge_mnv3_quantization.graph.without_views import without_views
from edge_mnv3_quantization.graph.writer import write_float
from edge_mnv3_quantization.reading.reader import read_network
from edge_mnv3_quantization.recipes.notes import (
    CHANNEL_COPIES,
    CHANNEL_GROUPS,
    EQUALIZATION_SCALES,
    RECIPE_REPORT,
    read_copies,
    read_groups,
    read_report,
    read_scales,
)

WEIGHTED_OPS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
LOGITS_OF = ("RESHAPE", "SOFTMAX")  # what follows the logits
_UNPAIRED_OPS = ("RESHAPE", "SOFTMAX", "QUANTIZE", "DEQUANTIZE")


def pair_files(
    float_content: bytes,
    int8_content: bytes,
    *,
    float_name: str,
    int8_name: str,
    takes: InputRange = PIXELS,
    head: str | None = None,
) -> Pair:
    """Pairs two files.

    Args:
        float_content: A float file.
        int8_content: The file made from it.
        float_name: What errors call the float file.
        int8_name: What errors call the int8 file.
        takes: What a float input of either file takes.
        head: Name of the output that counts; None for the only one.

    Returns:
        Files that take pixels and give one output, with the values that it depends on.

    Raises:
        ArgumentError: There are several outputs and none is named, or none has that name.
        ModelFileError: One is no valid `.tflite`, the float file is not float32, the int8 file is not int8,
            or they are not of one network.
    """
    float_model = read_model(float_content, float_name)
    float_file = only_graph(float_model, float_name)
    int8_model = read_model(int8_content, int8_name)
    int8_file = only_graph(int8_model, int8_name)
    _check_kinds(float_file, int8_file, float_name, int8_name)
    place = place_of(float_model, head, float_name)
    if int8_file.tensors[int8_file.inputs[0]].dtype == "FLOAT32":
        int8_content = taking_pixels(int8_content, takes, int8_name)
    int8_content = with_one_output(int8_content, place, int8_name)
    int8_file = without_views(read_model(int8_content, int8_name).main_graph)
    hard_sigmoids = _hard_sigmoids(int8_file)
    hard_swishes = sum(operator.name == "HARD_SWISH" for operator in float_file.operators)
    rewritten = _Rewritten(float_content, {}, {}, {}, None)
    if EQUALIZATION_SCALES in int8_model.metadata:
        rewritten = _rewritten(
            float_content, takes, int8_model, hard_sigmoids, float_name=float_name, int8_name=int8_name
        )
    else:
        rewritten = rewritten._replace(content=taking_pixels(float_content, takes, float_name))
    float_content = with_one_output(rewritten.content, place, float_name)
    float_file = read_model(float_content, float_name).main_graph
    numbers = _by_name(float_file, int8_file) or _by_position(float_file, int8_file)
    logits = logits_tensor(float_file)
    values = _values(float_file, int8_file, numbers, hard_sigmoids, int8_name)
    if not values or values[-1].float_tensor != logits:
        raise ModelFileError(
            f"model {int8_name}",
            f"no int8 tensor for {len(float_file.operators) - len(numbers)} of the float file's "
            f"{len(float_file.operators)} values, the logits '{float_file.tensors[logits].name}' among them",
            f"the int8 file made from {float_name}",
        )
    weights = [paired for value in values if (paired := _weights(value, float_file, int8_file)) is not None]
    return Pair(
        float_file=float_file,
        float_content=float_content,
        int8_file=int8_file,
        int8_content=int8_content,
        values=tuple(values),
        weights=tuple(weights),
        equalization_scales=rewritten.scales,
        copies=rewritten.copies,
        movements=rewritten.movements,
        hard_sigmoids=frozenset(hard_sigmoids),
        hard_swishes=hard_swishes,
        report=_noted_report(int8_model, int8_name),
        undivided_content=rewritten.undivided and with_one_output(rewritten.undivided, place, float_name),
    )


def _values(
    float_file: Graph,
    int8_file: Graph,
    numbers: Mapping[int, int],
    hard_sigmoids: Mapping[int, Operator],
    int8_name: str,
) -> list[PairedValue]:
    """Pairs the values that the logits depend on, in the order of execution; the logits come last."""
    logits = logits_tensor(float_file)
    # XNNPACK makes one table of such a hard-sigmoid and its product: it never rounds the hard-sigmoid.
    tables = {hard_sigmoid for hard_sigmoid, operator in hard_sigmoids.items() if operator.name == "ADD"}
    values, needed = [], needed_for(float_file, logits)
    for operator in float_file.operators:
        if (
            operator.output in numbers
            and operator.output in needed
            and operator.name not in _UNPAIRED_OPS
            and numbers[operator.output] not in tables
        ):
            values.append(_value(operator, numbers[operator.output], float_file, int8_file, int8_name))
        if operator.output == logits:
            break
    return values


def _noted_report(int8_model: Model, int8_name: str) -> RecipeReport | None:
    entry = int8_model.metadata.get(RECIPE_REPORT)
    try:
        return None if entry is None else read_report(entry)
    except ValueError as error:
        raise ModelFileError(
            f"model {int8_name}", f"a damaged note of its recipe ({error})", "a file of edge-mnv3 quantize"
        ) from error


class _Rewritten(NamedTuple):
    """A float file that was rewritten as an int8 file was; the rest by the names of its values.

    Attributes:
        content: The file.
        scales: The equalization scales of the int8 file, (C,).
        copies: See `Pair`.
        movements: See `Pair`.
        undivided: The file before its linear channels were divided; None where none was.
    """

    content: bytes
    scales: Mapping[str, Array]
    copies: Mapping[str, npt.NDArray[np.intp]]
    movements: Mapping[str, Array]
    undivided: bytes | None


def _rewritten(
    float_content: bytes,
    takes: InputRange,
    int8_model: Model,
    hard_sigmoids: Mapping[int, Operator],
    *,
    float_name: str,
    int8_name: str,
) -> _Rewritten:
    """Rewrites the float file as the int8 file was, except for constants that were folded away."""
    try:
        noted = read_scales(int8_model.metadata[EQUALIZATION_SCALES])
        groups = read_groups(int8_model.metadata.get(CHANNEL_GROUPS, b"{}"))
        network = read_network(float_content, takes)
        numbers = {value.name: number for number, value in network.values.items()}
        divided = with_divided_channels(network, int8_model.metadata)
        changed = divided is not network
        undivided = write_float(rescale(network, {}), network.outputs, pixels=True) if changed else None
        network = divided
        repeated = read_copies(int8_model.metadata.get(CHANNEL_COPIES, b"{}"))
        for name, counts in repeated.items():
            network = copy_channels(network, numbers[name], np.array(counts, np.intp))
        network = _lowered(network, int8_model.main_graph, hard_sigmoids)
        copies: dict[int, npt.NDArray[np.intp]] = {}
        for name, counts in repeated.items():
            places = np.repeat(np.arange(len(counts)), counts)
            copies |= dict.fromkeys(channelwise(network, numbers[name]), places)
        numbers = {value.name: number for number, value in network.values.items()}
        for name, channels in groups.items():
            grouped = group_channels(network, numbers[name], [np.array(one, np.intp) for one in channels])
            if grouped is None:
                raise ValueError(f"'{name}' has no channel groups")
            network, origins = grouped
            copies |= {
                part: copies[origin.value][origin.channels]
                for part, origin in origins.items()
                if origin.value in copies
            }
        numbers = {value.name: number for number, value in network.values.items()}
        for name, scale in noted.items():
            if network.values[numbers[name]].channels != len(scale):
                raise ValueError(f"'{name}' has {len(scale)} equalization scales")
        scales = value_scales(network, {numbers[name]: scale for name, scale in noted.items()})
        names = {number: value.name for number, value in network.values.items()}
        moved = movements(network, _quantizations(network, int8_model.main_graph))
        return _Rewritten(
            content=write_float(network, network.outputs, pixels=True),
            scales={names[value]: scale for value, scale in scales.items()},
            copies={names[value]: places for value, places in copies.items()},
            movements={names[value]: movement for value, movement in moved.items()},
            undivided=undivided,
        )
    except (ConversionError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ModelFileError(
            f"model {int8_name}",
            f"channel copies, groups or equalization scales that the float file cannot have ({error})",
            f"the int8 file made from {float_name}",
        ) from error


def _lowered(network: Network, int8_file: Graph, hard_sigmoids: Mapping[int, Operator]) -> Network:
    """Lowers a network to the int8 file's forms of hard-swish, and to products without constants."""
    kinds = {
        ungrouped(int8_file.tensors[hard_sigmoid].name).removesuffix(HARD_SIGMOID_SUFFIX): operator.name
        for hard_sigmoid, operator in hard_sigmoids.items()
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


def _quantizations(network: Network, int8_file: Graph) -> dict[int, Quantization]:
    """Finds how the int8 file stores the values of a network, by their names."""
    numbers = {value.name: number for number, value in network.values.items()}
    return {
        numbers[tensor.name]: Quantization(scale=tensor.scales[0], zero_point=tensor.zero_point)
        for tensor in int8_file.tensors
        if tensor.name in numbers and len(tensor.scales) == 1
    }


def _check_kinds(float_file: Graph, int8_file: Graph, float_name: str, int8_name: str) -> None:
    for file, name, wanted in ((float_file, float_name, "FLOAT32"), (int8_file, int8_name, "INT8")):
        kinds = [
            file.tensors[operator.inputs[1]].dtype
            for operator in file.operators
            if operator.name in WEIGHTED_OPS and file.constant(operator.inputs[1]) is not None
        ]
        if not kinds or any(kind != wanted for kind in kinds):
            got = (
                f"weights of type {next(k for k in kinds if k != wanted).lower()}" if kinds else "no weights"
            )
            raise ModelFileError(f"model {name}", got, f"a file with {wanted.lower()} weights")


def _by_name(float_file: Graph, int8_file: Graph) -> dict[int, int]:
    names = {
        int8_file.tensors[operator.output].name: operator.output
        for operator in int8_file.operators
        if int8_file.tensors[operator.output].dtype == "INT8"
    }
    numbers = {
        operator.output: names[float_file.tensors[operator.output].name]
        for operator in float_file.operators
        if float_file.tensors[operator.output].name in names
    }
    # The ends change their names with the type of the input and output.
    ends = _last_int8(int8_file)
    return numbers | {float_file.outputs[0]: ends} if numbers and ends is not None else numbers


def _by_position(float_file: Graph, int8_file: Graph) -> dict[int, int]:
    float_operators, int8_operators = (
        [operator for operator in file.operators if operator.name not in ("QUANTIZE", "DEQUANTIZE")]
        for file in (float_file, int8_file)
    )
    if [operator.name for operator in float_operators] != [operator.name for operator in int8_operators]:
        return {}
    return {one.output: other.output for one, other in zip(float_operators, int8_operators, strict=True)}


def _last_int8(file: Graph) -> int | None:
    tensor = file.outputs[0]
    operator = file.producer(tensor)
    while operator is not None and operator.name in ("QUANTIZE", "DEQUANTIZE"):
        tensor = operator.inputs[0]
        operator = file.producer(tensor)
    return tensor if file.tensors[tensor].dtype == "INT8" else None


def _hard_sigmoids(file: Graph) -> dict[int, Operator]:
    """Finds the operators that give relu6(x + 3) for a product with x, by their output."""
    hard_sigmoids = {}
    for operator in file.operators:
        if operator.name in ("ADD", "DEPTHWISE_CONV_2D") and operator.activation == "RELU6":
            takers = file.consumers(operator.output)
            if len(takers) == 1 and takers[0].name == "MUL" and operator.inputs[0] in takers[0].inputs:
                hard_sigmoids[operator.output] = operator
    return hard_sigmoids


def logits_tensor(file: Graph) -> int:
    """Finds the tensor of a file's only output in front of softmax."""
    tensor = file.outputs[0]
    operator = file.producer(tensor)
    while operator is not None and operator.name in LOGITS_OF:
        tensor = operator.inputs[0]
        operator = file.producer(tensor)
    return tensor


def _value(
    operator: Operator, int8_tensor: int, float_file: Graph, int8_file: Graph, int8_name: str
) -> PairedValue:
    name, shape = float_file.tensors[operator.output].name, float_file.tensors[operator.output].shape
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
        op=operator.name,
        shape=shape,
        float_tensor=operator.output,
        int8_tensor=int8_tensor,
        scale=stored.scales[0],
        zero_point=stored.zero_point,
    )


def _weights(value: PairedValue, float_file: Graph, int8_file: Graph) -> PairedWeights | None:
    float_operator, int8_operator = (
        float_file.producer(value.float_tensor),
        int8_file.producer(value.int8_tensor),
    )
    if float_operator is None or int8_operator is None or float_operator.name not in WEIGHTED_OPS:
        return None
    weights, stored = (
        file.constant(operator.inputs[1])
        for file, operator in ((float_file, float_operator), (int8_file, int8_operator))
    )
    if (
        weights is None
        or stored is None
        or int8_operator.name != float_operator.name
        or stored.shape != weights.shape
    ):
        return None
    scales = int8_file.tensors[int8_operator.inputs[1]].scales
    bias_tensor = float_operator.inputs[2] if len(float_operator.inputs) > 2 else -1
    biases = [
        file.constant(operator.inputs[2]) if len(operator.inputs) > 2 else None
        for file, operator in ((float_file, float_operator), (int8_file, int8_operator))
    ]
    zeros = np.zeros(value.channels)
    taken = real_input(int8_file, int8_operator.inputs[0])
    return PairedWeights(
        output=value,
        float_input=float_operator.inputs[0],
        int8_input=taken,
        float_weights=weights.astype(np.float64),
        float_bias=zeros if biases[0] is None else biases[0].astype(np.float64),
        stored=stored.astype(np.float64),
        scales=np.broadcast_to(scales, (value.channels,)).astype(np.float64),
        bias=zeros if biases[1] is None else biases[1].astype(np.float64),
        input_scale=int8_file.tensors[int8_operator.inputs[0]].scales[0],
        weights_tensor=float_operator.inputs[1],
        bias_tensor=bias_tensor,
    )
