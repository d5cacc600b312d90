"""The one door to a TFLite interpreter.

Three runtimes: `litert` (ai-edge-litert, the default), `tflite-runtime` (its predecessor) and `tensorflow`
(`tf.lite`). Two kinds of kernels: `xnnpack`, the delegate that phones use by default, and `builtin`, those
of TFLite itself. They round differently, so a result names both.

Run as a module it is the probe: a file that makes native code crash then costs a child process only.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core import process
from edge_mnv3.core.choices import (
    DEFAULT_KERNELS,
    DEFAULT_RUNTIME,
    KERNELS,
    RUNTIMES,
    Kernels,
    RuntimeName,
)
from edge_mnv3.core.errors import EdgeMnv3Error, ModelFileError, ModelNotLoadedError, RuntimeUnavailableError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.native_output import RUNTIME_LOG, captured_native_output
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.results.json_format import from_json, to_jsonable
from edge_mnv3.core.results.models import KernelCheck, TensorInfo
from edge_mnv3.core.special_files import is_text
from edge_mnv3.core.stored_numbers import fed_numbers
from edge_mnv3.core.versions import TENSORFLOW_PACKAGES

_MODULES: dict[RuntimeName, tuple[str, tuple[str, ...]]] = {
    "litert": ("ai_edge_litert.interpreter", ("ai-edge-litert",)),
    "tflite-runtime": ("tflite_runtime.interpreter", ("tflite-runtime",)),
    "tensorflow": ("tensorflow.lite.python.interpreter", TENSORFLOW_PACKAGES),
}
_PROBE_TIMEOUT_S = 300.0
_loading: dict[tuple[str, Kernels, RuntimeName], KernelCheck] = {}  # by SHA-256: what probes have found


class LoadedModel:
    """A file loaded by a runtime, ready to run; not for use by two threads at once.

    Attributes:
        kernels: Kernels that were asked for.
        input_range: What pixels are fed as; None for the numbers 0 to 255.
        inputs: The file's inputs.
        outputs: The file's outputs.
        partitions: Subgraphs handed to the delegate.
        undelegated_ops: Operator to count of those left to the built-in kernels by the delegate.
    """

    def __init__(
        self, interpreter: Any, kernels: Kernels, runtime: RuntimeName, input_range: InputRange | None
    ) -> None:
        self._interpreter = interpreter
        self._runtime = runtime
        self.kernels = kernels
        self.input_range = input_range
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        self.inputs = tuple(map(_tensor_info, inputs))
        self.outputs = tuple(map(_tensor_info, outputs))
        self._input_indices = [details["index"] for details in inputs]
        self._output_indices = [details["index"] for details in outputs]
        ops = interpreter._get_ops_details()
        self.partitions = sum(op["op_name"] == "DELEGATE" for op in ops)
        self.undelegated_ops = _undelegated(ops, interpreter) if self.partitions else {}

    @property
    def runtime(self) -> str:
        """Name and version."""
        return f"{self._runtime} {_version(_MODULES[self._runtime][1])}"

    def run(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Classifies one image as an app does.

        Args:
            pixels: (H, W, channels) uint8. A float32 input gets their numbers in `input_range`. A uint8 input
                gets these bytes, an int8 input the bytes less 128; where the steps of such an input are not
                those of `input_range`, it gets the numbers rounded to its steps.

        Returns:
            A copy of the raw output, (classes,), in the file's dtype.

        Raises:
            ModelFileError: The file has not exactly one input of this shape and one output.
        """
        if len(self.outputs) != 1:
            raise ModelFileError("model", f"{len(self.outputs)} outputs", "one")
        self.set_input(pixels)
        self.invoke()
        return self._outputs()[0].reshape(-1)

    def set_input(self, pixels: Pixels) -> None:
        """Copies one image, (H, W, channels) uint8, into the input, converted as `run` says.

        Raises:
            ModelFileError: The file has not exactly one input of this shape.
        """
        if len(self.inputs) != 1:
            raise ModelFileError("model", f"{len(self.inputs)} inputs", "one")
        self._set_pixels(pixels)

    def run_all(self, pixels: Pixels) -> list[npt.NDArray[Any]]:
        """Runs a model of several outputs on one image, given as to `run`.

        Returns:
            Copies of all outputs, in the file's order and shapes.

        Raises:
            ModelFileError: The first input is not of this shape.
        """
        self._set_pixels(pixels)
        self.invoke()
        return self._outputs()

    def _set_pixels(self, pixels: Pixels) -> None:
        wanted = self.inputs[0]
        if wanted.shape[1:] != pixels.shape or wanted.shape[0] not in (1, -1):
            raise ModelFileError(
                "model's input", f"shape {wanted.shape}", f"(1, {', '.join(map(str, pixels.shape))})"
            )
        values = fed_numbers(pixels[np.newaxis], wanted, self.input_range)
        self._interpreter.set_tensor(self._input_indices[0], values)

    def run_raw(self, *values: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Runs the model on its inputs, in the file's order, each of the input's shape and dtype.

        Returns:
            Copies of all outputs, in the file's order.
        """
        for index, numbers in zip(self._input_indices, values, strict=True):
            self._interpreter.set_tensor(index, numbers)
        self.invoke()
        return self._outputs()

    def _outputs(self) -> list[npt.NDArray[Any]]:
        """Returns copies of all outputs: `get_tensor` makes new arrays."""
        return [self._interpreter.get_tensor(index) for index in self._output_indices]

    def tensor_shapes(self) -> dict[int, tuple[int, ...]]:
        """Returns the shapes of the graph's tensors by number, as they are allocated now."""
        details = self._interpreter.get_tensor_details()
        return {int(each["index"]): tuple(int(side) for side in each["shape"]) for each in details}

    def invoke(self) -> None:
        """Runs the model on what its inputs hold."""
        self._interpreter.invoke()


def open_model(
    path: Path,
    *,
    kernels: Kernels = DEFAULT_KERNELS,
    runtime: RuntimeName = DEFAULT_RUNTIME,
    num_threads: int = 1,
    input_range: InputRange | None = None,
    content: bytes | None = None,
) -> LoadedModel:
    """Loads a `.tflite` file and allocates its tensors.

    Args:
        path: The file.
        kernels: `xnnpack` or `builtin`.
        runtime: One of `RUNTIMES`.
        num_threads: Threads of one inference, at least 1.
        input_range: What pixels are fed as; None for the numbers 0 to 255.
        content: The file's bytes where they were read already.

    Raises:
        RuntimeUnavailableError: The runtime is not installed or cannot work with this NumPy.
        ModelFileError: The file is missing or is no valid `.tflite`.
        ModelNotLoadedError: It does not load under these kernels.
    """
    module = _import_runtime(runtime)
    if content is None and not path.is_file():
        raise ModelFileError(f"model {path}", no_file(path), "a .tflite file")
    by_path = content is None and is_text(path)  # runtimes take text only
    source = {"model_path": str(path)} if by_path else {"model_content": content or path.read_bytes()}
    log = None
    try:
        with captured_native_output(RUNTIME_LOG) as log:
            interpreter = _allocated(module, kernels, **source, num_threads=num_threads)
    except (RuntimeError, ValueError) as error:
        native = " ".join(line for line in log.text.splitlines() if line.startswith("ERROR")) if log else ""
        problem = " ".join(f"{error} {native}".split())
        if "valid Flatbuffer" in problem or "mmap of size 0" in problem or "model allocation" in problem:
            raise ModelFileError(
                f"model {path}", "no valid TFLite flatbuffer", "a whole .tflite file", "it may be truncated"
            ) from error
        raise ModelNotLoadedError(f"model {path} does not load under {kernels}", problem) from error
    return LoadedModel(interpreter, kernels, runtime, input_range)


def open_bytes(
    content: bytes, *, kernels: Kernels = DEFAULT_KERNELS, input_range: InputRange | None = None
) -> LoadedModel:
    """Loads a model that this program made from memory, with the default runtime and one thread.

    Args:
        content: The file's bytes.
        kernels: `xnnpack` or `builtin`.
        input_range: What pixels are fed as; None for the numbers 0 to 255.

    Raises:
        RuntimeError: It does not load.
    """
    module = _import_runtime(DEFAULT_RUNTIME)
    with captured_native_output(RUNTIME_LOG):
        interpreter = _allocated(module, kernels, model_content=content, num_threads=1)
    return LoadedModel(interpreter, kernels, DEFAULT_RUNTIME, input_range)


def _allocated(module: Any, kernels: Kernels, **options: Any) -> Any:
    """Makes a runtime's interpreter with these kernels, and allocates its tensors."""
    if kernels == "builtin":
        options["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(**options)
    interpreter.allocate_tensors()
    return interpreter


def probe(path: Path, *, kernels: Kernels, runtime: RuntimeName = DEFAULT_RUNTIME) -> KernelCheck:
    """Loads a file and runs it once on a constant input, in a child process.

    A file that loads is not probed again in this process: the same bytes load the next time, too.

    Raises:
        RuntimeUnavailableError: The runtime is not installed or cannot work with this NumPy.
    """
    _import_runtime(runtime)
    try:
        key = (sha256_file(path), kernels, runtime)
    except OSError:
        return _probe_in_child(path, kernels, runtime)
    if key in _loading:
        return _loading[key]
    check = _probe_in_child(path, kernels, runtime)
    if check.loads:
        _loading[key] = check
    return check


def _probe_in_child(path: Path, kernels: Kernels, runtime: RuntimeName) -> KernelCheck:
    module = [sys.executable, "-m", "edge_mnv3.core.runtime"]
    done = process.run(
        [*module, str(path), "--kernels", kernels, "--runtime", runtime], timeout_s=_PROBE_TIMEOUT_S
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        return from_json(KernelCheck, lines[-1])
    ended = "did not end in time" if done.returncode is None else f"ended with code {done.returncode}"
    last = done.stderr.strip().splitlines()[-1:] or ["no output"]
    problem = f"the runtime crashed: its process {ended} ({last[0]})"
    return KernelCheck(loads=False, partitions=None, undelegated_ops={}, problem=problem)


def _probe_here(path: Path, kernels: Kernels, runtime: RuntimeName) -> KernelCheck:
    try:
        model = open_model(path, kernels=kernels, runtime=runtime)
        model.invoke()
    except (EdgeMnv3Error, RuntimeError) as error:
        return KernelCheck(loads=False, partitions=None, undelegated_ops={}, problem=str(error))
    return KernelCheck(
        loads=True, partitions=model.partitions, undelegated_ops=model.undelegated_ops, problem=None
    )


def _import_runtime(runtime: RuntimeName) -> Any:
    module_name, packages = _MODULES[runtime]
    if runtime == "tflite-runtime" and int(np.__version__.split(".")[0]) >= 2:
        raise RuntimeUnavailableError(
            "runtime tflite-runtime works with NumPy 1 only",
            f"NumPy {np.__version__}",
            next_step="use --runtime litert, or an environment of its own with 'edge-mnv3[tflite-runtime]'",
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"runtime {runtime} is not usable: {error}", next_step=f"pip install {packages[0]}"
        ) from error
    return module


@functools.cache
def _version(packages: tuple[str, ...]) -> str:
    """The version of the first of these packages that is installed."""
    import importlib.metadata  # a sixth of what a probe's process costs, which asks for no version

    for package in packages:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "of unknown version"


def _tensor_info(details: dict[str, Any]) -> TensorInfo:
    signature = details.get("shape_signature")
    shape = details["shape"] if signature is None or len(signature) == 0 else signature
    scales = details["quantization_parameters"]["scales"]
    zero_points = details["quantization_parameters"]["zero_points"]
    per_tensor = len(scales) == 1
    return TensorInfo(
        name=details["name"],
        shape=tuple(int(side) for side in shape),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(scales[0]) if per_tensor else None,
        zero_point=int(zero_points[0]) if per_tensor else None,
    )


def _undelegated(ops: list[dict[str, Any]], interpreter: Any) -> dict[str, int]:
    """Counts the operators outside all partitions.

    The interpreter lists the graph's operators, then the delegate's, without saying which belongs where. A
    tensor that leaves a partition is one of its outputs, one that enters is one of its inputs, another lies
    inside a partition or between operators outside. So, from the graph's end on, consumers tell the place.
    """
    partitions = [op for op in ops if op["op_name"] == "DELEGATE"]
    produced = {int(tensor) for op in partitions for tensor in op["outputs"]}
    entering = {int(tensor) for op in partitions for tensor in op["inputs"]}
    outside = {int(details["index"]) for details in interpreter.get_output_details()} | entering
    counts: dict[str, int] = {}
    for op in reversed([op for op in ops if op["op_name"] != "DELEGATE"]):
        results = {int(tensor) for tensor in op["outputs"]}
        if results & outside and not results & produced:
            counts[op["op_name"]] = counts.get(op["op_name"], 0) + 1
            outside |= {int(tensor) for tensor in op["inputs"]}
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--kernels", choices=KERNELS, required=True)
    parser.add_argument("--runtime", choices=RUNTIMES, required=True)
    arguments = parser.parse_args()
    check = _probe_here(arguments.path, arguments.kernels, arguments.runtime)
    sys.stdout.write(json.dumps(to_jsonable(check), allow_nan=False) + "\n")
