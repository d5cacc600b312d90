"""Of files with several outputs one is diagnosed at a time, and what the others alone need is left aside."""

from __future__ import annotations

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.output_facts import signature_names
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.types import Graph, Model


def place_of(model: Model, head: str | None, name: str) -> int:
    """Finds the place of an output among those of a file.

    Args:
        model: The float file.
        head: Its name in the signature, or that of its tensor; None for the only one.
        name: What errors call the file.

    Raises:
        ArgumentError: There are several and none is named, or none has this name.
    """
    graph, signature = model.main_graph, signature_names(model)
    names = [signature.get(tensor, graph.tensors[tensor].name) for tensor in graph.outputs]
    if head is None and len(names) == 1:
        return 0
    if head in names:
        return names.index(head)
    got = f"{len(names)} outputs ({', '.join(names)})" if head is None else f"'{head}'"
    wanted = "one output to diagnose" if head is None else f"one of {', '.join(names)}"
    raise ArgumentError(f"diagnosing {name}", got, wanted, "name it with --head")


def with_one_output(content: bytes, place: int, name: str) -> bytes:
    """Returns a file that gives only the output in a place; its operators stay."""
    outputs = read_model(content, name).main_graph.outputs
    return content if len(outputs) == 1 else Edit(content, name).with_outputs([outputs[place]]).to_bytes()


def needed_for(graph: Graph, tensor: int) -> set[int]:
    """The tensors that one depends on, and itself."""
    needed, waiting = set[int](), [tensor]
    while waiting:
        one = waiting.pop()
        producer = None if one in needed else graph.producer(one)
        needed.add(one)
        waiting += producer.inputs if producer else ()
    return needed


def real_input(file: Graph, tensor: int) -> int:
    """Finds the tensor that was requantized into a tensor, or returns the tensor itself."""
    operator = file.producer(tensor)
    while (
        operator is not None
        and operator.name == "QUANTIZE"
        and file.tensors[operator.inputs[0]].dtype == "INT8"
    ):
        tensor = operator.inputs[0]
        operator = file.producer(tensor)
    return tensor
