"""Files of the recipes have no product that processors round differently."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from edge_mnv3_quantization.algorithms.rounding_ties import rounded_differently
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.types import Quantization
from edge_mnv3_quantization.graph.writer import write_float
from edge_mnv3_quantization.recipes import equalized
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.quantize import quantize
from random_networks import original, wide_network

Written = tuple[Network, Mapping[int, Quantization]]


def written(monkeypatch: pytest.MonkeyPatch, channels: int) -> Written:
    """What the recipe hands to the writer."""
    calls: list[Written] = []

    def note(network: Network, quantizations: Mapping[int, Quantization], *_: object, **__: object) -> bytes:
        calls.append((network, quantizations))
        return b""

    network = original(wide_network(channels))
    images = np.random.default_rng(0).integers(0, 256, (4, *network.values[network.input].shape[1:]))
    with monkeypatch.context() as patched:
        patched.setattr(equalized, "write_int8", note)
        float_model = write_float(network, [network.output], pixels=True)
        quantize(float_model, images.astype(np.uint8), RECIPES["fast"])
    return calls[-1]


def ties(network: Network, quantizations: Mapping[int, Quantization]) -> int:
    return sum(
        rounded_differently(*[quantizations[value] for value in (*node.inputs, node.output)])
        for node in network.nodes
        if node.kind == "mul"
    )


def test_products_are_rounded_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = range(28, 42)
    assert not any(ties(*written(monkeypatch, channels)) for channels in sizes)
    # Some of them would have ties.
    monkeypatch.setattr(equalized, "away_from_ties", lambda _, quantizations: quantizations)
    assert any(ties(*written(monkeypatch, channels)) for channels in sizes)
