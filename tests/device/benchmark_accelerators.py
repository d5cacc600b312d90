"""What builds of `benchmark_model` write when they are asked for a GPU or an NPU, line by line as they do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from device.benchmark_flags import Flags
from device.stand_in_behaviour import Behaviour

TOOL, RUNTIME = 1, 2  # the tool's own lines go to standard output, the runtime's to the error stream
_SPEED = {"all": 0.25, "part": 0.5}  # how long inference takes there, by what the CPU takes
_SPOKEN = {"use_gpu": "GPU", "use_nnapi": "NNAPI", "use_npu": "NPU"}
_DELEGATES = {"use_gpu": "TfLiteGpuDelegateV2", "use_nnapi": "TfLiteNnapiDelegate"}
_OF_LITERT = {"use_gpu": "LITERT_CL", "use_npu": "DispatchDelegate"}
_REGISTRIES = {"use_gpu": "gpu_registry.cc:153", "use_npu": "npu_registry.cc:33"}


class Line(NamedTuple):
    """A line, and the stream that it goes to."""

    stream: int
    text: str


class DelegateFailedError(Exception):
    """TensorFlow Lite's tool gives up; the text is its last error."""


def asked_for(flags: Flags) -> list[str]:
    """The flags of accelerators that are on."""
    return [name for name in _SPOKEN if flags.on(name)]


def speed_factor(behaviour: Behaviour, flags: Flags) -> float:
    """How much longer an inference takes than on the CPU."""
    return _SPEED.get(behaviour.accelerator, 1.0) if asked_for(flags) else 1.0


def delegation_lines(behaviour: Behaviour, flags: Flags, nodes: int) -> Iterator[Line]:
    """Yields what is written about the accelerators that were asked for.

    Args:
        behaviour: What they take.
        flags: Of the launch.
        nodes: Nodes of the model.

    Raises:
        DelegateFailedError: The tool ends here.
    """
    write = _litert_lines if behaviour.build == "litert2" else _tflite_lines
    for flag in asked_for(flags):
        if behaviour.accelerator != "silent":
            yield from write(flag, behaviour, nodes)


def _tflite_lines(flag: str, behaviour: Behaviour, nodes: int) -> Iterator[Line]:
    name, how = _SPOKEN[flag], behaviour.accelerator
    if name == "NNAPI":
        yield Line(TOOL, "NNAPI accelerators available: [maker-npu,nnapi-reference]")
    yield Line(RUNTIME, f"INFO: Created TensorFlow Lite delegate for {name}.")
    yield Line(TOOL, f"{name} delegate created.")
    if name == "GPU" and how in ("refused", "part"):
        yield Line(RUNTIME, "ERROR: Following operations are not supported by GPU delegate:")
        yield Line(RUNTIME, "CONV_2D: Operation is not supported.")
        left = f"all {nodes}" if how == "refused" else "the remaining 1"
        taken = f"{'No' if how == 'refused' else nodes - 1} operations will run on the GPU"
        yield Line(RUNTIME, f"{taken}, and {left} operations will run on the CPU.")
    if how == "refused":
        yield Line(
            TOOL,
            f"Though {name} delegate is explicitly applied, the model graph will not be executed by the "
            "delegate.",
        )
        return
    taken_nodes = nodes - (how == "part")
    yield Line(RUNTIME, _replacing(taken_nodes, nodes, _DELEGATES[flag], behaviour))
    if how == "fails":
        yield Line(RUNTIME, "ERROR: TfLiteGpuDelegate Init: No OpenCL, no OpenGL")
        yield Line(RUNTIME, "INFO: Created 0 GPU delegate kernels.")
        yield Line(RUNTIME, "ERROR: Restored original execution plan after delegate application failure.")
        raise DelegateFailedError(f"Failed to apply {name} delegate.")
    if name == "GPU":
        yield Line(RUNTIME, "INFO: Initialized OpenCL-based API.")
        yield Line(RUNTIME, "INFO: Created 1 GPU delegate kernels.")
    extent, kernels = ("completely", "") if how == "all" else ("partially", " w/ 1 delegate kernels")
    yield Line(
        TOOL,
        f"Explicitly applied {name} delegate, and the model graph will be {extent} executed by the "
        f"delegate{kernels}.",
    )


def _litert_lines(flag: str, behaviour: Behaviour, nodes: int) -> Iterator[Line]:
    name, how = _SPOKEN[flag], behaviour.accelerator
    if how == "refused":
        told = f"[{_REGISTRIES[flag]}] {name} accelerator could not be loaded and registered."
        yield Line(RUNTIME, f"WARNING: {told}")
        return
    yield Line(RUNTIME, f"INFO: [accelerator_registry.cc:54] {name} accelerator registered.")
    yield Line(RUNTIME, _replacing(nodes - (how == "part"), nodes, _OF_LITERT[flag], behaviour))
    if how == "fails":  # LiteRT goes on, on the CPU
        text = "Failed to create a dispatch delegate kernel: No usable Dispatch runtime found"
        yield Line(RUNTIME, f"ERROR: [dispatch_delegate.cc:122] {text}")
    if how != "all":
        left = nodes if how == "fails" else 1
        yield Line(RUNTIME, _replacing(left, left, "TfLiteXNNPackDelegate", behaviour))


def _replacing(taken: int, nodes: int, delegate: str, behaviour: Behaviour) -> str:
    old = behaviour.build in ("1.13", "2.3", "2.6")
    counted = f"{taken} node(s)" if old else f"{taken} out of {nodes} node(s)"
    where = "" if old else " for subgraph 0 (main)"
    severity = "INFO" if old else "VERBOSE"
    return f"{severity}: Replacing {counted} with delegate ({delegate}) node, yielding 1 partitions{where}."
