"""Models as the sources for apps see them."""

from __future__ import annotations

from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.packaging.app_context import AppContext

RGB_224 = ImageShape.square(224)


def app_context(
    dtype: str = "uint8",
    *,
    name: str = "flowers",
    image: ImageShape = RGB_224,
    classes: int = 5,
    model_file: str = "flowers.tflite",
    output_scale: float = 1 / 256,
) -> AppContext:
    """A model with `dtype` in and out; float input takes pixels less 127.5 over 127.5."""
    quantized = dtype != "float32"
    return AppContext(
        name=name,
        image=image,
        class_count=classes,
        model_file=model_file,
        labels_file="labels.txt",
        input_dtype=dtype,
        output_dtype=dtype,
        output_scale=output_scale if quantized else None,
        output_zero_point={"uint8": 0, "int8": -128}.get(dtype),
        float_input_mean=None if quantized else 127.5,
        float_input_std=None if quantized else 127.5,
    )
