"""The float network's numbers at positions that are drawn in advance, from one run over the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3_quantization.algorithms.draws import random_generator
from edge_mnv3_quantization.calibration.activations import Images, float_input
from edge_mnv3_quantization.graph.network import Network, Node
from edge_mnv3_quantization.graph.writer import write_float

Positions = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

# How many positions of an image are drawn at random. Of a depthwise convolution, whose channels have few
# weights, fewer are enough.
_POSITIONS, _DEPTHWISE_POSITIONS = 48, 16
_FULL_IMAGES = 200  # of more images fewer positions are drawn, so that there are as many in all
# Weights that take maps of more positions are few, and so many images are enough for them. Of other images,
# maps of this size, which would need the most memory, need not be kept.
_LARGE_MAP, LARGE_MAP_IMAGES = 1000, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatResults:
    """What a float network gives at some positions of each of N images, before the clamps of its nodes.

    Attributes:
        positions: From `drawn_positions`.
        numbers: Node output to its numbers at the positions, (images, positions, C).
        shortcuts: Node output to what is added to it, at the same positions, (images, positions, C); for the
            nodes that `shortcut_of` finds one for.
    """

    positions: Mapping[int, Positions]
    numbers: Mapping[int, Floats]
    shortcuts: Mapping[int, Floats]

    def of_images(self, images: slice) -> FloatResults:
        """Returns the results of some of the images."""
        return FloatResults(
            positions={value: positions[images] for value, positions in self.positions.items()},
            numbers={value: numbers[images] for value, numbers in self.numbers.items()},
            shortcuts={value: numbers[images] for value, numbers in self.shortcuts.items()},
        )


def shortcut_of(network: Network, node: Node) -> int | None:
    """Finds the value around a node's block that is added to its output, and to nothing else; None for none.

    The node's input depends on it, so that it is known in int8 before the node's weights are.
    """
    takers = network.consumers(node.output)
    if len(takers) != 1 or takers[0].kind != "add" or node.output in network.outputs or node.clamp != "none":
        return None
    others = [value for value in takers[0].inputs if value != node.output]
    before = network.up_to(node.inputs[0])
    known = {before.input, *(one.output for one in before.nodes)}
    return others[0] if len(others) == 1 and others[0] in known else None


def drawn_positions(network: Network, nodes: Sequence[Node], images: int, seed: int) -> dict[int, Positions]:
    """Draws, node by node and image by image, the positions of each node's output that are used.

    Returns:
        Node output to positions, counted row by row, (images, positions), ascending for each image. Nodes
        that take a large map have positions of the first images only.
    """
    rng = random_generator(seed)
    drawn = {}
    for node in nodes:
        shown = images
        if network.values[node.inputs[0]].positions > _LARGE_MAP:
            shown = min(images, LARGE_MAP_IMAGES)
        positions = np.arange(network.values[node.output].positions)
        most = _DEPTHWISE_POSITIONS if node.kind == "depthwise" else _POSITIONS
        most = -(-most * _FULL_IMAGES // max(shown, _FULL_IMAGES))
        if len(positions) > most:
            chosen = [np.sort(rng.choice(positions, most, replace=False)) for _ in range(shown)]
            drawn[node.output] = np.stack(chosen)
        else:
            drawn[node.output] = np.tile(positions, (shown, 1))
    return drawn


def float_results(
    reference: Network, positions: Mapping[int, Positions], images: Images, *, workers: int | None = None
) -> FloatResults:
    """Runs the float network once for each image.

    Args:
        reference: The float network.
        positions: Output of each node that is asked for to its positions, from `drawn_positions`.
        images: (N, H, W, 3) uint8.
        workers: Threads; None for as many as there are cores.
    """
    if not positions:
        return FloatResults(positions={}, numbers={}, shortcuts={})
    nodes = [node for node in reference.nodes if node.output in positions]
    around = {node.output: value for node in nodes if (value := shortcut_of(reference, node)) is not None}
    network, outputs = _without_clamps(reference, list(positions))
    content = write_float(network, [*outputs, *around.values()])
    numbers, shortcuts = (
        {
            value: np.empty((*positions[value].shape, reference.values[value].channels), np.float32)
            for value in values
        }
        for values in (positions, around)
    )
    kept = [*numbers.items(), *shortcuts.items()]

    def run(share: tuple[LoadedModel, range]) -> None:
        model, places = share
        for image in places:
            whole = model.run_raw(float_input(reference, images[image]))
            for (value, drawn), output in zip(kept, whole, strict=True):
                if image < len(drawn):
                    drawn[image] = output.reshape(-1, output.shape[-1])[positions[value][image]]

    workers = min(workers or available_cores(), len(images))
    shares = [(open_bytes(content), range(worker, len(images), workers)) for worker in range(workers)]
    map_in_threads(run, shares, workers)
    return FloatResults(positions=positions, numbers=numbers, shortcuts=shortcuts)


def _without_clamps(network: Network, outputs: Sequence[int]) -> tuple[Network, list[int]]:
    """Adds an unclamped copy of each of some nodes that clamp.

    Returns:
        The network with the copies, and for each of `outputs` the value before the clamp.
    """
    wanted, nodes, values = set(outputs), [], dict(network.values)
    unclamped = {value: value for value in outputs}
    for node in network.nodes:
        nodes.append(node)
        if node.output in wanted and node.clamp != "none":
            twin = unclamped[node.output] = max(values) + 1
            like = values[node.output]
            values[twin] = dataclasses.replace(like, name=f"{like.name}_unclamped")
            nodes.append(dataclasses.replace(node, output=twin, clamp="none"))
    return network.with_nodes(nodes, values), [unclamped[value] for value in outputs]
