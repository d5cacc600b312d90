"""How values and weights are stored as integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """real = scale * (stored - zero_point), stored in -128..127."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedWeights:
    """The weights of one node, as stored.

    Attributes:
        weights: int8, in the shape of the node's weights.
        scales: (O,) float32: real value of one step for each output channel.
        bias: (O,) int32, in steps of input scale * weight scale.
    """

    weights: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int32]
