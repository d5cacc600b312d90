"""The stage `build`: a Keras MobileNetV3 with its weights, or a whole model, saved for inference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.outputs import check_writable, staged
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.models import BuildResult, ModelSource
from edge_mnv3.model.graphs import GraphRequest, build_graph, resolve_graph
from edge_mnv3.model.model_files import model_format
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.open_model import check_model_packages
from edge_mnv3_quantization.convert import last_line

if TYPE_CHECKING:
    from edge_mnv3.model.keras_models import KerasModel

_OPEN_SIDE_PX = 64  # of an image for a model of open size


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest(Request):
    """What to build, and where to save it.

    Attributes:
        graph: A variant and its weights, or a `.keras` or `.h5` of the user's.
        output: The file; its name ends in `.keras`.
        force: Overwrite it if it exists.
    """

    graph: GraphRequest | ModelRequest
    output: AnyPath
    force: bool = False


def build(request: BuildRequest, reporter: Reporter = SILENT) -> BuildResult:
    """Builds a graph with an open batch size and saves it in Keras's own format.

    The saved model takes pixels 0..255, float32 of shape (N, input_size_px, input_size_px, 3), RGB, and gives
    probabilities, or logits without the softmax, float32 of shape (N, classes). A whole model is saved as it
    is, but for its training: every layer computes in float32, and what only `fit` needs is left out.

    Raises:
        ArgumentError: `output` does not end in `.keras`, or the graph's arguments contradict each other.
        OutputError: `output` exists and `force` is off, or it cannot be written.
        DownloadError: The published weights cannot be downloaded.
        InputFileError: The weights file cannot be read, or a whole model cannot be run, or answers with NaN.
        MissingExtraError: TensorFlow is not installed.
        WeightsMismatchError: The weights are those of another network or class count.
    """
    check_call("build", (BuildRequest,), request, reporter)
    check_model_packages(request.graph)
    output = Path(request.output)
    if output.suffix != ".keras":
        raise ArgumentError("output", str(output), "a name ending in .keras")
    check_writable([output], force=request.force)
    model, described = _loaded(request.graph, reporter)
    with staged([output], force=request.force) as (temporary,):
        model.save(temporary)
        sha256 = sha256_file(temporary)
        size_bytes = temporary.stat().st_size
    return BuildResult(path=str(output), size_bytes=size_bytes, sha256=sha256, **described)


def _check_answers(loaded: KerasModel, path: Path) -> None:
    """Runs the model once: Keras loads what cannot be run, and what answers with NaN.

    Raises:
        InputFileError: It is one of these.
    """
    height, width, channels = loaded.shape
    sides = (height or _OPEN_SIDE_PX, width or _OPEN_SIDE_PX, channels)
    image = np.random.default_rng(0).integers(0, 256, (1, *sides)).astype(np.float32)
    try:
        outputs = loaded.run(image)
    except Exception as error:  # Keras and TensorFlow raise many kinds
        got = f"one that cannot be run ({last_line(error)})"
        raise InputFileError(f"model {path}", got, "one that answers an image") from error
    if not all(np.isfinite(numbers).all() for numbers in outputs):
        raise InputFileError(f"model {path}", "NaN or infinite answers to an image", "finite numbers")


def _loaded(request: GraphRequest | ModelRequest, reporter: Reporter) -> tuple[Any, dict[str, Any]]:
    """The model, and what the result says of it."""
    if isinstance(request, GraphRequest):
        graph = resolve_graph(request, reporter)
        reporter.step("building the Keras graph")
        model = build_graph(graph, batch_size=None)
        return model, {"source": None, "variant": graph.info(), "weights": graph.weights}
    path = Path(request.path)
    file_format = model_format(path)
    stated = {"--input-range": request.input_range, "--input-size": request.input_size}
    for option, value in stated.items():
        if value is not None:
            raise ArgumentError(f"{option} with build MODEL", str(value), "none: the model stays as it is")
    if file_format not in ("keras", "h5"):
        raise InputFileError(
            f"model {path}", f"a {file_format}", "a .keras or .h5", "use edge-mnv3 quantize for it"
        )
    from edge_mnv3.model.keras_models import load_keras

    reporter.step("loading the model")
    loaded = load_keras(path, file_format)
    if loaded.is_keras_2:
        raise InputFileError(
            f"model {path}",
            "a model of Keras 2, which Keras 3 cannot load",
            "one of Keras 3, as build writes it",
            "use edge-mnv3 quantize for it",
        )
    for warning in loaded.warnings:
        reporter.warn(warning)
    _check_answers(loaded, path)
    source = ModelSource(format=file_format, path=str(path), sha256=sha256_file(path))
    return loaded.model, {"source": source, "variant": None, "weights": None}
