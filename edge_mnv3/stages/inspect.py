"""The stage `inspect`: what a `.tflite` file holds, and whether phones can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import DEFAULT_RUNTIME, RuntimeName
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.models import InspectResult


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectRequest(Request):
    """Which file to inspect, and with what.

    Attributes:
        path: A `.tflite` file.
        runtime: `litert`, `tflite-runtime` or `tensorflow`.
    """

    path: AnyPath
    runtime: RuntimeName = DEFAULT_RUNTIME


def inspect(request: InspectRequest, reporter: Reporter = SILENT) -> InspectResult:
    """Reads a file's graph, and loads and runs it under XNNPACK and under the built-in kernels.

    A file that makes a kernel crash costs a child process only.

    Raises:
        ModelFileError: The file is missing or no valid `.tflite`.
        RuntimeUnavailableError: The runtime is not installed or cannot work here.
    """
    check_call("inspect", (InspectRequest,), request, reporter)
    from edge_mnv3_quantization.validation.checks import inspect_file

    reporter.step("inspecting")
    return inspect_file(Path(request.path), runtime=request.runtime)
