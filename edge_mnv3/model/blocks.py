"""The building blocks of MobileNetV3 as Keras layers.

Layer classes, their order and names are those of `keras.applications`, so that its weight files load and
code that looks up a layer finds it. Layers that have no name there have none here: Keras counts them
(`re_lu_3`), and a name of ours could collide with one that it gives to a layer of the caller.
"""

from __future__ import annotations

from typing import Any

from keras import KerasTensor, layers

from edge_mnv3.model.arch import Activation, ExpandedBlock

BATCH_NORM = {"axis": -1, "epsilon": 1e-3, "momentum": 0.999}


def activate(x: KerasTensor, activation: Activation) -> KerasTensor:
    """ReLU or hard-swish, x · relu6(x + 3) / 6 (paper, section 5.2)."""
    if activation == "relu":
        return layers.ReLU()(x)
    return layers.Activation("hard_swish")(x)


def conv_bn_act(
    x: KerasTensor,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    stride: int = 1,
    activation: Activation | None = None,
) -> KerasTensor:
    """Convolution without bias, batch norm `<name>_bn`, activation."""
    x = layers.Conv2D(filters, kernel_size, strides=stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn", **BATCH_NORM)(x)
    return activate(x, activation) if activation else x


def squeeze_excite(x: KerasTensor, block: ExpandedBlock) -> KerasTensor:
    """Scales each channel by a gate in 0..1 computed from all channels' means (paper, section 5.3)."""
    prefix = f"{block.prefix}squeeze_excite_"
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{prefix}avg_pool")(x)
    gate = layers.Conv2D(block.se_channels, 1, padding="same", name=f"{prefix}conv")(gate)
    gate = layers.ReLU(name=f"{prefix}relu")(gate)
    gate = layers.Conv2D(block.exp_channels, 1, padding="same", name=f"{prefix}conv_1")(gate)
    gate = layers.ReLU(6.0)(gate + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{prefix}mul")([x, gate])


def inverted_residual(x: KerasTensor, block: ExpandedBlock) -> KerasTensor:
    """Expansion, depthwise convolution, squeeze-excite, projection, shortcut (paper, figure 4)."""
    shortcut, prefix = x, block.prefix
    if block.has_expansion:
        x = conv_bn_act(x, block.exp_channels, 1, name=f"{prefix}expand", activation=block.activation)
    if block.stride == 2:
        padding = _strided_padding(x, block.kernel_size)
        x = layers.ZeroPadding2D(padding, name=f"{prefix}depthwise_pad")(x)
    x = layers.DepthwiseConv2D(
        block.kernel_size,
        strides=block.stride,
        padding="same" if block.stride == 1 else "valid",
        use_bias=False,
        name=f"{prefix}depthwise",
    )(x)
    x = layers.BatchNormalization(name=f"{prefix}depthwise_bn", **BATCH_NORM)(x)
    x = activate(x, block.activation)
    if block.se_channels:
        x = squeeze_excite(x, block)
    x = conv_bn_act(x, block.out_channels, 1, name=f"{prefix}project")
    return layers.Add(name=f"{prefix}add")([shortcut, x]) if block.has_shortcut else x


def _strided_padding(x: KerasTensor, kernel_size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros on both sides of each axis for a stride-2 convolution, as TensorFlow's `same` places them.

    Source: `correct_pad` of `keras.applications.imagenet_utils`; an axis of unknown length counts as even.
    """
    half = kernel_size // 2

    def axis(size: Any) -> tuple[int, int]:
        return (half - 1 if size is None or size % 2 == 0 else half, half)

    return axis(x.shape[1]), axis(x.shape[2])
