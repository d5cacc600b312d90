"""A float and an int8 file that are compared: which kernels run them, and how their outputs are numbered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import KernelChoice, Kernels, RuntimeName
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.runtime import LoadedModel, open_model, probe
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3_quantization.validation.findings import BackgroundAssumed, Finding, RefusedByXnnpack
from edge_mnv3_quantization.validation.hits import default_class_offset
from edge_mnv3_quantization.validation.running import RunnableFile, image_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFile:
    """One of the two files.

    Attributes:
        path: The file.
        kernels: The kernels that run it.
        class_offset: Output index of label 0.
        classes: Number of outputs from `class_offset` on.
        runtime: Name and version of the runtime.
    """

    path: Path
    kernels: Kernels
    class_offset: int
    classes: int
    runtime: str

    @property
    def runnable(self) -> RunnableFile:
        """The file as it is run."""
        return RunnableFile(self.path, self.kernels)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePair:
    """Both files, and what was noticed about them."""

    float_: ComparedFile
    int8: ComparedFile
    findings: tuple[Finding, ...]


def open_pair(
    float_path: Path,
    int8_path: Path,
    *,
    kernels: KernelChoice,
    runtime: RuntimeName,
    class_offset: int | None,
) -> FilePair:
    """Loads both files once, and checks that they can be compared.

    Args:
        float_path: A float `.tflite` file.
        int8_path: An int8 `.tflite` file of the same input shape and classes.
        kernels: `auto` takes XNNPACK, and for a file that does not load under it the built-in kernels.
        runtime: Which runtime to use.
        class_offset: Output index of label 0; None means 1 for files with 1001 outputs, else 0.

    Raises:
        ModelFileError: A file is invalid, does not load, or the two do not fit each other.
    """
    paths = (float_path, int8_path)
    findings: list[Finding] = []
    chosen = [_choose_kernels(path, kernels, runtime, findings) for path in paths]
    float_model, int8_model = (
        open_model(path, kernels=each, runtime=runtime) for path, each in zip(paths, chosen, strict=True)
    )
    _check_kinds(float_path, int8_path, float_model)
    _check_shapes(float_path, float_model, int8_model)
    outputs = [math.prod(model.outputs[0].shape[1:]) for model in (float_model, int8_model)]
    offsets = _class_offsets(outputs, class_offset)
    if class_offset is None:
        findings += [BackgroundAssumed(path) for path, offset in zip(paths, offsets, strict=True) if offset]
    float_, int8 = (
        ComparedFile(
            path=path,
            kernels=each,
            class_offset=offset,
            classes=count - offset,
            runtime=float_model.runtime,
        )
        for path, each, offset, count in zip(paths, chosen, offsets, outputs, strict=True)
    )
    if float_.classes != int8.classes:
        raise ModelFileError(
            "class counts of the two models",
            f"{outputs[0]} and {outputs[1]} outputs",
            "the same classes",
            "use --class-offset where one has a background class",
        )
    return FilePair(float_=float_, int8=int8, findings=tuple(findings))


def _choose_kernels(
    path: Path, choice: KernelChoice, runtime: RuntimeName, findings: list[Finding]
) -> Kernels:
    if choice != "auto":
        return choice
    check = probe(path, kernels="xnnpack", runtime=runtime)
    if check.loads:
        return "xnnpack"
    # The child process has shown whether the built-in kernels can take it; a broken file is reported here.
    open_model(path, kernels="builtin", runtime=runtime)
    findings.append(RefusedByXnnpack(path))
    return "builtin"


def _check_kinds(float_path: Path, int8_path: Path, float_model: LoadedModel) -> None:
    if float_model.outputs[0].dtype != "float32" or float_model.inputs[0].dtype != "float32":
        raise ModelFileError(
            f"float model {float_path}", f"a {float_model.inputs[0].dtype} input", "a float32 .tflite file"
        )
    graphs = read_file(int8_path).graphs
    if not any(tensor.dtype in ("INT8", "UINT8") for graph in graphs for tensor in graph.tensors):
        raise ModelFileError(
            f"int8 model {int8_path}", "no quantized tensor: a float file", "an int8 .tflite file"
        )


def _check_shapes(float_path: Path, float_model: LoadedModel, int8_model: LoadedModel) -> None:
    shapes = [model.inputs[0].shape for model in (float_model, int8_model)]
    if shapes[0][1:] != shapes[1][1:]:
        raise ModelFileError("input shapes of the two models", f"{shapes[0]} and {shapes[1]}", "equal shapes")
    image_shape(float_path, float_model)


def _class_offsets(outputs: list[int], class_offset: int | None) -> list[int]:
    if class_offset is None:
        return [default_class_offset(count) for count in outputs]
    same = outputs[0] == outputs[1]
    return [class_offset if same or count > min(outputs) else 0 for count in outputs]
