"""The stage `build`: a Keras MobileNetV3 with its weights, saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.outputs import check_writable, staged
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.models import BuildResult
from edge_mnv3.model.graphs import GraphRequest, build_graph, resolve_graph


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest(Request):
    """What to build, and where to save it.

    Attributes:
        graph: The network and its weights.
        output: The file; its name ends in `.keras`.
        force: Overwrite it if it exists.
    """

    graph: GraphRequest
    output: AnyPath
    force: bool = False


def build(request: BuildRequest, reporter: Reporter = SILENT) -> BuildResult:
    """Builds a graph with an open batch size and saves it in Keras's own format.

    The saved model takes pixels 0..255, float32 of shape (N, input_size_px, input_size_px, 3), RGB, and gives
    probabilities, or logits without the softmax, float32 of shape (N, classes).

    Raises:
        ArgumentError: `output` does not end in `.keras`, or the graph's arguments contradict each other.
        OutputError: `output` exists and `force` is off, or it cannot be written.
        DownloadError: The published weights cannot be downloaded.
        InputFileError: The weights file cannot be read.
        WeightsMismatchError: The weights are those of another network or class count.
    """
    check_call("build", (BuildRequest,), request, reporter)
    output = Path(request.output)
    if output.suffix != ".keras":
        raise ArgumentError("output", str(output), "a name ending in .keras")
    check_writable([output], force=request.force)
    graph = resolve_graph(request.graph, reporter)
    reporter.step("building the Keras graph")
    model = build_graph(graph, batch_size=None)
    with staged([output], force=request.force) as (temporary,):
        model.save(temporary)
        sha256 = sha256_file(temporary)
        size_bytes = temporary.stat().st_size
    return BuildResult(
        path=str(output), size_bytes=size_bytes, sha256=sha256, variant=graph.info(), weights=graph.weights
    )
