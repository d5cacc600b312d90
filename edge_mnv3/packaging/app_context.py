"""What the sources for apps must know of a packaged model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import OutputFacts

# What the sources are for: the best of several classes; labels that hold or not; one embedding; any outputs.
AppKind = Literal["classes", "labels", "embedding", "outputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOutput:
    """One output of a packaged model, as its app sources see it.

    Attributes:
        facts: What it gives; its name is the one of the model's signature.
        shape: Dimensions with the batch of 1.
        dtype: `uint8`, `int8` or `float32`.
        scale: Real value of one step; None where the output is float32.
        zero_point: Stored value of 0; None where the output is float32.
        labels_file: File name of its labels in the bundle, without folder: UTF-8, one label a line, in the
            order of the numbers; None where it has none.
        thresholds: For `binary` and `labels`: a label holds where its score lies above this; else empty.
        golden_limit: How far a number may be from the golden one under XNNPACK, in `golden_step`.
        golden_step: What the limit counts, in real numbers; None for millionths of an image's largest golden
            number.
    """

    facts: OutputFacts
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    labels_file: str | None
    thresholds: tuple[float, ...] = ()
    golden_limit: int
    golden_step: float | None

    @property
    def count(self) -> int:
        """How many numbers it gives."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """One packaged model, as its app sources see it.

    Attributes:
        name: The model's name, as the user gave it; may hold spaces and letters of any script. Use it in
            comments only.
        image: Shape of the input without the batch: RGB or grey.
        model_file: File name of the `.tflite` in the bundle, without folder: ASCII letters, digits, `.`, `_`
            and `-`, ending in `.tflite`.
        input_name: Name of the input in the model's signature.
        input_dtype: `uint8`, `int8` or `float32`. A uint8 input takes pixels 0..255 as they are, an int8
            input the pixels less 128, a float32 input (pixel - mean) / standard deviation.
        float_input_mean: Mean subtracted from pixels 0..255; None where the input is an integer.
        float_input_std: What the difference is divided by; None where the input is an integer.
        outputs: The outputs, in the file's order.
        golden_count: How many golden images the bundle has.
    """

    name: str
    image: ImageShape
    model_file: str
    input_name: str
    input_dtype: str
    float_input_mean: float | None
    float_input_std: float | None
    outputs: tuple[AppOutput, ...]
    golden_count: int

    @property
    def kind(self) -> AppKind:
        """What the sources are for."""
        if len(self.outputs) != 1 or self.outputs[0].facts.task == "map":
            return "outputs"
        task = self.outputs[0].facts.task
        return "labels" if task == "binary" else task

    @property
    def dtypes(self) -> set[str]:
        """Types of all inputs and outputs."""
        return {self.input_dtype, *(output.dtype for output in self.outputs)}
