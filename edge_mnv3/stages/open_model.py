"""Float models, wherever they come from: one value for the stages that work on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.reporting import Phase, Reporter
from edge_mnv3.core.results.images import RGB_CHANNELS, ImageShape
from edge_mnv3.core.results.model_facts import InputFacts, ModelFacts, OutputFacts
from edge_mnv3.core.tensorflow_package import check_tensorflow
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.model.graphs import (
    GraphRequest,
    ResolvedGraph,
    own_input_size,
    resolve_graph,
)
from edge_mnv3.model.model_files import model_format
from edge_mnv3.stages.float_file import WAITING, FloatFile, float_file
from edge_mnv3.stages.float_model import FloatModel, ModelRequest
from edge_mnv3.stages.whole_models import whole_model
from edge_mnv3_quantization.recipes.expected import READ_IMAGE_S

READING = "reading calibration images"  # the step in which a stage reads them


def check_model_packages(request: GraphRequest | ModelRequest) -> None:
    """Refuses a model that needs TensorFlow where there is none; a float `.tflite` does not need it.

    Stages call it before anything else: nothing is downloaded or decoded in vain.

    Raises:
        InputFileError: There is no model, or of an unknown format.
        MissingExtraError: TensorFlow is needed, and not installed.
        RuntimeUnavailableError: The installed TensorFlow is too old.
    """
    if isinstance(request, GraphRequest):
        check_tensorflow("building a MobileNetV3")
        return
    path = Path(request.path)
    if model_format(path) != "tflite":
        check_tensorflow(f"model {path}")


def model_name(request: GraphRequest | ModelRequest) -> str:
    """Names the files that are made of a model."""
    if isinstance(request, ModelRequest):
        path = Path(request.path)
        return (path.name if path.is_dir() else path.stem).removesuffix("_float")
    return f"mobilenet_v3_{request.variant.name}_{own_input_size(request)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """A model whose input is known, while its float file may still be in the making.

    Attributes:
        shape: Shape of the input.
        classes: How many classes labels may number; None where the outputs are no scores of classes.
        made: Waits for the float file and returns it.
        expected_s: Seconds until it is there, on two x86-64 cores.
        multiply_adds: Multiply-adds of one inference.
    """

    shape: ImageShape
    classes: int | None
    expected_s: float
    multiply_adds: int
    made: Callable[[], FloatModel]

    def first_phases(self, images: int) -> list[Phase]:
        """Tells the phases with which a stage begins: it reads images, and waits for the float file."""
        reading_s = images * READ_IMAGE_S
        return [Phase(READING, reading_s), Phase(WAITING, max(self.expected_s - reading_s, 0.0))]


@contextmanager
def open_float_model(
    request: GraphRequest | ModelRequest, *, use_cache: bool, reporter: Reporter
) -> Iterator[OpenedModel]:
    """Opens a model; a variant is built and converted while the block does something else.

    The outputs of a whole model's float file are compared with those of the model itself, on a few images: a
    difference beyond rounding is refused.

    Args:
        request: What to open.
        use_cache: Take the float file from the cache, and keep it there.
        reporter: Told of steps and warnings.

    Raises:
        ArgumentError: The size of the input is open and not stated, or stated and another.
        ConversionError: The converter refuses the graph, or its result answers otherwise.
        InputFileError: The model cannot be read.
        ModelFileError: The file is no float network of one image, or its input's range is not known.
        WeightsMismatchError: The weights are those of another network than the variant.
    """
    if isinstance(request, ModelRequest):
        model = whole_model(request, use_cache=use_cache, reporter=reporter)
        yield OpenedModel(
            shape=model.shape,
            classes=model.classes,
            expected_s=0.0,
            multiply_adds=_multiply_adds(model.content),
            made=lambda: model,
        )
        return
    graph = resolve_graph(request, reporter)
    with float_file(graph, use_cache=use_cache, reporter=reporter) as made:

        def wait() -> FloatModel:
            reporter.step(WAITING)
            return _of_variant(graph, made.result())

        yield OpenedModel(
            shape=ImageShape.square(graph.input_size_px),
            classes=graph.classes,
            expected_s=made.expected_s,
            multiply_adds=graph.info().multiply_adds,
            made=wait,
        )


def _multiply_adds(content: bytes) -> int:
    """Counts those of a float file's convolutions and dense layers."""
    graph = read_model(content, "float").main_graph
    total = 0
    for operator in graph.operators:
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            positions = math.prod(graph.tensors[operator.output].shape[1:-1])
            total += positions * math.prod(graph.tensors[operator.inputs[1]].shape)
    return total


def _of_variant(graph: ResolvedGraph, file: FloatFile) -> FloatModel:
    image = InputFacts(
        height_px=graph.input_size_px,
        width_px=graph.input_size_px,
        channels=RGB_CHANNELS,
        mean=PIXELS.mean,
        std=PIXELS.std,
        range_source="definition",
    )
    output = OutputFacts(
        name="output_0",
        shape=(graph.classes,),
        activation="softmax" if graph.request.include_softmax else "none",
        task="classes",
    )
    return FloatModel(
        content=file.content,
        facts=ModelFacts(input=image, outputs=(output,)),
        variant=graph.info(),
        weights=graph.weights,
        from_cache=file.from_cache,
        timings_s=file.timings_s,
    )
