"""A float and an int8 file that are compared: what runs them, what they are fed, how outputs are paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_mnv3.core.choices import KernelChoice, Kernels, RuntimeName
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.model_facts import OutputFacts, Task, TaskSource
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.runtime import LoadedModel, open_model, probe
from edge_mnv3.core.tflite.input_facts import DecidedInput, decide_inputs, read_input
from edge_mnv3.core.tflite.output_facts import read_outputs, signature_names
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3_quantization.validation.findings import Finding, InputDoubtful, RefusedByXnnpack
from edge_mnv3_quantization.validation.running import RunnableFile, image_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFile:
    """One of the two files.

    Attributes:
        path: The file.
        kernels: The kernels that run it.
        input: What it is fed.
        runtime: Name and version of the runtime.
    """

    path: Path
    kernels: Kernels
    input: DecidedInput
    runtime: str

    @property
    def runnable(self) -> RunnableFile:
        """The file as it is run."""
        return RunnableFile(self.path, self.kernels, self.input.range)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedOutput:
    """An output of both files.

    Attributes:
        facts: What it gives, as the float file tells.
        float_place: Its place among the float file's outputs.
        int8_place: Its place among the int8 file's outputs.
        float_count: How many numbers the float file gives.
        int8_count: How many numbers the int8 file gives.
    """

    facts: OutputFacts
    float_place: int
    int8_place: int
    float_count: int
    int8_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePair:
    """Both files.

    Attributes:
        float_: The float file.
        int8: The int8 file.
        outputs: Their outputs, in the float file's order.
        task_source: What told the outputs' tasks.
        findings: What was noticed about the files.
    """

    float_: ComparedFile
    int8: ComparedFile
    outputs: tuple[PairedOutput, ...]
    task_source: TaskSource
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSettings:
    """How files are opened.

    Attributes:
        kernels: `auto` takes XNNPACK, and for a file that does not load under it the built-in kernels.
        runtime: Which runtime to use.
        input_range: What float inputs take, as the user says; None to find it out.
        task: What the outputs mean, as the user says; None for what is recorded.
        recorded: What the float file's outputs mean, as `quantize.json` says; where it is of other outputs or
            empty, that is read from the float file.
    """

    kernels: KernelChoice
    runtime: RuntimeName
    input_range: InputRange | None = None
    task: Task | None = None
    recorded: tuple[OutputFacts, ...] = ()


def open_pair(float_path: Path, int8_path: Path, settings: PairSettings) -> FilePair:
    """Loads both files once, and checks that they can be compared.

    Args:
        float_path: A float `.tflite` file.
        int8_path: An int8 `.tflite` file of the same input shape and outputs.
        settings: How they are opened.

    Raises:
        ModelFileError: A file is invalid, does not load, takes floats of unknown range, or the two do not fit
            each other.
        ArgumentError: The outputs cannot have the task that is stated.
    """
    paths = (float_path, int8_path)
    findings: list[Finding] = []
    chosen = [_choose_kernels(path, settings, findings) for path in paths]
    models = [
        open_model(path, kernels=each, runtime=settings.runtime)
        for path, each in zip(paths, chosen, strict=True)
    ]
    _check_kinds(float_path, int8_path, models[0])
    _check_shapes(float_path, *models)
    inputs = decide_inputs([read_input(path) for path in paths], settings.input_range)
    findings += [InputDoubtful(each.warning) for each in inputs if each.warning is not None]
    float_, int8 = (
        ComparedFile(path=path, kernels=kernels, input=decided, runtime=model.runtime)
        for path, kernels, decided, model in zip(paths, chosen, inputs, models, strict=True)
    )
    facts, task_source = _facts(float_path, settings)
    outputs = paired_outputs(facts, *(_by_signature(*each) for each in zip(paths, models, strict=True)))
    return FilePair(
        float_=float_, int8=int8, outputs=outputs, task_source=task_source, findings=tuple(findings)
    )


def _facts(float_path: Path, settings: PairSettings) -> tuple[tuple[OutputFacts, ...], TaskSource]:
    facts = read_outputs(float_path, task=settings.task)
    if settings.task is not None:
        return facts, "stated"
    if [each.shape for each in settings.recorded] != [each.shape for each in facts]:
        return facts, "graph"
    return read_outputs(float_path, tasks=[each.task for each in settings.recorded]), "recorded"


def _by_signature(path: Path, model: LoadedModel) -> list[TensorInfo]:
    """The outputs under the names of the signature, which both files share."""
    contents = read_file(path)
    names = signature_names(contents)
    return [
        replace(tensor, name=names.get(number, tensor.name))
        for number, tensor in zip(contents.main_graph.outputs, model.outputs, strict=True)
    ]


def paired_outputs(
    facts: Sequence[OutputFacts], float_outputs: Sequence[TensorInfo], int8_outputs: Sequence[TensorInfo]
) -> tuple[PairedOutput, ...]:
    """Finds for each output of a float file the int8 file's.

    They belong together by name where both files have the same names, else by shape where all shapes differ,
    else by place: converters keep the order.

    Raises:
        ModelFileError: There are other outputs in the int8 file.
    """
    if len(float_outputs) != len(int8_outputs):
        raise ModelFileError(
            "outputs of the two models",
            f"{len(float_outputs)} and {len(int8_outputs)}",
            "the same outputs",
        )
    places = list(range(len(int8_outputs)))
    for key in ("name", "shape"):
        wanted, there = ([getattr(tensor, key) for tensor in each] for each in (float_outputs, int8_outputs))
        if len(set(wanted)) == len(wanted) and set(wanted) == set(there):
            places = [there.index(one) for one in wanted]
            break
    return tuple(
        PairedOutput(
            facts=fact,
            float_place=index,
            int8_place=place,
            float_count=math.prod(float_outputs[index].shape[1:]),
            int8_count=math.prod(int8_outputs[place].shape[1:]),
        )
        for index, (fact, place) in enumerate(zip(facts, places, strict=True))
    )


def _choose_kernels(path: Path, settings: PairSettings, findings: list[Finding]) -> Kernels:
    if settings.kernels != "auto":
        return settings.kernels
    check = probe(path, kernels="xnnpack", runtime=settings.runtime)
    if check.loads:
        return "xnnpack"
    # The child process has shown whether the built-in kernels can take it; a broken file is reported here.
    open_model(path, kernels="builtin", runtime=settings.runtime)
    findings.append(RefusedByXnnpack(path))
    return "builtin"


def _check_kinds(float_path: Path, int8_path: Path, float_model: LoadedModel) -> None:
    if any(tensor.dtype != "float32" for tensor in (*float_model.inputs, *float_model.outputs)):
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
