"""Turns a request into a Keras model: locates and checks the weights, builds the graph."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from edge_mnv3.core.choices import IMAGENET_WEIGHTS, RANDOM_WEIGHTS
from edge_mnv3.core.errors import ArgumentError, InputFileError, WeightsMismatchError
from edge_mnv3.core.imagenet import IMAGENET_CLASSES
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath, AtLeast, Count, Request, check_choice
from edge_mnv3.core.results.models import VariantInfo, WeightsInfo
from edge_mnv3.model import arch
from edge_mnv3.model.arch import BLOCKS, DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE, Variant
from edge_mnv3.model.declared import check_declared
from edge_mnv3.model.keras_equality import check_same_model
from edge_mnv3.model.keras_settings import tensorflow_keras
from edge_mnv3.model.model_files import is_readable, read_config
from edge_mnv3.model.weight_files import check_weights, inspect_weights
from edge_mnv3.model.weights import published_file, published_weights

MOST_PARAMETERS = 2**29  # of 4 bytes: a flatbuffer has less than 2 GiB


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRequest(Request):
    """Which graph to build.

    Attributes:
        variant: The network and its width, such as `parse_variant("small", alpha=0.75)` gives.
        input_size_px: Side of the square input, at least 32; None for that of the weights file, 224 where it
            does not tell.
        classes: Outputs of the classifier, at least 1; None for those of the weights, 1000 without.
        weights: `imagenet`, `none` (random), or the path of a weights file.
        include_softmax: False leaves logits as the output.
    """

    variant: Variant
    input_size_px: Annotated[int, AtLeast(MIN_INPUT_SIZE)] | None = None
    classes: Count | None = None
    weights: AnyPath = IMAGENET_WEIGHTS
    include_softmax: bool = True

    def check(self) -> None:
        """Refuses a variant that was put together wrongly.

        Raises:
            ArgumentError: Its size is unknown, or its alpha is not a finite number > 0.
        """
        check_choice("size of the variant", self.variant.size, BLOCKS)
        arch.check_alpha(self.variant.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedGraph:
    """A request whose weights have been located and checked against it.

    Attributes:
        input_size_px: Side of the square input.
        classes: Outputs of the classifier.
        weights_path: The file; None for random weights.
        weights: Where they came from.
    """

    request: GraphRequest
    input_size_px: int
    classes: int
    weights_path: Path | None
    weights: WeightsInfo

    def info(self) -> VariantInfo:
        """What goes into the result."""
        request = self.request
        layers = arch.weighted_layers(
            arch.expand(request.variant), classes=self.classes, input_size=self.input_size_px
        )
        return VariantInfo(
            name=request.variant.name,
            size=request.variant.size,
            minimalistic=request.variant.minimalistic,
            alpha=request.variant.alpha,
            input_size_px=self.input_size_px,
            classes=self.classes,
            include_softmax=request.include_softmax,
            parameters=arch.count_parameters(layers),
            multiply_adds=arch.count_multiply_adds(layers),
        )


def resolve_graph(request: GraphRequest, reporter: Reporter) -> ResolvedGraph:
    """Finds the weights, downloading the published ones if need be, and checks that they fit.

    Needs no TensorFlow, so that wrong arguments are told at once.

    Raises:
        ArgumentError: No published weights for this variant, or `classes` contradicts them.
        DownloadError: The published weights cannot be had.
        InputFileError: The weights file cannot be read.
        WeightsMismatchError: It holds weights of another network or class count.
    """
    check_weights_choice(request)
    if request.weights == RANDOM_WEIGHTS:
        reporter.warn("random weights were asked for: the model's answers are chance")
        random = WeightsInfo(source=RANDOM_WEIGHTS, path=None, sha256=None)
        return ResolvedGraph(
            request=request,
            input_size_px=own_input_size(request),
            classes=request.classes or IMAGENET_CLASSES,
            weights_path=None,
            weights=random,
        )
    if request.weights == IMAGENET_WEIGHTS:
        reporter.step("published weights")
        path = published_weights(request.variant, include_top=True, reporter=reporter)
    else:
        path = Path(request.weights)
    size_px = own_input_size(request)
    try:
        file = inspect_weights(path)
        classes = check_weights(file, request.variant, include_top=True, classes=request.classes)
    except (InputFileError, WeightsMismatchError) as error:
        if not _is_whole_model(request):
            raise
        fits = f"{error.next_step}; or " if error.next_step.startswith("the file fits") else ""
        whole = f"{fits}use edge-mnv3 quantize {path}, which takes the whole model as it is"
        raise WeightsMismatchError(error.what, error.got, error.expected, whole) from error
    source = IMAGENET_WEIGHTS if request.weights == IMAGENET_WEIGHTS else "file"
    return ResolvedGraph(
        request=request,
        input_size_px=size_px,
        classes=classes or IMAGENET_CLASSES,
        weights_path=path,
        weights=WeightsInfo(source=source, path=str(path), sha256=file.sha256),
    )


def check_weights_choice(request: GraphRequest) -> None:
    """Refuses weights that no file has, and random ones for which there is no room; reads no file.

    Raises:
        ArgumentError: No weights are published for the variant, or they have another number of classes; or a
            network with random weights is too large.
    """
    if request.weights == RANDOM_WEIGHTS:
        _check_size(request)
    if request.weights != IMAGENET_WEIGHTS:
        return
    if request.classes not in (None, IMAGENET_CLASSES):
        raise ArgumentError(
            "classes with the ImageNet weights",
            str(request.classes),
            "1000",
            "give a weights file of your own",
        )
    published_file(request.variant)


def _check_size(request: GraphRequest) -> None:
    """Refuses what no .tflite holds, before anything tries to make room for it.

    Raises:
        ArgumentError: The network has more parameters than a flatbuffer has room for.
    """
    classes = request.classes or IMAGENET_CLASSES
    parameters = arch.count_parameters(arch.weighted_layers(arch.expand(request.variant), classes=classes))
    if parameters > MOST_PARAMETERS:
        raise ArgumentError(
            f"{request.variant.name} with {classes} classes",
            f"{parameters:,} parameters",
            f"at most {MOST_PARAMETERS:,}, which is what a .tflite holds",
            "use a smaller --alpha or fewer --classes",
        )


def own_input_size(request: GraphRequest) -> int:
    """Tells the side of a variant's input: as asked for, else that of a whole model's file, else 224.

    Raises:
        InputFileError: What the file says of itself cannot be read.
        WeightsMismatchError: The file's model takes another input than is asked for, or than a variant can.
    """
    if not _is_whole_model(request):
        return request.input_size_px or DEFAULT_INPUT_SIZE
    path = Path(request.weights)
    return check_declared(
        read_config(path) or {},
        path,
        input_size_px=request.input_size_px,
        include_softmax=request.include_softmax,
    )


def _is_whole_model(request: GraphRequest) -> bool:
    """Whether the weights lie in a file that says of which model."""
    path = Path(request.weights)
    if request.weights in (IMAGENET_WEIGHTS, RANDOM_WEIGHTS) or not path.is_file():
        return False
    return is_readable(path) and read_config(path) is not None


def build_graph(graph: ResolvedGraph, *, batch_size: int | None) -> Any:
    """Builds the Keras model with its weights.

    Keras numbers the layers that have no names on through a thread, not a model. So each model is built in a
    thread of its own: equal requests give equal names, whatever was built before. Where the weights came in
    the file of a whole model, layers and answers of both are compared.

    Args:
        graph: What to build.
        batch_size: 1 for conversion, None for an open one.

    Raises:
        WeightsMismatchError: The file's own model is not the variant with its weights.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_build, graph, batch_size).result()


def _build(graph: ResolvedGraph, batch_size: int | None) -> Any:
    with tensorflow_keras():
        from edge_mnv3.model import builder

        request = graph.request
        build = builder.MobileNetV3Small if request.variant.size == "small" else builder.MobileNetV3Large
        # TensorFlow greets on stderr when it creates its first tensor.
        with captured_native_output():
            model = build(
                input_tensor=builder.image_input(graph.input_size_px, batch_size=batch_size),
                alpha=request.variant.alpha,
                minimalistic=request.variant.minimalistic,
                weights=graph.weights_path,
                classes=graph.classes,
                classifier_activation="softmax" if request.include_softmax else None,
            )
    if _is_whole_model(request):
        check_same_model(model, graph.weights_path or Path(), softmax=request.include_softmax)
    return model
