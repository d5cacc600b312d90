"""Checks of a `.tflite` file before it may be shipped."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edge_mnv3.core.choices import DEFAULT_RUNTIME, RuntimeName
from edge_mnv3.core.errors import ModelFileError, ModelNotLoadedError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.results.models import InspectResult, KernelCheck, ModelChecks
from edge_mnv3.core.runtime import open_model, probe
from edge_mnv3.core.tflite.output_activations import activation_of, last_operator
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.core.tflite.runtimes import runtime_needs
from edge_mnv3.core.tflite.types import Model
from edge_mnv3_quantization.graph.xnnpack_limits import violations


def inspect_file(path: Path, *, runtime: RuntimeName = DEFAULT_RUNTIME) -> InspectResult:
    """Reads a file and tries it under both kinds of kernels.

    Args:
        path: A `.tflite` file.
        runtime: Which runtime to try it with.

    Raises:
        ModelFileError: The file is missing or no valid `.tflite`.
        RuntimeUnavailableError: The runtime cannot be used.
    """
    try:
        model = open_model(path, kernels="builtin", runtime=runtime)
    except ModelNotLoadedError as error:
        raise ModelFileError(f"model {path} cannot be inspected", error.got) from error
    contents = read_file(path)
    graph = contents.main_graph
    return InspectResult(
        path=str(path),
        size_bytes=path.stat().st_size,
        sha256=sha256_file(path),
        inputs=model.inputs,
        outputs=model.outputs,
        activations=tuple(activation_of(graph, last_operator(graph, tensor)) for tensor in graph.outputs),
        ops=contents.op_histogram(),
        full_integer=not contents.float_tensors(),
        float_tensors=contents.float_tensors(),
        fixed_shapes=not contents.dynamic_tensors(),
        dynamic_tensors=contents.dynamic_tensors(),
        xnnpack=_probe_xnnpack(path, contents, runtime),
        builtin=probe(path, kernels="builtin", runtime=runtime),
        needs=runtime_needs(contents),
        runtime=model.runtime,
    )


def check_int8(path: Path, *, io: str, runtime: RuntimeName = DEFAULT_RUNTIME) -> ModelChecks:
    """Checks that an int8 file is integer throughout, of fixed shape, and runs under all kernels.

    Args:
        path: A `.tflite` file.
        io: The dtype that its input and outputs should have; with `float32` these tensors may be floats, and
            so may what makes pixels of the input.
        runtime: Which runtime to try it with.

    Raises:
        ModelFileError: The file is missing or no valid `.tflite`.
    """
    inspected = inspect_file(path, runtime=runtime)
    ends = _float_ends(read_file(path)) if io == "float32" else set()
    floats = [name for name in inspected.float_tensors if name not in ends]
    problems = []
    if floats:
        problems.append(f"has {len(floats)} float tensors, the first is '{floats[0]}'")
    dynamic = inspected.dynamic_tensors
    if dynamic:
        problems.append(f"has {len(dynamic)} tensors of open shape, the first is '{dynamic[0]}'")
    for tensor in (*inspected.inputs, *inspected.outputs):
        if tensor.dtype != io:
            problems.append(f"has {tensor.dtype} in tensor '{tensor.name}', where {io} was asked for")
    if not inspected.xnnpack.loads:
        problems.append(f"does not load under XNNPACK, the default on phones: {inspected.xnnpack.problem}")
    if not inspected.builtin.loads:
        problems.append(f"does not load under the built-in kernels: {inspected.builtin.problem}")
    return ModelChecks(
        full_integer=not floats,
        float_tensors=inspected.float_tensors,
        fixed_shapes=inspected.fixed_shapes,
        dynamic_tensors=dynamic,
        xnnpack=inspected.xnnpack,
        builtin=inspected.builtin,
        passed=not problems,
        problems=tuple(problems),
    )


def _float_ends(model: Model) -> set[str]:
    """Names the floats that a file of float ends may hold: the ends, and what makes pixels of its input."""
    graph = model.main_graph
    numbers = {*graph.inputs, *graph.outputs}
    for operator in graph.operators:
        if operator.name in ("MUL", "ADD") and operator.inputs[0] in numbers:
            numbers |= {*operator.inputs, *operator.outputs}
    return {graph.tensors[number].name for number in numbers}


def _probe_xnnpack(path: Path, contents: Model, runtime: RuntimeName) -> KernelCheck:
    check = probe(path, kernels="xnnpack", runtime=runtime)
    causes = violations(contents)
    if check.loads or not causes:
        return check
    return dataclasses.replace(check, problem="; ".join(causes))
