"""Which form each hard-swish takes, and that none changes the answer."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.choices import HardSwishPolicy
from edge_mnv3.core.runtime import open_model
from edge_mnv3_quantization.algorithms import lowering
from edge_mnv3_quantization.algorithms.lowering import lower
from edge_mnv3_quantization.algorithms.measurement import measure
from edge_mnv3_quantization.algorithms.ranges import choose_ranges
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity
from edge_mnv3_quantization.graph.heads import logits_value
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.rewrites import is_hard_sigmoid, lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_int8
from random_networks import SIDE, TOLERANCE, original, outputs, random_network
from small_networks import float_outputs, int8_outputs, observed, random_images, rounded_weights

IMAGES = random_images(16, side=SIDE)


def network() -> Network:
    plain = random_network(5, hard=True, excite=True, shortcut=True)
    # The network's input is -2..2 for pixels 0..255.
    return Network(
        values=plain.values, nodes=plain.nodes, input=plain.input, outputs=plain.outputs,
        input_scale=4 / 255, input_offset=-2.0,
    )  # fmt: skip


def measured(given: Network) -> dict[int, Sensitivity]:
    return measure(given.up_to(logits_value(given)), observed(given, IMAGES), IMAGES, seed=0)


@functools.cache
def per_channel() -> tuple[Network, dict[int, Sensitivity]]:
    lowered_network = rescale(lower_hard_swish(network()), {})
    return lowered_network, measured(lowered_network)


def lowered(hard_swish: HardSwishPolicy) -> tuple[Network, dict[int, Sensitivity]]:
    forms = lowering.choose_forms(network(), *per_channel(), hard_swish)
    return lower(network(), *per_channel(), forms)


def hard_sigmoids(given: Network) -> list[str]:
    return [node.kind for node in given.nodes if is_hard_sigmoid(node)]


@pytest.mark.parametrize(
    ("hard_swish", "worth", "kinds"),
    [
        ("lowered", None, {"depthwise"}),
        ("fused", None, set()),
        ("auto", 0.0, {"depthwise"}),
        ("auto", 1e9, {"hard_sigmoid"}),
    ],
)
def test_forms_of_hard_swish(
    monkeypatch: pytest.MonkeyPatch, hard_swish: HardSwishPolicy, worth: float | None, kinds: set[str]
) -> None:
    if worth is not None:
        monkeypatch.setattr(lowering, "_WORTH", worth)
    given, sensitivities = lowered(hard_swish)
    assert set(hard_sigmoids(given)) == kinds
    count = sum(node.kind == "hard_swish" for node in network().nodes)
    assert len(hard_sigmoids(given)) == (0 if hard_swish == "fused" else count)
    assert sum(node.kind == "hard_swish" for node in given.nodes) == (count if hard_swish == "fused" else 0)
    assert all(node.factor == 1.0 for node in given.nodes)
    assert np.abs(outputs(given) - outputs(original(network()))).max() < TOLERANCE
    assert set(sensitivities) <= {node.output for node in given.nodes}
    # An error of a share of a value's whole range costs the same in either network: the products' constant
    # factors move both.
    before = per_channel()[1]
    for value, one in sensitivities.items():
        size = one.high.last() / before[value].high.last()
        np.testing.assert_allclose(one.rounding * size**2, before[value].rounding)


def test_sensitivities_are_those_of_the_table_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering, "_WORTH", 1e9)
    given, sensitivities = lowered("auto")
    anew = measured(given)
    for value in set(anew) & set(sensitivities):
        # The same images and directions; float32 rounding moves a number to another step here and there.
        np.testing.assert_allclose(sensitivities[value].rounding, anew[value].rounding, rtol=0.05, atol=1e-9)
        np.testing.assert_allclose(sensitivities[value].high.last(), anew[value].high.last(), rtol=1e-3)


def test_auto_mixes_both_by_what_scales_save(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for worth in (0.0, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0):
        monkeypatch.setattr(lowering, "_WORTH", worth)
        counts.append(hard_sigmoids(lowered("auto")[0]).count("depthwise"))
    # The higher the threshold, the fewer; between all and none there are mixes.
    assert counts == sorted(counts, reverse=True)
    assert set(counts) - {counts[0], 0}


def test_table_hard_sigmoids_run_in_int8_as_one_partition(tmp_path: Path) -> None:
    given = rescale(lower_hard_swish(network(), per_channel=frozenset()), {})
    given = given.up_to(logits_value(given))
    quantizations = choose_ranges(given, measured(given))
    weights = rounded_weights(given, quantizations)
    path = tmp_path / "table.tflite"
    path.write_bytes(write_int8(given, quantizations, weights, io="int8"))
    model = open_model(path, kernels="xnnpack")
    assert model.partitions == 1
    assert model.undelegated_ops == {}
    error = int8_outputs(given, quantizations, weights, IMAGES) - float_outputs(given, IMAGES)
    steps = error / quantizations[given.output].scale
    # A dozen nodes round their results and weights, each by up to half of its quantization step.
    assert np.sqrt(np.square(steps).mean()) < 6
    assert open_model(path, kernels="builtin").partitions == 0
