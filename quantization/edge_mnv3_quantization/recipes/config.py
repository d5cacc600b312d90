"""The quantization recipes as data: everything that names, lists, describes or runs a recipe reads `RECIPES`.

Reading it needs the standard library only. To add a recipe, add a `RecipeConfig` to `RECIPES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_mnv3.core.choices import DEFAULT_HARD_SWISH, HARD_SWISH_POLICIES, HardSwishPolicy

Engine = Literal["equalized", "converter"]

TRIAL_IMAGES = 48  # to fit a trial network to, and as many others to compare it on


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeConfig:
    """One way to quantize.

    Attributes:
        name: What `--recipe` calls it.
        summary: A few words for `--help`.
        description: One sentence for the documentation, in Markdown.
        engine: `equalized` rewrites the graph, equalizes channels and writes the file itself; `converter` is
            TensorFlow's converter. The fields below, down to `hard_swish_policies`, are for `equalized` only.
        measured_images: The most calibration images on which the cost of errors is measured.
        refitted_images: The most calibration images to which weights are fitted.
        refits_weights: Weights and biases are fitted to what the int8 network computes; otherwise weights are
            rounded to nearest.
        equalization_exponents: The powers of the equalization scales that trials compare, where there are
            enough photographs for trials.
        untried_exponent: The power that is taken without trials.
        clipping: What clipping photographs costs, as a share of what is measured: refitted weights make up
            for a part of it.
        hard_swish_policies: The values that `--hard-swish` may have.
        benchmarked: `bench --variant`, `reproduce` and the benchmarks make its file where none is named.
        synthetic_warning: The warning to users who calibrate on synthetic images.
    """

    name: str
    summary: str
    description: str
    engine: Engine
    measured_images: int = 0
    refitted_images: int = 500
    refits_weights: bool = False
    equalization_exponents: tuple[float, ...] = ()
    untried_exponent: float = 0.0
    clipping: float = 1.0
    hard_swish_policies: tuple[HardSwishPolicy, ...] = (DEFAULT_HARD_SWISH,)
    benchmarked: bool = False
    synthetic_warning: str

    def exponents_to_try(self, images: int, *, synthetic: bool) -> tuple[float, ...]:
        """Returns the exponents that trials compare; none where they would not find the best.

        Args:
            images: Number of calibration images.
            synthetic: The images are synthetic.
        """
        return () if synthetic or images < 2 * TRIAL_IMAGES else self.equalization_exponents

    @property
    def needs_tensorflow(self) -> bool:
        """Whether TensorFlow's converter does the work, whatever the model's format is."""
        return self.engine == "converter"

    @property
    def chooses_forms(self) -> bool:
        """Whether it chooses the forms of hard-swish for a target."""
        return self.engine == "equalized"

    @property
    def copies_channels(self) -> bool:
        """Whether it spends a budget on channel copies."""
        return self.engine == "equalized"

    @property
    def reuses_statistics(self) -> bool:
        """Whether stored statistics of the float model save it work."""
        return self.engine == "equalized"


# With 1 or 0.75 and refitted weights, the images of a trial may lose as little, but some others lose much.
_EXPONENTS = (0.5, 0.0)
_UNTRIED_EXPONENT = 0.5  # few images and synthetic ones do not tell which exponent is best for others
# Of small with a budget, over three draws of 200 photographs, 0.6 to 0.3 differ by less than chance; 1 and
# 1.6 are worse.
_CLIPPING = 0.5
_SYNTHETIC_COSTS = (
    "calibrating on synthetic images, which costs up to two or three points of accuracy: "
    "use --calibration with your app's own images"
)

RECIPES: dict[str, RecipeConfig] = {
    config.name: config
    for config in (
        RecipeConfig(
            name="stock",
            summary="TensorFlow's converter",
            description="TensorFlow's `TFLiteConverter` with `TFLITE_BUILTINS_INT8`, tensor by tensor: the "
            "baseline to compare with",
            engine="converter",
            benchmarked=True,
            synthetic_warning="calibrating on synthetic images: --calibration with your app's own images may "
            "be more accurate",
        ),
        RecipeConfig(
            name="accurate",
            summary="keeps the answers",
            description="all points below",
            engine="equalized",
            measured_images=500,
            refits_weights=True,
            clipping=_CLIPPING,
            equalization_exponents=_EXPONENTS,
            untried_exponent=_UNTRIED_EXPONENT,
            hard_swish_policies=HARD_SWISH_POLICIES,
            benchmarked=True,
            synthetic_warning=_SYNTHETIC_COSTS,
        ),
        RecipeConfig(
            name="fast",
            summary="without refitting weights",
            description="all points below but 5: no weight is refitted, and costs are measured on 32 images",
            engine="equalized",
            measured_images=32,
            equalization_exponents=(1.0, 0.5, 0.0),
            untried_exponent=_UNTRIED_EXPONENT,
            hard_swish_policies=HARD_SWISH_POLICIES,
            synthetic_warning=_SYNTHETIC_COSTS,
        ),
    )
}
DEFAULT_RECIPE = "accurate"
