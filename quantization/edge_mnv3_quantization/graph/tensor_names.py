"""What the names of tensors tell: the layer, its block, and what rewrites have appended."""

from __future__ import annotations

import re
from collections.abc import Sequence

HARD_SIGMOID_SUFFIX = "_gate"  # ends the names of tensors that `lower_hard_swish` adds, in users' files too
_ADDED = re.compile(rf"({HARD_SIGMOID_SUFFIX})?(_group_[0-9]+)?$")  # what rewrites append to names
_BLOCK = re.compile(r"(expanded_conv(?:_\d+)?)_(?:expand|depthwise|squeeze_excite|project|add)")
_WITHIN_BLOCK = re.compile(r"(activation|Mul)(_|$)")  # names that the converter numbers through
_NAMED_SEGMENTS = ("/convolution", "/depthwise", "/MatMul")


def layer_name(tensor: str) -> str:
    """Finds the layer of a tensor, whose name the converter joins from those of everything that it fused."""
    segments = [segment for segment in tensor.split(";") if segment]
    chosen = next(
        (s for s in segments if any(part in s for part in _NAMED_SEGMENTS)),
        segments[0] if segments else tensor,
    )
    parts = chosen.split("/")
    added = _ADDED.search(tensor)
    suffix = added[0] if added and not chosen.endswith(added[0]) else ""
    return (parts[1] if len(parts) > 1 else parts[0]) + suffix


def ungrouped(tensor: str) -> str:
    """Cuts the number of its channel group off a tensor's name."""
    added = _ADDED.search(tensor)
    return tensor.removesuffix(added[2]) if added and added[2] else tensor


def is_hard_sigmoid_name(tensor: str) -> bool:
    """Whether a tensor is the hard-sigmoid of a lowered hard-swish, by its name."""
    added = _ADDED.search(tensor)
    return bool(added and added[1])


def block_names(layers: Sequence[str]) -> tuple[str, ...]:
    """Finds the inverted residual of each layer, or the layer outside of any that it follows."""
    blocks: list[str] = []
    for layer in layers:
        block = _BLOCK.match(layer)
        if block:
            blocks.append(block[1])
        elif blocks and _WITHIN_BLOCK.match(layer):
            blocks.append(blocks[-1])
        else:
            blocks.append(layer)
    return tuple(blocks)
