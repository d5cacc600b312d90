"""Directions of a head's logits in which errors are followed back, for an estimate of their squared error.

The covariance of a direction says what errors count. Sources: Hutchinson 1989, "A stochastic estimator of the
trace of the influence matrix"; diag(p) - p pᵀ and p (1 - p) are the Fisher information of a softmax and of a
sigmoid.
"""

from __future__ import annotations

import numpy as np

from edge_mnv3_quantization.algorithms.gradients import Floats
from edge_mnv3_quantization.graph.heads import Head
from edge_mnv3_quantization.graph.network import UNSCALED, WEIGHTED, Array, Network

TEMPERATURE = 1.5  # the temperature of the softmax, or sigmoid, that weighs the classes
_LEAST = (
    0.04  # the weight of a score that is decided, as a share of the largest: it may be undecided elsewhere
)


def is_classified(network: Network, head: Head) -> bool:
    """Whether a head's logits are taken as scores of classes, of which the largest is the answer.

    Several numbers that a layer without activation gives are logits; other numbers are features, such as
    probabilities in percent.
    """
    if head.activation != "none":
        return head.activation == "softmax"
    made = network.producer(head.logits)
    if made is not None and made.kind == "depthwise":  # multiples
        given = network.producer(made.inputs[0])
        if given is not None and given.kind in UNSCALED:
            return False
    value = network.values[head.logits]
    return (
        made is not None
        and made.kind in WEIGHTED
        and made.clamp == "none"
        and value.channels > 1
        and value.positions == 1
    )


def of_classes(logits: Floats, signs: Array) -> Floats:
    """Makes a direction of logits from random signs -1 and 1.

    Its covariance is n (diag(p) - p pᵀ), where p are the softened probabilities. So an error counts where it
    can change the answer, and an error that all logits have in common does not count.
    """
    powers = np.exp((logits - logits.max()).astype(np.float64) / TEMPERATURE)
    chances = powers / powers.sum()
    signs = np.sqrt(chances) * signs
    return np.asarray((signs - chances * signs.sum()) * np.sqrt(logits.size), np.float32)


def of_labels(logits: Floats, signs: Array) -> Floats:
    """Makes a direction of the logits of sigmoids, whose covariance is 4 p (1 - p), but not nearly 0."""
    chances = 1.0 / (1.0 + np.exp(-logits.astype(np.float64) / TEMPERATURE))
    return np.asarray(np.sqrt(np.maximum(4 * chances * (1 - chances), _LEAST)) * signs, np.float32)


def of_features(signs: Array, spread: float) -> Floats:
    """Makes a direction of features in which all errors count alike, as shares of their spread."""
    return np.asarray(signs / max(spread, 1e-12), np.float32)
