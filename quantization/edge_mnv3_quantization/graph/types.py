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
        weights: The weights as int8, in the shape of the node's weights.
        scales: The quantization scale of each output channel, (O,) float32.
        bias: The bias as int32, (O,), in steps of input scale * weight scale.
    """

    weights: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int32]
