"""Layers by the names of tensors."""

from __future__ import annotations

import pytest

from edge_mnv3_quantization.graph.tensor_names import layer_name


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("Net_1/conv_bn_1/batchnorm/add_1;Net_1/conv_1/convolution;Net_1/conv_bn_1/Cast", "conv_1"),
        ("Net_1/re_lu_1/Relu;Net_1/expanded_conv_depthwise_1/depthwise;;x", "expanded_conv_depthwise_1"),
        ("Net_1/activation_1/mul;;Net_1/activation_1/Relu6", "activation_1"),
        ("Net_1/activation_1/mul;;Net_1/activation_1/truediv_gate", "activation_1_gate"),
        ("StatefulPartitionedCall:01", "StatefulPartitionedCall:01"),
        ("", ""),
    ],
)
def test_layer_names(name: str, layer: str) -> None:
    assert layer_name(name) == layer
