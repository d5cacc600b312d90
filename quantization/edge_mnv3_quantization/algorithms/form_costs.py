"""What the forms of a hard-swish cost on a phone's processor: modelled cycles of a Cortex-A76.

The figures of each form are the package's (`edge_mnv3/data/hard_swish_costs.toml`), made from exact counts of
instructions on the emulated processor; no clock has a part in them. They compare forms, and are no times.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from edge_mnv3.core.hard_swish_costs import FormCost, read_form_costs
from edge_mnv3_quantization.graph.map_views import rows_view
from edge_mnv3_quantization.graph.network import Value

CPU = "a76"
_SECOND_CACHE_BYTES = 512 * 1024  # what is larger than half of it is missed, as results lie side by side
# What one more convolution, or depthwise convolution, of fewer channels costs by itself.
EACH_OPERATOR = 400.0


@functools.cache
def _forms() -> dict[str, FormCost]:
    return {form: cost for (form, cpu), cost in read_form_costs().items() if cpu == CPU}


def _cycles(form: str, value: Value, channels: int) -> float:
    _, height, width, _ = (1, 1, *value.shape)[-4:]
    cost = _forms()[form]
    low, high = cost.cycles(height, width, channels)
    missed = height * width * value.channels * cost.bytes_per_element > _SECOND_CACHE_BYTES / 2
    return high if missed else low


def table_cycles(value: Value, groups: Sequence[int] = ()) -> float:
    """Models tables of a value, one for all channels or one for each group of so many channels."""
    return sum(_cycles("table", value, channels) for channels in groups or (value.channels,))


def gate_cycles(value: Value, channels: int | None = None) -> float:
    """Models a hard-sigmoid per channel of a value, and its product; for the value's channels, or so many."""
    channels = value.channels if channels is None else channels
    # Two operators cost more than one, also where the figures, which were made on large maps, say otherwise.
    *places, _ = (1, 1, 1, *value.shape)[-4:]
    form = "gate" if rows_view((*places, channels)) is None else "gate_rows"  # as the file is written
    return max(_cycles(form, value, channels), _cycles("table", value, channels) + EACH_OPERATOR)


def part_cycles(end: Value, channels: int) -> float:
    """Models one input, of so many channels, of the concatenation that gives a value."""
    return _cycles("part", end, channels)


def joining_cycles(end: Value, groups: Sequence[int]) -> float:
    """Models what groups cost beyond their tables: their concatenation, and smaller convolutions."""
    return sum(part_cycles(end, channels) for channels in groups) + (len(groups) - 1) * EACH_OPERATOR
