"""Networks small enough to reckon by hand, and images for them."""

from __future__ import annotations

import numpy as np

from edge_mnv3.core.runtime import open_bytes
from edge_mnv3_quantization.algorithms.int8_activations import run_int8
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity, Tail
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images
from edge_mnv3_quantization.calibration.statistics import collect
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_float

SIDE = 5
# Channel sizes between the two convolutions of `uneven_network`.
SIZES = np.array([100.0, 1.0, 1.0, 0.1])


def random_images(count: int, seed: int = 5, side: int = SIDE) -> Images:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


IMAGES = random_images(12)


def uneven_network() -> Network:
    """Two convolutions; the channels between them differ by a factor of a thousand."""
    rng = np.random.default_rng(0)
    first = rng.uniform(0.2, 1.0, (4, 1, 1, 3)) * SIZES[:, None, None, None]
    second = rng.uniform(0.2, 1.0, (2, 1, 1, 4)) / SIZES
    return Network(
        values={i: Value(name=str(i), shape=(1, SIDE, SIDE, c)) for i, c in enumerate((3, 4, 2))},
        nodes=(
            Node(kind="conv", inputs=(0,), output=1, weights=first, bias=np.zeros(4), clamp="relu"),
            Node(kind="conv", inputs=(1,), output=2, weights=second, bias=np.zeros(2)),
        ),
        input=0,
        outputs=(2,),
        input_scale=1 / 255,
        input_offset=0.0,
    )


def rounded_weights(network: Network, quantizations: dict[int, Quantization]) -> dict[int, QuantizedWeights]:
    """Each weighted node's weights, rounded."""
    return {
        node.output: quantize_weights(node, quantizations[node.inputs[0]].scale)
        for node in network.nodes
        if node.weights is not None
    }


def int8_outputs(
    network: Network,
    quantizations: dict[int, Quantization],
    weights: dict[int, QuantizedWeights],
    images: Images = IMAGES,
) -> Array:
    output = quantizations[network.output]
    stored = run_int8(network, quantizations, weights, images).astype(np.float64)[:, np.newaxis]
    return output.scale * (stored - output.zero_point)


def float_outputs(network: Network, images: Images = IMAGES) -> Array:
    model = open_bytes(write_float(network, [network.output]))
    pixels = images.astype(np.float32) * np.float32(network.input_scale) + np.float32(network.input_offset)
    return np.stack([model.run_raw(image[np.newaxis])[0] for image in pixels]).astype(np.float64)


def observed(network: Network, images: Images = IMAGES) -> dict[int, ChannelStatistics]:
    """The statistics of every node's output."""
    return collect(network, images).by_value(network)


def free_sensitivity(sizes: Array, rounding: Array, per_square: Array | None = None) -> Sensitivity:
    """Numbers 0 to `sizes` whose clipping at e costs per_square * (size - e)²."""
    ends = np.linspace(0, 1, 201)
    slopes = np.ones(len(sizes)) if per_square is None else per_square
    costs = slopes[:, None] * np.square(sizes[:, None] * (1 - ends))
    return Sensitivity(rounding=rounding, high=Tail(unit=sizes, ends=ends, costs=costs), low=None)
