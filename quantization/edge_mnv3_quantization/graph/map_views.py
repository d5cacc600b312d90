"""Maps in other shapes of the same bytes, in which kernels of convolutions run through them in fewer cycles.

A RESHAPE of a map moves nothing, and the sums of a convolution over it are the same integers, so an int8 file
gives the same bits. There are two:

* Column pairs: a convolution of stride 2 over (H, W, C) is one of stride 1 along the columns over
  (H, W/2, 2·C), whose filter has a column of zeros where it had an odd number. Kernels of a Cortex-A73 take
  the input channels of each place of the filter by eights: the first layer's 3x3 places of 3 channels count
  as 72, and its 3x2 places of 6 as 48. There are fewer places to point at, too.
* Whole rows: a 1x1 depthwise convolution over (H, W, C) is one over (H, 1, W·C) with repeated weights. What
  it costs for each place is then spent once a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge_mnv3_quantization.graph.network import Node
from edge_mnv3_quantization.graph.types import QuantizedWeights

Shape = tuple[int, ...]
_MAP_DIMENSIONS = 4
_INPUTS_AT_ONCE = 8
_MOST_ROW_CHANNELS = 48  # with more, places cost little, and the repeated weights take space


@dataclass(frozen=True, slots=True, kw_only=True)
class MapView:
    """How a node's maps are shaped while its operator runs.

    Attributes:
        kind: See the module.
        taken: Shape of what it takes.
        given: Shape of what it gives.
        stride: The strides of the rows and of the columns.
        repeats: How often weights stand side by side; 1 for column pairs.
    """

    kind: Literal["pairs", "rows"]
    taken: Shape
    given: Shape
    stride: tuple[int, int]
    repeats: int = 1

    def of_weights(self, stored: QuantizedWeights) -> QuantizedWeights:
        """Shapes a node's weights for this view: (O, kh, kw, I) of pairs, (1, 1, 1, C) of rows."""
        weights = stored.weights
        if self.kind == "rows":
            return QuantizedWeights(
                weights=np.tile(weights, self.repeats),
                scales=np.tile(stored.scales, self.repeats),
                bias=np.tile(stored.bias, self.repeats),
            )
        outputs, rows, columns, channels = weights.shape
        padded = np.pad(weights, ((0, 0), (0, 0), (0, columns % 2), (0, 0)))
        paired = padded.reshape(outputs, rows, (columns + 1) // 2, 2 * channels)
        return QuantizedWeights(weights=paired, scales=stored.scales, bias=stored.bias)


def view_of(node: Node, taken: Shape, given: Shape) -> MapView | None:
    """Says in which other shape a node's operator costs less.

    Args:
        node: Any node.
        taken: Shape of its first input, (N, H, W, C).
        given: Shape of its output.

    Returns:
        None where there is no such shape.
    """
    if node.weights is None or node.border is not None or len(taken) != _MAP_DIMENSIONS:
        return None
    if node.kind == "conv":
        return _column_pairs(node, taken, given)
    return rows_view(taken) if _is_each_place_by_itself(node) else None


def rows_view(shape: Shape) -> MapView | None:
    """The view of whole rows of a map of this shape, (N, H, W, C), for a 1x1 depthwise convolution."""
    count, rows, columns, channels = shape
    if columns == 1 or channels > _MOST_ROW_CHANNELS:
        return None
    view = (count, rows, 1, columns * channels)
    return MapView(kind="rows", taken=view, given=view, stride=(1, 1), repeats=columns)


def _is_each_place_by_itself(node: Node) -> bool:
    one_place = node.weights is not None and node.weights.size == node.weights.shape[-1]
    return node.kind == "depthwise" and one_place and node.stride == (1, 1)


def _column_pairs(node: Node, taken: Shape, given: Shape) -> MapView | None:
    weights, _ = node.weights_and_bias()
    count, height, width, channels = taken
    columns = weights.shape[2]
    pairs = (columns + 1) // 2
    if node.stride[1] != 2 or width % 2 or weights.shape[-1] != channels:
        return None
    # Zeros before the first column must be pairs too, as many as the view's own padding puts there.
    before = max(columns - 2, 0) // 2
    if node.same_padding and before != 2 * ((pairs - 1) // 2):
        return None
    if pairs * _whole(2 * channels) >= columns * _whole(channels):
        return None
    view = (count, height, width // 2, 2 * channels)
    return MapView(kind="pairs", taken=view, given=given, stride=(node.stride[0], 1))


def _whole(channels: int) -> int:
    return -(-channels // _INPUTS_AT_ONCE) * _INPUTS_AT_ONCE
