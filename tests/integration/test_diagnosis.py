"""Diagnosis of int8 files with planted faults, on a network small enough to reckon by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.results.diagnose import DiagnoseResult, TensorCost
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.models import KernelCheck
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3_quantization.algorithms.weight_quantization import quantize_weights
from edge_mnv3_quantization.diagnosis import diagnose as diagnosis
from edge_mnv3_quantization.diagnosis.attribution import attribute
from edge_mnv3_quantization.diagnosis.diagnose import diagnose
from edge_mnv3_quantization.diagnosis.pair import Pair
from edge_mnv3_quantization.diagnosis.pairing import pair_files
from edge_mnv3_quantization.diagnosis.signal_noise import Survey, survey
from edge_mnv3_quantization.graph.network import Array, Network, Node, Value
from edge_mnv3_quantization.graph.rewrites import lower_hard_swish
from edge_mnv3_quantization.graph.scale_sharing import rescale, shared_scales, value_scales
from edge_mnv3_quantization.graph.types import Quantization
from int8_pairs import (
    CHANNELS,
    DEPTHWISE,
    EXCITATION,
    EXCITED,
    IMAGES,
    LOGITS,
    POOL,
    PROJECT,
    Int8,
    float_file,
    int8_of,
    small_network,
    with_weights,
)


def pair_of(float_content: bytes, int8_content: bytes) -> Pair:
    return pair_files(float_content, int8_content, float_name="f.tflite", int8_name="q.tflite")


def surveyed(pair: Pair) -> Survey:
    return survey(pair, IMAGES, kernels="xnnpack", float_name="f.tflite", int8_name="q.tflite")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """XNNPACK is not tried in a child process."""
    check = KernelCheck(loads=True, partitions=1, undelegated_ops={}, problem=None)
    monkeypatch.setattr(diagnosis, "probe", lambda path, kernels: check)


@pytest.fixture
def every_tensor(loads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the result list every tensor, not only the noisiest."""
    monkeypatch.setattr(diagnosis, "TOP", 99)


def diagnosed(folder: Path, network: Network, int8: Int8) -> DiagnoseResult:
    float_path, int8_path = folder / "f.tflite", folder / "q.tflite"
    float_path.write_bytes(float_file(network))
    int8_path.write_bytes(int8.to_bytes())
    return diagnose(float_path, int8_path, IMAGES, image_source="test")


def cost_of(result: DiagnoseResult, layer: str, kind: str = "value") -> TensorCost:
    return next(cost for cost in result.costs if (cost.layer, cost.kind) == (layer, kind))


def causes(cost: TensorCost) -> dict[str, str]:
    return {cause.kind: cause.text for cause in cost.causes}


@pytest.mark.parametrize("io", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("per_channel", [None, ()], ids=["convolution", "table"])
def test_equalization_scales_are_recovered(io: str, per_channel: Container[int] | None) -> None:
    network = small_network()
    lowered = rescale(lower_hard_swish(network, per_channel=per_channel), {})
    rng = np.random.default_rng(1)
    groups = {shared.group for shared in shared_scales(lowered).values() if shared.group is not None}
    scales = {group: np.exp(rng.uniform(-2, 2, lowered.values[group].channels)) for group in groups}
    int8 = int8_of(network, scales, per_channel=per_channel)
    pair = pair_of(float_file(network), int8.to_bytes(io))
    got = surveyed(pair).equalization.outputs
    wanted = {lowered.values[i].name: scale for i, scale in value_scales(lowered, scales).items()}
    # XNNPACK never rounds a table's hard-sigmoid.
    assert len(pair.values) == (11 if per_channel is None else 10)
    for value in pair.values:
        # They are noted as float32.
        np.testing.assert_allclose(got[value.int8_tensor], wanted[value.name], rtol=1e-5)


def test_folded_gate_is_seen_through(tmp_path: Path, loads: None) -> None:
    def constant(weights: Array, bias: Array) -> None:
        weights[:] = 0
        bias[:] = np.linspace(1, 5, len(bias))

    network = with_weights(small_network(), EXCITATION, constant)
    excitation = np.linspace(1, 5, CHANNELS)
    folded = [
        dataclasses.replace(node, inputs=(DEPTHWISE,), weights=node.weights_and_bias()[0] * excitation)
        if node.output == PROJECT
        else node
        for node in network.nodes
        if node.output not in (EXCITED, EXCITATION)
    ]
    result = diagnosed(tmp_path, network, int8_of(network.with_nodes(folded)))
    assert result.recipe.folded_squeeze_excites == 1
    assert not any(layer.layer == "excited" for layer in result.layers)
    project = next(layer for layer in result.layers if layer.layer == "project")
    # Rounding to 8 bits only; a scale that is missed would be an error as large as the signal, 0 dB.
    assert project.snr_db is not None
    assert project.snr_db > 25


def two_layers() -> tuple[Network, Int8]:
    rng = np.random.default_rng(3)
    network = Network(
        values={0: Value(name="image", shape=(1, 6, 6, 3)), 1: Value(name="one", shape=(1, 6, 6, 4))}
        | {2: Value(name="two", shape=(1, 6, 6, 3))},
        nodes=(
            Node(
                kind="conv", inputs=(0,), output=1, weights=rng.normal(0, 1, (4, 1, 1, 3)), bias=np.zeros(4)
            ),
            Node(
                kind="conv", inputs=(1,), output=2, weights=rng.normal(0, 1, (3, 1, 1, 4)), bias=np.zeros(3)
            ),
        ),
        input=0,
        outputs=(2,),
    )
    ranges = {
        0: Quantization(scale=1.0, zero_point=-128),
        1: Quantization(scale=float(np.float32(9.1)), zero_point=11),
        2: Quantization(scale=float(np.float32(12.3)), zero_point=-7),
    }
    weights = {n.output: quantize_weights(n, ranges[n.inputs[0]].scale) for n in network.nodes}
    return network, Int8(network, ranges, weights, {})


def test_costs_equal_an_independent_computation() -> None:
    network, int8 = two_layers()
    pair = pair_of(float_file(network), int8.to_bytes())
    costs = attribute(pair, surveyed(pair), IMAGES, top=2)
    first, second = (
        node.weights_and_bias()[0].reshape(-1, node.weights_and_bias()[0].shape[-1]) for node in network.nodes
    )
    pixels = IMAGES.reshape(-1, 3).astype(np.float64)

    def rounded(numbers: Array, value: int) -> Array:
        known = int8.ranges[value]
        stored = np.clip(np.rint(numbers / known.scale) + known.zero_point, -128, 127)
        result: Array = known.scale * (stored - known.zero_point)
        return result

    def stored(value: int) -> Array:
        known = int8.weights[value]
        real: Array = known.weights.reshape(len(known.bias), -1) * known.scales.astype(np.float64)[:, None]
        return real

    hidden = pixels @ first.T
    wanted = hidden @ second.T
    answers = {
        ("value", "one"): rounded(hidden, 1) @ second.T,
        ("value", "two"): rounded(wanted, 2),
        ("weights", "one"): pixels @ stored(1).T @ second.T,
        ("weights", "two"): hidden @ stored(2).T,
    }
    signal = np.square(wanted - wanted.mean(axis=0)).sum()
    alone = {key: np.square(answer - wanted).sum() / signal for key, answer in answers.items()}
    got = {(i.kind, i.value.layer): cost for i, cost in zip(costs.items, costs.alone, strict=True)}
    # float32 in the runtime, and numbers halfway between two steps.
    assert got == pytest.approx(alone, rel=2e-3)
    assert list(costs.alone) == sorted(costs.alone, reverse=True)
    # Errors of unlike origin hardly correlate: their squares add up, within their cross term.
    assert costs.cumulative[0] == costs.alone[0]
    assert costs.cumulative[1] == pytest.approx(sum(costs.alone[:2]), rel=0.25)


def test_healthy_file(tmp_path: Path, loads: None) -> None:
    result = diagnosed(tmp_path, small_network(), int8_of(small_network()))
    assert result.kernels == "xnnpack"
    assert result.xnnpack_problem is None
    assert result.refused == ()
    assert [layer.layer for layer in result.layers][:2] == ["stem", "swish_gate"]
    assert result.layers[-1].layer == "logits"
    assert result.snr_db == result.layers[-1].snr_db
    assert result.snr_db is not None
    assert result.predicted_snr_db is not None
    # The float file with everything rounded stands for the int8 kernels.
    assert result.predicted_snr_db == pytest.approx(result.snr_db, abs=2)
    assert [cost.rank for cost in result.costs] == list(range(1, 11))
    shares = sum(cost.share_percent for cost in result.costs)
    others = (
        100
        * result.other_noise_percent
        / (result.other_noise_percent + sum(cost.noise_percent for cost in result.costs))
    )
    assert shares + others == pytest.approx(100)
    assert result.recipe.hard_swishes == result.recipe.hard_swishes_as_convolution == 1
    assert result.recipe.corrected_operators == 0
    assert from_json(DiagnoseResult, to_json(result)) == result


def test_outlier_range_is_named(tmp_path: Path, loads: None) -> None:
    int8 = int8_of(small_network())
    known = int8.ranges[PROJECT]
    int8.ranges[PROJECT] = Quantization(scale=known.scale * 8, zero_point=0)
    result = diagnosed(tmp_path, small_network(), int8)
    assert (result.costs[0].layer, result.costs[0].kind) == ("project", "value")
    text = causes(result.costs[0])["outlier_range"]
    assert "of 256 steps hold all channels' numbers but 0.1 % on each side; channel" in text


def test_channel_imbalance_is_named_and_what_equalization_does(tmp_path: Path, every_tensor: None) -> None:
    sizes = np.array([1.0, 0.01, 0.01, 0.02])

    def shrink(weights: Array, bias: Array) -> None:
        weights *= sizes
        bias *= sizes

    def grow(weights: Array, bias: Array) -> None:
        weights /= sizes

    network = with_weights(with_weights(small_network(), DEPTHWISE, shrink), PROJECT, grow)
    network = with_weights(network, EXCITATION, grow)
    result = diagnosed(tmp_path, network, int8_of(network))
    depthwise = cost_of(result, "depthwise")
    assert "channel 0 spans 2" in causes(depthwise)["channel_imbalance"]  # two hundred and some
    assert depthwise.suggestion == ""  # lowered already: --recipe accurate would do no more
    equalized = diagnosed(tmp_path, network, int8_of(network, {DEPTHWISE: sizes}))
    assert cost_of(equalized, "depthwise").recipe_did[0] == "channels equalized, scales 1 to 100"
    assert cost_of(equalized, "depthwise").noise_percent < depthwise.noise_percent / 50
    assert equalized.recipe.equalized_values == 3  # with its mean and the product
    assert equalized.recipe.largest_factor_ratio == pytest.approx(100)
    assert equalized.snr_db is not None
    assert result.snr_db is not None
    assert equalized.snr_db > result.snr_db + 10


def test_clipping_is_named(tmp_path: Path, every_tensor: None) -> None:
    int8 = int8_of(small_network())
    known = int8.ranges[DEPTHWISE]
    int8.ranges[DEPTHWISE] = Quantization(scale=known.scale / 4, zero_point=-128)
    cost = cost_of(diagnosed(tmp_path, small_network(), int8), "depthwise")
    assert cost.causes[0].kind == "too_narrow"
    assert "range too narrow: " in cost.causes[0].text
    assert cost.suggestion == "calibrate on images like these"


def test_dead_channels_are_named(tmp_path: Path, every_tensor: None) -> None:
    def kill(weights: Array, bias: Array) -> None:
        weights[..., :3] = 0
        bias[:3] = -1

    network = with_weights(small_network(), DEPTHWISE, kill)
    result = diagnosed(tmp_path, network, int8_of(network))
    (layer,) = (layer for layer in result.layers if layer.layer == "depthwise")
    assert layer.dead_channels == 3
    assert "3 of 4 are constant" in causes(cost_of(result, "depthwise"))["dead_channels"]


def test_saturated_bias_is_named_and_its_cost_counted(tmp_path: Path, every_tensor: None) -> None:
    def swamp(weights: Array, bias: Array) -> None:
        weights[1] *= 1e-9
        bias[1] = 3.0

    network = with_weights(small_network(), PROJECT, swamp)
    result = diagnosed(tmp_path, network, int8_of(network))
    text = causes(cost_of(result, "project", "weights"))["saturated_bias"]
    assert "saturated bias in 1 of 4 channels: channel 1's is at 10737" in text
    assert "its weights keep 0 of 127 steps" in text


def test_weights_that_one_dwarfs_are_named(tmp_path: Path, every_tensor: None) -> None:
    def dwarf(weights: Array, bias: Array) -> None:
        weights[..., 0] = 20.0

    network = with_weights(small_network(), LOGITS, dwarf)
    cost = cost_of(diagnosed(tmp_path, network, int8_of(network)), "logits", "weights")
    assert cost.causes[0].kind == "uneven_rows"
    assert "half of the weights lie within " in cost.causes[0].text


def test_ratio_that_xnnpack_refuses_is_named(tmp_path: Path) -> None:
    int8 = int8_of(small_network())
    largest = float(int8.weights[LOGITS].scales.max()) * int8.ranges[POOL].scale
    int8.ranges[LOGITS] = Quantization(scale=largest / 300, zero_point=-128)
    result = diagnosed(tmp_path, small_network(), int8)
    assert result.kernels == "builtin"
    assert result.xnnpack_problem is not None
    assert "is 300, XNNPACK accepts below 256" in result.xnnpack_problem
    assert result.warnings[0].startswith("the int8 file does not load under XNNPACK, so the built-in kernels")
    (refused,) = result.refused
    assert (refused.layer, refused.op) == ("logits", "CONV_2D")
    assert refused.causes[0].text.startswith("scale ratio that XNNPACK refuses: operator ")
    assert cost_of(result, "logits").causes[0].kind == "xnnpack_ratio"


def test_moved_biases_are_told_and_taken_out_of_the_weights_cost(tmp_path: Path, every_tensor: None) -> None:
    int8 = int8_of(small_network())
    stored = int8.weights[PROJECT]
    taken = int8.network.producer(PROJECT)
    assert taken is not None
    unit = stored.scales.astype(np.float64) * int8.ranges[taken.inputs[0]].scale
    steps = np.rint(2 * int8.ranges[PROJECT].scale / unit).astype(np.int32)
    int8.weights[PROJECT] = dataclasses.replace(stored, bias=stored.bias + steps)
    result = diagnosed(tmp_path, small_network(), int8)
    assert result.recipe.corrected_operators == 1
    assert "4 of 4 biases moved by up to 2 steps of the output" in cost_of(result, "project").recipe_did


def test_files_with_other_names_are_paired_by_position() -> None:
    network, int8 = two_layers()
    edit = Edit(int8.to_bytes(), "q")
    for tensor in edit._graph.tensors:
        tensor.name = b"t" + tensor.name
    pair = pair_of(float_file(network), edit.to_bytes())
    assert [value.name for value in pair.values] == ["one", "two"]
    assert len(pair.weights) == 2


def test_other_weights_are_refused() -> None:
    pair = pair_of(float_file(small_network(0)), int8_of(small_network(1)).to_bytes())
    with pytest.raises(
        ModelFileError,
        match="model q.tflite: got weights that have nothing to do with the float file's, expected the int8 "
        "file made from f.tflite",
    ):
        surveyed(pair)


def test_float_file_of_no_finite_answers_is_refused() -> None:
    def spoil(weights: Array, bias: Array) -> None:
        bias[0] = np.nan

    broken = float_file(with_weights(small_network(), LOGITS, spoil))
    pair = pair_of(broken, int8_of(small_network()).to_bytes())
    with pytest.raises(ModelFileError, match="model f.tflite: got answers that are no finite numbers"):
        surveyed(pair)


def test_other_shapes_are_refused() -> None:
    network, int8 = two_layers()
    wider = dataclasses.replace(
        network,
        values={i: dataclasses.replace(v, shape=(1, 8, 8, v.channels)) for i, v in network.values.items()},
    )
    with pytest.raises(
        ModelFileError,
        match=r"tensor 'one': got shape \(1, 6, 6, 4\), expected \(1, 8, 8, 4\) as in the float",
    ):
        pair_of(float_file(wider), int8.to_bytes())


def test_other_networks_are_refused() -> None:
    _, int8 = two_layers()
    with pytest.raises(
        ModelFileError,
        match=r"no int8 tensor for \d+ of the float file's 12 values, the logits 'logits' among",
    ):
        pair_of(float_file(small_network()), int8.to_bytes())


def test_files_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    network, int8 = two_layers()
    float_content, int8_content = float_file(network), int8.to_bytes()
    with pytest.raises(
        ModelFileError, match="q.tflite: got weights of type float32, expected a file with int8 weights"
    ):
        pair_of(float_content, float_content)
    with pytest.raises(
        ModelFileError, match="f.tflite: got weights of type int8, expected a file with float32"
    ):
        pair_of(int8_content, int8_content)
    with pytest.raises(ModelFileError, match="model q.tflite: got no valid TFLite flatbuffer"):
        pair_of(float_content, int8_content[:40])
    with pytest.raises(ModelFileError, match="gone.tflite: got no such file, expected a .tflite file"):
        diagnose(tmp_path / "gone.tflite", tmp_path / "q.tflite", IMAGES, image_source="test")
