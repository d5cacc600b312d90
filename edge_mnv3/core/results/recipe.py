"""What a quantization recipe did: part of `quantize.json`, and noted inside the int8 file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentTrial:
    """A trial network, whose equalization scales were raised to a power.

    Attributes:
        exponent: The power.
        logits_mse: Mean squared error of its logits against float's, over the images of the trial.
    """

    exponent: float
    logits_mse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HardSwishForm:
    """What became of one hard-swish.

    Attributes:
        layer: The hard-swish's layer in the float file.
        input_layer: The layer whose output it takes.
        form: `table`, `table_by_groups`, `per_channel`, or `operator`: HARD_SWISH itself.
        groups: Number of channel groups, each with a table; 1 for the other forms.
    """

    layer: str
    input_layer: str
    form: str
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedLayer:
    """A layer some of whose output channels are computed several times, each time rounded at other places.

    What follows channel by channel follows each copy, up to the next layer that takes all channels at once.

    Attributes:
        layer: The first layer with the copies.
        channels: Its output channels in the float file.
        copied_channels: How many of them are computed more than once.
        added_channels: How many output channels it has more than in the float file.
        most_copies: The most copies of one channel, itself included.
    """

    layer: str
    channels: int
    copied_channels: int
    added_channels: int
    most_copies: int


ONLY_GAIN = 1e6  # the ridge of weights that only a gain multiplies


@dataclass(frozen=True, slots=True, kw_only=True)
class RefittedLayer:
    """A layer whose biases, and weights where that is better, were fitted to what the int8 network computes.

    Ridges are in units of the mean variance of the layer's inputs: the larger, the nearer the weights stay to
    the float ones. A depthwise convolution has one for each channel, other layers have one for all. With the
    ridge 1000000, weights stay but for a factor, the gain.

    Attributes:
        layer: Short name of the layer.
        channels: Output channels.
        refitted_channels: Output channels whose weights moved; of the others only the biases did.
        smallest_ridge: The smallest of the channels whose weights moved; None where there are none.
        median_ridge: The median of the same channels.
        largest_ridge: The largest of the same channels.
    """

    layer: str
    channels: int
    refitted_channels: int
    smallest_ridge: float | None
    median_ridge: float | None
    largest_ridge: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRange:
    """The real numbers that a tensor can hold.

    Attributes:
        layer: Short name of the layer; several tensors may have the same.
        tensor: Name of the tensor in the int8 file.
        low: Smallest number.
        high: Largest number.
        scale: Real value of one quantization step.
        zero_point: Stored int8 value of real 0.
    """

    layer: str
    tensor: str
    low: float
    high: float
    scale: float
    zero_point: int


def _without_copies(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 1: no channel was copied then."""
    return {**data, "copied_layers": [], "copies_cost_percent": 0.0}


def _without_target(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 2: a budget was for copies alone then, and what forms cost on Arm was not told."""
    return {**data, "target": "x86", "forms_cost_percent": None, "divided_channels": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeReport:
    """What a recipe decided, layer by layer.

    The engine `converter` is TensorFlow's quantizer and tells nothing: its lists are empty.

    Attributes:
        recipe: Name of the recipe.
        engine: `equalized` or `converter`.
        images: Calibration images.
        measured_images: Calibration images on which the cost of errors was measured.
        equalization_exponent: The power to which equalization scales were raised; None for `converter`.
        exponent_trials: The powers that were tried; empty where the images do not allow trials.
        hard_swishes: What became of each hard-swish, in the order of execution.
        target: Where the file is to run: `phone` or `x86`; empty for `converter`.
        forms_cost_percent: How much more modelled cost on an Arm processor the forms have than a table for
            each hard-swish; None where it is not known.
        divided_channels: Layer to how many of its channels have their own scale in a table: hard-swish is the
            identity in them, or a stretched part of its curve takes its place.
        channel_groups: Layer of a divided convolution to the number of channels of each group.
        copied_layers: Layers with channel copies, in the order of execution.
        copies_cost_percent: How much modelled cost on an Arm processor the copies add to that.
        folded_excitations: Layers of the squeeze-excite excitations that were constant, and are folded into
            the next weights.
        refitted_layers: Refitted layers, in the order of execution; empty for recipes that refit none.
        ranges: Range of each value of the network, in the order of execution. Empty where the report is read
            from an int8 file, whose tensors hold them.
        phases_s: Phase to seconds of wall time; empty where the report is read from an int8 file.
    """

    FORMAT: ClassVar[Format] = Format("recipe_report", (_without_copies, _without_target))
    schema_version: int = FORMAT.version
    recipe: str
    engine: str
    images: int
    measured_images: int
    equalization_exponent: float | None
    exponent_trials: tuple[ExponentTrial, ...]
    hard_swishes: tuple[HardSwishForm, ...]
    target: str
    forms_cost_percent: float | None
    divided_channels: dict[str, int]
    channel_groups: dict[str, tuple[int, ...]]
    copied_layers: tuple[CopiedLayer, ...]
    copies_cost_percent: float
    folded_excitations: tuple[str, ...]
    refitted_layers: tuple[RefittedLayer, ...]
    ranges: tuple[TensorRange, ...]
    phases_s: dict[str, float]
