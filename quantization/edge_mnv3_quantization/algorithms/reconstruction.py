"""Weights and biases that make up for the errors of the values they take: least squares, node by node.

Rounding and clipping distort what a node is given, and so do the rounded weights before it. In the order of
execution, each weighted node's int8 inputs are collected over the calibration images, behind the nodes that
are done already, together with what the float network gives at the same place. The weights move so that they
predict the float result from the int8 inputs, as far as that holds for images that were not used: half of the
images choose how far, for the weights that fit the other half. The bias takes the rest of the mean error. In
front of an activation, errors count by its slope (`importance`).

Where a block's result is added to what was around the block, the sum is predicted: the block makes up for the
errors of both, as far as its inputs tell of them.

Sources: Nagel et al. 2019 (arXiv 1906.04721), section 4.2, for the bias; Hubara et al. 2021, "Accurate Post
Training Quantization With Small Calibration Sets" (PMLR 139), for layer-wise reconstruction of weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_quantization.algorithms.channel_copies import movements
from edge_mnv3_quantization.algorithms.float_results import (
    LARGE_MAP_IMAGES,
    FloatResults,
    Floats,
    shortcut_of,
)
from edge_mnv3_quantization.algorithms.im2col import at_positions, im2col
from edge_mnv3_quantization.algorithms.importance import activations
from edge_mnv3_quantization.algorithms.int8_activations import Int8Activations
from edge_mnv3_quantization.algorithms.node_fits import Samples, fitted_weights, real_numbers
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.graph.borders import stored_border
from edge_mnv3_quantization.graph.network import WEIGHTED, Array, Network, Node
from edge_mnv3_quantization.graph.rewrites import is_hard_sigmoid
from edge_mnv3_quantization.graph.types import Quantization, QuantizedWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedNetwork:
    """A network whose values are quantized, and whose weights are still to be.

    Attributes:
        network: The network as it will be written.
        quantizations: How the input and every node's output are stored.
        scales: Equalization scales (C,) by which each value was divided; a missing value has 1.
    """

    network: Network
    quantizations: Mapping[int, Quantization]
    scales: Mapping[int, Array]


class Manner(NamedTuple):
    """How weights are fitted.

    Attributes:
        hessian_weighted: Depthwise convolutions get Hessian-weighted rounding, which takes time; otherwise
            their weights are rounded to nearest, too.
        by_slope: Errors in front of an activation count by its slope (`importance`); otherwise all alike.
    """

    hessian_weighted: bool = True
    by_slope: bool = True


BEST = Manner()


def reconstruct(
    quantized: QuantizedNetwork,
    images: Images,
    results: FloatResults,
    *,
    manner: Manner = BEST,
    reporter: Reporter = SILENT,
    workers: int | None = None,
) -> dict[int, QuantizedWeights]:
    """Quantizes the weights and biases of every weighted node.

    Args:
        quantized: The network.
        images: Images to fit the weights to, (N, H, W, 3) uint8.
        results: What the float network gives for these images, before equalization. Nodes with results are
            refitted; the weights of other nodes are rounded to nearest.
        manner: How they are fitted.
        reporter: Its `progress` is told of (weighted nodes done, weighted nodes in all).
        workers: Threads; None for as many as there are cores. The result is the same for any number.
    """
    network, quantizations = quantized.network, quantized.quantizations
    workers = workers or available_cores()
    moved = movements(network, quantizations)
    behind = activations(network) if manner.by_slope else {}
    weighted = [node for node in network.nodes if node.kind in WEIGHTED]
    # Images beyond the first ones run from the pixels to the first small map at once.
    parts = [images[:LARGE_MAP_IMAGES], images[LARGE_MAP_IMAGES:]]
    int8_runs = [Int8Activations(network, quantizations, part, workers) for part in parts if len(part)]
    weights: dict[int, QuantizedWeights] = {}
    for done, node in enumerate(weighted, start=1):
        value = node.inputs[0]
        if node.output in results.positions:
            positions = results.positions[node.output]
            shape, zero = network.values[node.output].shape, stored_border(node, quantizations[value])
            places = (positions[:LARGE_MAP_IMAGES], positions[LARGE_MAP_IMAGES:])
            gathered = [
                im2col(node, one.stored(value, weights), shape, some, zero=zero)
                for one, some in zip(int8_runs, places, strict=False)
                if len(some)
            ]
            scale = _float32(quantized.scales.get(node.output))
            wanted = results.numbers[node.output] / scale
            around = shortcut_of(network, node)
            if around is not None and node.output in results.shortcuts:
                wanted += results.shortcuts[node.output] / _float32(quantized.scales.get(around))
                stored = np.concatenate(
                    [
                        at_positions(one.stored(around, weights), some)
                        for one, some in zip(int8_runs, places, strict=False)
                        if len(some)
                    ]
                )
                wanted -= real_numbers(stored, quantizations[around])
            offset = _float32(moved[node.output]) if node.output in moved else np.zeros(1, np.float32)
            wanted += offset
            samples = Samples(
                inputs=gathered[0] if len(gathered) == 1 else np.concatenate(gathered),
                quantization=quantizations[value],
                results=wanted,
                copied=node.copied_inputs,
                activation=behind.get(node.output),
                scale=scale,
                offset=offset,
            )
            weights[node.output] = fitted_weights(
                node, samples, workers, hessian_weighted=manner.hessian_weighted
            )
        else:
            weights[node.output] = quantize_weights(node, quantizations[value].scale)
        reporter.progress(done, len(weighted))
    return weights


def refittable(network: Network) -> list[Node]:
    """Lists the nodes whose weights can be refitted: a hard-sigmoid's are constants of the function."""
    return [node for node in network.nodes if node.kind in WEIGHTED and not is_hard_sigmoid(node)]


def _float32(scale: Array | None) -> Floats:
    return np.ones(1, np.float32) if scale is None else scale.astype(np.float32)
