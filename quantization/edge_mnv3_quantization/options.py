"""What a caller may choose about the int8 file, whatever the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HardSwishPolicy = Literal["auto", "lowered", "fused"]
IoType = Literal["uint8", "int8", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationOptions:
    """Choices that every recipe takes.

    Attributes:
        io: The dtype of the int8 file's input and output.
        hard_swish: What becomes of each hard-swish; see `algorithms.lowering`.
        seed: The seed of the directions in which costs are measured, and of the positions to which weights
            are fitted.
        synthetic: Whether the calibration images are synthetic.
    """

    io: IoType = "uint8"
    hard_swish: HardSwishPolicy = "auto"
    seed: int = 0
    synthetic: bool = False
