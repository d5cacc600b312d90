"""The MobileNetV3 block tables, and what follows from them by arithmetic alone.

Source: Howard et al. 2019, "Searching for MobileNetV3" (arXiv 1905.02244), tables 1 and 2. The expanded
channels of a scaled network follow `keras.applications`: the expansion *ratio* is applied to the scaled
input width. Scaling `exp_size` itself gives other channels, for example at alpha 0.75.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.imagenet import IMAGENET_CLASSES

Activation = Literal["relu", "hard_swish"]
Size = Literal["small", "large"]

STEM_CHANNELS = 16  # not scaled by alpha
SE_RATIO = 0.25
LAST_EXPANSION = 6  # channels of conv_1 over those of the last block
DEFAULT_INPUT_SIZE = 224
MIN_INPUT_SIZE = 32


class Block(NamedTuple):
    """One row of the paper's tables."""

    kernel_size: int
    exp_size: int  # expanded channels at alpha=1, as in the paper
    out_channels: int
    use_se: bool
    activation: Activation
    stride: int


LARGE = (
    Block(3, 16, 16, False, "relu", 1),  # 112
    Block(3, 64, 24, False, "relu", 2),  # 112
    Block(3, 72, 24, False, "relu", 1),  # 56
    Block(5, 72, 40, True, "relu", 2),  # 56
    Block(5, 120, 40, True, "relu", 1),  # 28
    Block(5, 120, 40, True, "relu", 1),  # 28
    Block(3, 240, 80, False, "hard_swish", 2),  # 28
    Block(3, 200, 80, False, "hard_swish", 1),  # 14
    Block(3, 184, 80, False, "hard_swish", 1),  # 14
    Block(3, 184, 80, False, "hard_swish", 1),  # 14
    Block(3, 480, 112, True, "hard_swish", 1),  # 14
    Block(3, 672, 112, True, "hard_swish", 1),  # 14
    Block(5, 672, 160, True, "hard_swish", 2),  # 14
    Block(5, 960, 160, True, "hard_swish", 1),  # 7
    Block(5, 960, 160, True, "hard_swish", 1),  # 7
)
SMALL = (
    Block(3, 16, 16, True, "relu", 2),  # 112
    Block(3, 72, 24, False, "relu", 2),  # 56
    Block(3, 88, 24, False, "relu", 1),  # 28
    Block(5, 96, 40, True, "hard_swish", 2),  # 28
    Block(5, 240, 40, True, "hard_swish", 1),  # 14
    Block(5, 240, 40, True, "hard_swish", 1),  # 14
    Block(5, 120, 48, True, "hard_swish", 1),  # 14
    Block(5, 144, 48, True, "hard_swish", 1),  # 14
    Block(5, 288, 96, True, "hard_swish", 2),  # 14
    Block(5, 576, 96, True, "hard_swish", 1),  # 7
    Block(5, 576, 96, True, "hard_swish", 1),  # 7
)
BLOCKS: dict[Size, tuple[Block, ...]] = {"small": SMALL, "large": LARGE}
LAST_POINT_CHANNELS: dict[Size, int] = {"small": 1024, "large": 1280}


class Variant(NamedTuple):
    """A network of the family.

    Attributes:
        size: `small` or `large`.
        minimalistic: Without squeeze-excite, hard-swish and 5×5 kernels.
        alpha: Width multiplier, > 0.
    """

    size: Size
    minimalistic: bool
    alpha: float

    @property
    def name(self) -> str:
        """For example `small_minimalistic_1.0`."""
        return f"{self.network}_{self.alpha}"

    @property
    def network(self) -> str:
        """The name without the width, as published figures have it: `small_minimalistic`."""
        return f"{self.size}{'_minimalistic' if self.minimalistic else ''}"


VARIANTS: dict[str, Variant] = {
    "small": Variant("small", False, 1.0),
    "small_minimalistic": Variant("small", True, 1.0),
    "large": Variant("large", False, 1.0),
    "large_minimalistic": Variant("large", True, 1.0),
    "small_0.75": Variant("small", False, 0.75),
    "large_0.75": Variant("large", False, 0.75),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedBlock:
    """An inverted residual block with its channels at a given alpha.

    Attributes:
        prefix: Start of its layers' names, as in Keras.
        in_channels: Channels that enter.
        exp_channels: Channels after the expansion, which the depthwise convolution works on.
        out_channels: Channels after the projection.
        se_channels: Channels between the two squeeze-excite convolutions, or None without them.
        kernel_size: Side of the depthwise convolution's kernel.
        stride: Step of the depthwise convolution, in pixels.
        activation: After expansion and depthwise convolution.
        has_expansion: False for the first block, which has no expanding convolution.
    """

    prefix: str
    in_channels: int
    exp_channels: int
    out_channels: int
    se_channels: int | None
    kernel_size: int
    stride: int
    activation: Activation
    has_expansion: bool

    @property
    def has_shortcut(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.in_channels == self.out_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedNetwork:
    """A whole network with its channels at a given alpha.

    Attributes:
        variant: What was expanded.
        activation: What follows the first and the last convolutions.
        blocks: The inverted residual blocks in order.
        last_conv_channels: Output channels of `conv_1`.
        last_point_channels: Output channels of `conv_2`.
    """

    variant: Variant
    activation: Activation
    blocks: tuple[ExpandedBlock, ...]
    last_conv_channels: int
    last_point_channels: int


class WeightedLayer(NamedTuple):
    """A layer with weights, in the order of the graph.

    Attributes:
        name: Keras's name of the layer.
        kind: `conv` (KH, KW, in, out), `depthwise` (KH, KW, channels, 1) or `batch_norm` (channels,).
        shapes: Shapes of its weights in Keras's order: kernel, bias; or gamma, beta, mean, variance.
        output_pixels: Positions of its output, for the multiply-adds.
    """

    name: str
    kind: Literal["conv", "depthwise", "batch_norm"]
    shapes: tuple[tuple[int, ...], ...]
    output_pixels: int


def make_divisible(value: float, divisor: int = 8) -> int:
    """Rounds a channel count to a multiple of `divisor`, never below 90 % of it.

    Source: TF-Slim's `nets/mobilenet/mobilenet.py`, as used by Keras.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def parse_variant(name: str, alpha: float | None = None) -> Variant:
    """Returns the variant of a name such as `small_minimalistic` or `large_0.75`.

    Args:
        name: One of `VARIANTS`.
        alpha: Width multiplier; None for the one in the name, 1.0 where the name has none.

    Raises:
        ArgumentError: The name is unknown, `alpha` is not a finite number > 0, or it contradicts the name.
    """
    if name not in VARIANTS:
        raise ArgumentError("variant", repr(name), f"one of {', '.join(VARIANTS)}")
    variant = VARIANTS[name]
    if alpha is None:
        return variant
    alpha = check_alpha(alpha)
    if name.endswith("_0.75") and alpha != variant.alpha:
        plain = name.removesuffix("_0.75")
        raise ArgumentError(
            f"alpha of variant {name}", str(alpha), "0.75", f"use --variant {plain} --alpha {alpha}"
        )
    return variant._replace(alpha=alpha)


def check_alpha(alpha: float) -> float:
    """Returns `alpha` as a float.

    Raises:
        ArgumentError: It is not a finite number > 0.
    """
    is_number = isinstance(alpha, (int, float)) or hasattr(alpha, "__float__")
    if isinstance(alpha, (bool, str)) or not is_number or not 0 < float(alpha) < math.inf:
        raise ArgumentError("alpha", repr(alpha), "a finite number greater than 0")
    return float(alpha)


def expand(variant: Variant) -> ExpandedNetwork:
    """Applies alpha and `minimalistic` to the block table."""
    blocks = []
    in_channels = STEM_CHANNELS
    table = BLOCKS[variant.size]
    for index, block in enumerate(table):
        in_at_one = table[index - 1].out_channels if index else STEM_CHANNELS
        exp_channels = make_divisible(in_channels * (block.exp_size / in_at_one))
        if index == 0:
            exp_channels = in_channels
        out_channels = make_divisible(block.out_channels * variant.alpha)
        use_se = block.use_se and not variant.minimalistic
        blocks.append(
            ExpandedBlock(
                prefix=f"expanded_conv_{index}_" if index else "expanded_conv_",
                in_channels=in_channels,
                exp_channels=exp_channels,
                out_channels=out_channels,
                se_channels=make_divisible(exp_channels * SE_RATIO) if use_se else None,
                kernel_size=3 if variant.minimalistic else block.kernel_size,
                stride=block.stride,
                activation="relu" if variant.minimalistic else block.activation,
                has_expansion=index > 0,
            )
        )
        in_channels = out_channels
    last_point = LAST_POINT_CHANNELS[variant.size]
    if variant.alpha > 1:
        last_point = make_divisible(last_point * variant.alpha)
    return ExpandedNetwork(
        variant=variant,
        activation="relu" if variant.minimalistic else "hard_swish",
        blocks=tuple(blocks),
        last_conv_channels=make_divisible(in_channels * LAST_EXPANSION),
        last_point_channels=last_point,
    )


def weighted_layers(
    network: ExpandedNetwork,
    *,
    include_top: bool = True,
    classes: int = IMAGENET_CLASSES,
    input_size: int = DEFAULT_INPUT_SIZE,
) -> tuple[WeightedLayer, ...]:
    """Lists the layers with weights in Keras's order."""
    rows: list[WeightedLayer] = []

    def conv(name: str, kernel_size: int, inputs: int, outputs: int, side: int, *, norm: str | None) -> None:
        shapes: tuple[tuple[int, ...], ...] = ((kernel_size, kernel_size, inputs, outputs),)
        rows.append(WeightedLayer(name, "conv", shapes if norm else (*shapes, (outputs,)), side * side))
        if norm:
            rows.append(WeightedLayer(norm, "batch_norm", ((outputs,),) * 4, side * side))

    side = math.ceil(input_size / 2)
    conv("conv", 3, 3, STEM_CHANNELS, side, norm="conv_bn")
    for block in network.blocks:
        prefix, wide = block.prefix, block.exp_channels
        if block.has_expansion:
            conv(f"{prefix}expand", 1, block.in_channels, wide, side, norm=f"{prefix}expand_bn")
        side = math.ceil(side / block.stride)
        kernel = (block.kernel_size, block.kernel_size, wide, 1)
        rows.append(WeightedLayer(f"{prefix}depthwise", "depthwise", (kernel,), side * side))
        rows.append(WeightedLayer(f"{prefix}depthwise_bn", "batch_norm", ((wide,),) * 4, side * side))
        if block.se_channels:
            conv(f"{prefix}squeeze_excite_conv", 1, wide, block.se_channels, 1, norm=None)
            conv(f"{prefix}squeeze_excite_conv_1", 1, block.se_channels, wide, 1, norm=None)
        conv(f"{prefix}project", 1, wide, block.out_channels, side, norm=f"{prefix}project_bn")
    last = network.blocks[-1].out_channels
    conv("conv_1", 1, last, network.last_conv_channels, side, norm="conv_1_bn")
    if include_top:
        conv("conv_2", 1, network.last_conv_channels, network.last_point_channels, 1, norm=None)
        conv("logits", 1, network.last_point_channels, classes, 1, norm=None)
    return tuple(rows)


def count_parameters(layers: tuple[WeightedLayer, ...]) -> int:
    """Number of weights, the batch norms' moving statistics included, as Keras counts them."""
    return sum(math.prod(shape) for layer in layers for shape in layer.shapes)


def count_multiply_adds(layers: tuple[WeightedLayer, ...]) -> int:
    """Multiply-adds of the convolutions for one image; batch norms fold away and count nothing."""
    return sum(
        math.prod(layer.shapes[0]) * layer.output_pixels for layer in layers if layer.kind != "batch_norm"
    )
