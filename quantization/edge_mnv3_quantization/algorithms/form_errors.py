"""Estimated errors of the logits for each form that a hard-swish can have (`lowering`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_mnv3_quantization.algorithms.channel_groups import Chain, Division, divisions
from edge_mnv3_quantization.algorithms.equalization import group_scales
from edge_mnv3_quantization.algorithms.ranges import best_range
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.scale_sharing import shared_scales, value_scales


class FormErrors:
    """Squared errors of the logits, by what errors in a network's values cost.

    Attributes:
        total: The error of the whole network with scales per channel.
    """

    def __init__(self, network: Network, sensitivities: Mapping[int, Sensitivity]) -> None:
        self._sensitivities = sensitivities
        self._shared = shared_scales(network)
        self._scales = value_scales(network, group_scales(network, sensitivities))
        self._plain = {v: best_range(s).cost for v, s in sensitivities.items()}
        self._equalized = {v: best_range(s.divided(self._scales[v])).cost for v, s in sensitivities.items()}
        self.total = float(np.sum(list(self._equalized.values())))

    def table(self, x: int) -> float:
        """Adds up the cost, without any scales, of all values in the scale-sharing group of x."""
        return sum(self._plain[value] for value in self._sharing(x))

    def per_channel(self, x: int) -> float:
        """Adds up the cost, with equalization scales, of all values in the scale-sharing group of x."""
        return sum(self._equalized[value] for value in self._sharing(x))

    def groups(self, chain: Chain) -> list[Division]:
        """Divides a chain's first table and its product, for each number of groups."""
        return self._divisions(chain, (chain.x, chain.product))

    def groups_throughout(self, chain: Chain) -> list[Division]:
        """Divides a chain whose second hard-swish is a table too, for each number of groups.

        The costs include the values that share scales with the input of the second hard-swish.
        """
        beside = self.table(chain.depthwise) - self._plain[chain.depthwise]
        divided = self._divisions(chain, (chain.x, chain.product, chain.depthwise))
        return [one._replace(cost=one.cost + beside) for one in divided]

    def _divisions(self, chain: Chain, values: tuple[int, ...]) -> list[Division]:
        # Sorted by a value's scales, channels of like numbers lie together.
        orders = [np.argsort(self._scales[value], kind="stable") for value in (chain.x, chain.depthwise)]
        return divisions([self._sensitivities[value] for value in values], orders)

    def _sharing(self, x: int) -> list[int]:
        return [v for v in self._sensitivities if self._shared[v].group == self._shared[x].group]
