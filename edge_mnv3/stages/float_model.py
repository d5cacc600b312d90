"""The float model that stages work on, and the request for one of the user's."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.input_size import InputSize
from edge_mnv3.core.requests import AnyPath, Request
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import ModelFacts
from edge_mnv3.core.results.models import ModelSource, VariantInfo, WeightsInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest(Request):
    """A whole model of the user's.

    Attributes:
        path: A `.keras`, a whole-model `.h5`, a SavedModel folder, or a float `.tflite`.
        input_range: What its float input takes; None for what the model itself tells.
        input_size: Rows and columns, for a model that leaves them open.
    """

    path: AnyPath
    input_range: InputRange | None = None
    input_size: InputSize | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatModel:
    """A float `.tflite` file with what is known of it.

    Attributes:
        content: The file's bytes; batch 1, fixed shapes.
        facts: What it takes and gives.
        source: The whole model that it was made of; None for a variant.
        variant: The variant; None for a whole model.
        weights: Where the variant's weights came from; None for a whole model.
        from_cache: An earlier run converted it.
        timings_s: Step to seconds of wall time.
    """

    content: bytes
    facts: ModelFacts
    source: ModelSource | None = None
    variant: VariantInfo | None = None
    weights: WeightsInfo | None = None
    from_cache: bool = False
    timings_s: dict[str, float]

    @property
    def shape(self) -> ImageShape:
        """Shape of the input."""
        image = self.facts.input
        return ImageShape(height_px=image.height_px, width_px=image.width_px, channels=image.channels)

    @property
    def input_range(self) -> InputRange:
        """What the input takes."""
        return InputRange(self.facts.input.mean, self.facts.input.std)

    @property
    def classes(self) -> int | None:
        """How many classes labels may number; None where the outputs are no scores of classes."""
        first = self.facts.outputs[0]
        if len(self.facts.outputs) != 1 or first.task not in ("classes", "binary"):
            return None
        return 2 if first.task == "binary" else first.shape[0]
