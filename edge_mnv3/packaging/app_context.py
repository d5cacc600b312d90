"""What the sources for apps must know of a packaged model."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mnv3.core.results.images import ImageShape


@dataclass(frozen=True, slots=True, kw_only=True)
class AppContext:
    """One packaged model, as its app sources see it.

    Attributes:
        name: The model's name, as the user gave it; may hold spaces and letters of any script. Use it in
            comments only.
        image: Shape of the input without the batch: RGB or grey.
        class_count: Number of outputs, [1, classes].
        model_file: File name of the `.tflite` in the bundle, without folder: ASCII letters, digits, `.`, `_`
            and `-`, ending in `.tflite`.
        labels_file: File name of the labels in the bundle, without folder: UTF-8, one label a line, in the
            order of the outputs.
        input_dtype: `uint8`, `int8` or `float32`. A uint8 input takes pixels 0..255 as they are, an int8
            input the pixels less 128, a float32 input (pixel - mean) / standard deviation.
        output_dtype: `uint8`, `int8` or `float32`.
        output_scale: Score of one output step; None where the output is float32.
        output_zero_point: Output value of score 0; None where the output is float32.
        float_input_mean: Mean subtracted from pixels 0..255; None where the input is an integer.
        float_input_std: What the difference is divided by; None where the input is an integer.
    """

    name: str
    image: ImageShape
    class_count: int
    model_file: str
    labels_file: str
    input_dtype: str
    output_dtype: str
    output_scale: float | None
    output_zero_point: int | None
    float_input_mean: float | None
    float_input_std: float | None
