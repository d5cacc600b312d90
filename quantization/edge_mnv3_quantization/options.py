"""What a caller may choose about the int8 file, whatever the recipe."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mnv3.core.choices import (
    DEFAULT_HARD_SWISH,
    DEFAULT_IO,
    DEFAULT_TARGET,
    HardSwishPolicy,
    IoType,
    Target,
)
from edge_mnv3.core.input_range import PIXELS, InputRange


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationOptions:
    """Choices that every recipe takes.

    Attributes:
        io: The dtype of the int8 file's input and output.
        hard_swish: What becomes of each hard-swish; see `algorithms.lowering`.
        target: Where the file is to run. A phone's budget counts from the cheapest file and is spent on forms
            too; that of x86 is spent on copies alone.
        budget_percent: How much more modelled cost on an Arm processor than the cheapest file may be spent on
            accuracy, at least 0: on forms of hard-swish, where `auto` chooses them, and on channel
            copies. None: the cheapest forms that are accurate enough, and no copies.
        seed: The seed of the directions in which costs are measured, and of the positions to which weights
            are fitted.
        synthetic: Whether the calibration images are synthetic.
        input_range: What the float file's input takes.
    """

    io: IoType = DEFAULT_IO
    hard_swish: HardSwishPolicy = DEFAULT_HARD_SWISH
    target: Target = DEFAULT_TARGET
    budget_percent: float | None = None
    seed: int = 0
    synthetic: bool = False
    input_range: InputRange = PIXELS
