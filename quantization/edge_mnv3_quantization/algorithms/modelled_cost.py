"""What an int8 network costs on an Arm processor: cycles by the kind of its operators, from a model.

The figures are of a cycle model over exact instruction counts of XNNPACK's kernels in LiteRT 2.3 on an
emulated Cortex-A76 (`llvm-mca` by basic block, first-level cache misses added): MobileNetV3-Small of the
recipe `accurate`, its cycles by kind of operator divided by how much work of the kind it has. Those of
depthwise convolutions are fitted to 46 of them, of whole maps and of channel groups, to 7 percent each. Those
of the forms of hard-swish are measured by themselves (`form_costs`). They compare forms of one network with
one another, to some percent; they are no times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge_mnv3_quantization.algorithms.form_costs import (
    EACH_OPERATOR,
    gate_cycles,
    part_cycles,
    table_cycles,
)
from edge_mnv3_quantization.graph.borders import without_padding
from edge_mnv3_quantization.graph.network import Kind, Network, Node
from edge_mnv3_quantization.graph.rewrites import is_hard_sigmoid

# Cycles of a multiplication and addition. The kernels of convolutions compute so many output channels at
# once, and those of depthwise convolutions so many channels: the last ones cost as much if they are fewer.
_POINTWISE, _WINDOW = 0.0756, 0.162
_OUTPUTS_AT_ONCE, _INPUTS_AT_ONCE, _CHANNELS_AT_ONCE = 16, 4, 8
# Cycles of a depthwise convolution: of a multiplication and addition, of a number of the result, and of a tap
# at each position, however few channels there are; and of a pointer, which the second cache misses.
_DEPTHWISE, _DEPTHWISE_NUMBER, _DEPTHWISE_TAP, _POINTER = 0.183, 1.22, 1.62, 2.5
# Cycles of a number of the result.
_PRODUCT, _TABLE, _OPERATOR = 1.07, 0.9, 1.0
_ELEMENTWISE: Mapping[Kind, float] = {
    "mul": _PRODUCT,
    "add": 1.0,
    "pad": 0.25,
    "hard_swish": _OPERATOR,
    "logistic": _TABLE,
    "tanh": _TABLE,
}
_MEAN = 0.2  # of a number that is taken
# Of a number of a map that constants are joined to, by two concatenations: what the C library takes to copy
# it, at 10 bytes a cycle, and what misses of the second cache add for maps larger than half of it.
_SURROUNDED, _SURROUNDED_MISSED, _HALF_SECOND_CACHE = 0.2, 0.5, 256 * 1024


def network_cycles(network: Network, channels: Mapping[int, int] | None = None) -> float:
    """Computes the modelled cycles of a network.

    Args:
        network: A network in the forms of the int8 file.
        channels: Value to its number of channels, of values that are to have others than the network says.
    """
    return sum(node_cycles(network, node, channels or {}) for node in network.nodes)


def node_cycles(network: Network, node: Node, channels: Mapping[int, int]) -> float:
    """Computes the modelled cycles of one node; see `network_cycles`."""

    def width(value: int) -> int:
        return channels.get(value, network.values[value].channels)

    if node.border is not None:
        (value,) = node.inputs
        around = surrounding_cycles(network.values[value].positions, width(value))
        return around + node_cycles(network, without_padding(node), channels)
    given, result = node.inputs[0], node.output
    positions = network.values[result].positions
    if node.kind in ("conv", "dense"):
        weights, bias = node.weights_and_bias()
        taps = weights.size // (len(bias) * weights.shape[-1])
        each = _POINTWISE if taps == 1 else _WINDOW
        flattened = weights.shape[-1] != network.values[given].channels  # by a dense layer itself
        inputs = weights.shape[-1] if flattened else width(given)
        of_position = taps * _whole(inputs, _INPUTS_AT_ONCE) * _whole(width(result), _OUTPUTS_AT_ONCE)
        return float(each * positions * of_position) + EACH_OPERATOR
    if node.kind == "depthwise":
        if is_hard_sigmoid(node):
            return gate_cycles(network.values[result], width(result)) - _PRODUCT * positions * width(result)
        return depthwise_cycles(node, positions, width(result))
    if node.kind in ("mean", "max"):
        return _MEAN * network.values[given].positions * width(given)
    if node.kind == "hard_sigmoid":
        return table_cycles(network.values[result], [width(result)])
    if node.kind == "concat" and any(width(value) == width(result) for value in node.inputs):
        # A row or a column that is joined to a map: one of the two concatenations of `surrounding_cycles`.
        return surrounding_cycles(positions, width(result)) / 2
    if node.kind == "concat":
        return sum(part_cycles(network.values[result], width(value)) for value in node.inputs)
    if node.kind == "mul" and _is_of_table(network, node):
        return 0.0  # XNNPACK makes one table of the hard-sigmoid and the product
    return _ELEMENTWISE.get(node.kind, 0.0) * positions * width(result)


def surrounding_cycles(positions: int, channels: int) -> float:
    """Computes the modelled cycles of joining constants to a map.

    Args:
        positions: Rows times columns of the map.
        channels: Its channels.
    """
    count = positions * channels
    missed = _SURROUNDED_MISSED if 2 * count > _HALF_SECOND_CACHE else 0.0
    return (_SURROUNDED + missed) * count


def depthwise_cycles(node: Node, positions: int, channels: int) -> float:
    """Computes the modelled cycles of a depthwise convolution of so many channels.

    Args:
        node: The convolution.
        positions: Rows times columns of its result.
        channels: Channels, of its own or of a channel group.
    """
    _, rows, columns, _ = node.weights_and_bias()[0].shape
    taps, pointers = rows * columns, rows * min(node.stride[1], columns)
    of_position = taps * _DEPTHWISE_TAP + pointers * _POINTER
    of_channel = taps * _DEPTHWISE + _DEPTHWISE_NUMBER
    of_all = _whole(channels, _CHANNELS_AT_ONCE) * of_channel
    return float(positions * (of_position + of_all)) + EACH_OPERATOR


def _is_of_table(network: Network, node: Node) -> bool:
    made = (network.producer(value) for value in node.inputs)
    return any(one is not None and one.kind == "hard_sigmoid" for one in made)


def _whole(channels: int, at_once: int) -> int:
    return math.ceil(channels / at_once) * at_once
