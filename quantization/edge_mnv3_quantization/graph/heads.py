"""The heads of a network: where the numbers are whose errors count, and what becomes of them."""

from __future__ import annotations

from typing import NamedTuple

from edge_mnv3.core.results.model_facts import Activation
from edge_mnv3_quantization.graph.network import Kind, Network

_ACTIVATIONS: dict[Kind, Activation] = {"softmax": "softmax", "logistic": "sigmoid"}


class Head(NamedTuple):
    """One output of a network.

    Attributes:
        output: The output.
        logits: The last value with real numbers of any size: what a softmax or sigmoid takes, or the output.
        activation: What follows the logits.
    """

    output: int
    logits: int
    activation: Activation


def heads(network: Network) -> tuple[Head, ...]:
    """Finds the heads, in the order of the outputs."""
    return tuple(_head(network, output) for output in network.outputs)


def logits_values(network: Network) -> tuple[int, ...]:
    """Finds the logits of all heads, in the order of execution, each once."""
    wanted = {head.logits for head in heads(network)}
    return tuple(
        value for value in (network.input, *(node.output for node in network.nodes)) if value in wanted
    )


def logits_value(network: Network) -> int:
    """Finds the logits of a network of one output."""
    return _head(network, network.output).logits


def _head(network: Network, output: int) -> Head:
    value = output
    activation: Activation = "none"
    while (last := network.producer(value)) is not None and last.kind in ("softmax", "logistic", "reshape"):
        if last.kind in _ACTIVATIONS and activation != "none":
            break  # an activation of an activation: what is between them is what counts
        activation = _ACTIVATIONS.get(last.kind, activation)
        value = last.inputs[0]
    return Head(output, value, activation)
