"""Models as the sources for apps see them."""

from __future__ import annotations

from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import Activation, OutputFacts, Task
from edge_mnv3.packaging.app_context import AppContext, AppOutput

RGB_224 = ImageShape.square(224)


def app_output(
    dtype: str = "uint8",
    *,
    task: Task = "classes",
    count: int = 5,
    step: float = 1 / 256,
    name: str = "output",
) -> AppOutput:
    """An output of `count` numbers; labels hold from a probability of one half on."""
    activation: Activation = "none" if task == "embedding" else "softmax" if task == "classes" else "sigmoid"
    return AppOutput(
        facts=OutputFacts(name=name, shape=(count,), activation=activation, task=task),
        shape=(1, count),
        dtype=dtype,
        scale=None if dtype == "float32" else step,
        zero_point={"uint8": 0, "int8": -128}.get(dtype),
        labels_file=None if task == "embedding" else "labels.txt",
        thresholds=(0.5,) * count if task in ("labels", "binary") else (),
        golden_limit=1000 if dtype == "float32" else 1,
        golden_step=None if dtype == "float32" else step,
    )


def app_context(
    dtype: str = "uint8",
    *outputs: AppOutput,
    name: str = "flowers",
    image: ImageShape = RGB_224,
    model_file: str = "flowers.tflite",
) -> AppContext:
    """A model with `dtype` in, and out where no outputs are given; float input takes -1..1."""
    mean = 127.5 if dtype == "float32" else None
    return AppContext(
        name=name,
        image=image,
        model_file=model_file,
        input_name="image",
        input_dtype=dtype,
        float_input_mean=mean,
        float_input_std=mean,
        outputs=outputs or (app_output(dtype),),
        golden_count=10,
    )
