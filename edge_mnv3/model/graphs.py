"""Turns a request into a Keras model: locates and checks the weights, builds the graph."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from edge_mnv3.core.choices import IMAGENET_WEIGHTS, RANDOM_WEIGHTS
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.imagenet import IMAGENET_CLASSES
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath, AtLeast, Count, Request, check_choice
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.models import VariantInfo, WeightsInfo
from edge_mnv3.model import arch
from edge_mnv3.model.arch import BLOCKS, DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE, Variant
from edge_mnv3.model.weight_files import check_weights, inspect_weights
from edge_mnv3.model.weights import published_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRequest(Request):
    """Which graph to build.

    Attributes:
        variant: The network and its width, such as `parse_variant("small", alpha=0.75)` gives.
        input_size_px: Side of the square input, at least 32.
        classes: Outputs of the classifier, at least 1; None for those of the weights, 1000 without.
        weights: `imagenet`, `none` (random), or the path of a weights file.
        include_softmax: False leaves logits as the output.
    """

    variant: Variant
    input_size_px: Annotated[int, AtLeast(MIN_INPUT_SIZE)] = DEFAULT_INPUT_SIZE
    classes: Count | None = None
    weights: AnyPath = IMAGENET_WEIGHTS
    include_softmax: bool = True

    @property
    def image_shape(self) -> ImageShape:
        """Shape of the images that the graph takes."""
        return ImageShape.square(self.input_size_px)

    def check(self) -> None:
        """Refuses a variant that was put together wrongly.

        Raises:
            ArgumentError: Its size is unknown, or its alpha is not a finite number > 0.
        """
        check_choice("size of the variant", self.variant.size, BLOCKS)
        arch.check_alpha(self.variant.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedGraph:
    """A request whose weights have been located and checked against it."""

    request: GraphRequest
    classes: int
    weights_path: Path | None
    weights: WeightsInfo

    def info(self) -> VariantInfo:
        """What goes into the result."""
        request = self.request
        layers = arch.weighted_layers(
            arch.expand(request.variant), classes=self.classes, input_size=request.input_size_px
        )
        return VariantInfo(
            name=request.variant.name,
            size=request.variant.size,
            minimalistic=request.variant.minimalistic,
            alpha=request.variant.alpha,
            input_size_px=request.input_size_px,
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
    if request.weights == RANDOM_WEIGHTS:
        reporter.warn("random weights were asked for: the model's answers are chance")
        random = WeightsInfo(source=RANDOM_WEIGHTS, path=None, sha256=None)
        return ResolvedGraph(
            request=request, classes=request.classes or IMAGENET_CLASSES, weights_path=None, weights=random
        )
    if request.weights == IMAGENET_WEIGHTS:
        if request.classes not in (None, IMAGENET_CLASSES):
            raise ArgumentError(
                "classes with the ImageNet weights",
                str(request.classes),
                "1000",
                "give a weights file of your own",
            )
        reporter.step("published weights")
        path = published_weights(request.variant, include_top=True, reporter=reporter)
    else:
        path = Path(request.weights)
    file = inspect_weights(path)
    classes = check_weights(file, request.variant, include_top=True, classes=request.classes)
    source = IMAGENET_WEIGHTS if request.weights == IMAGENET_WEIGHTS else "file"
    return ResolvedGraph(
        request=request,
        classes=classes or IMAGENET_CLASSES,
        weights_path=path,
        weights=WeightsInfo(source=source, path=str(path), sha256=file.sha256),
    )


def build_graph(graph: ResolvedGraph, *, batch_size: int | None) -> Any:
    """Builds the Keras model with its weights.

    Keras numbers the layers that have no names on through a thread, not a model. So each model is built in a
    thread of its own: equal requests give equal names, whatever was built before.

    Args:
        graph: What to build.
        batch_size: 1 for conversion, None for an open one.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_build, graph, batch_size).result()


def _build(graph: ResolvedGraph, batch_size: int | None) -> Any:
    from edge_mnv3.model import builder

    request = graph.request
    size = request.input_size_px
    build = builder.MobileNetV3Small if request.variant.size == "small" else builder.MobileNetV3Large
    # TensorFlow greets on stderr when it creates its first tensor.
    with captured_native_output():
        return build(
            input_tensor=builder.image_input(size, batch_size=batch_size),
            alpha=request.variant.alpha,
            minimalistic=request.variant.minimalistic,
            weights=graph.weights_path,
            classes=graph.classes,
            classifier_activation="softmax" if request.include_softmax else None,
        )
