"""Files whose image is of uint8, pixels as they are, made to take the same numbers as float32."""

from __future__ import annotations

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.read import only_graph, read_model
from edge_mnv3.core.tflite.types import Graph, Operator

# These arrange numbers, of whatever type, and compute nothing.
_ARRANGING = (
    *(
        "BROADCAST_TO",
        "CONCATENATION",
        "EXPAND_DIMS",
        "GATHER",
        "PACK",
        "RESHAPE",
        "SLICE",
        "SPLIT",
        "SQUEEZE",
    ),
    *("STRIDED_SLICE", "TILE", "TRANSPOSE"),
)


def takes_pixels_as_integers(graph: Graph) -> bool:
    """Whether a graph's one input is of uint8 whose numbers are no steps of a quantization."""
    inputs = [graph.tensors[number] for number in graph.inputs]
    return len(inputs) == 1 and inputs[0].dtype == "UINT8" and not inputs[0].scales


def with_float_input(content: bytes, name: str) -> bytes:
    """Makes a file take its uint8 image as float32, in the same numbers.

    Args:
        content: The file.
        name: What errors call it.

    Returns:
        A file that answers pixels as the given one does; the same bytes where no such image is taken.

    Raises:
        ModelFileError: It is no valid `.tflite`, holds several graphs, or computes with integers before it
            makes floats of them.
    """
    graph = only_graph(read_model(content, name), name)
    if not takes_pixels_as_integers(graph):
        return content
    held, floats = {graph.inputs[0]: graph.inputs[0]}, dict[int, int]()
    for operator in graph.operators:
        taken = [tensor for tensor in operator.inputs if tensor in held]
        if not taken:
            continue
        if _makes_floats(graph, operator):
            floats[operator.output] = taken[0]
        elif operator.name in _ARRANGING and _is_all(graph, operator, held):
            held |= {tensor: tensor for tensor in operator.outputs}
        else:
            raise ModelFileError(
                f"model {name}: operator {operator.index} {operator.name}",
                "arithmetic with the uint8 of the image",
                "an image that is made float32 first",
                "build the model on a float32 Input",
            )
    if set(graph.outputs) & held.keys():
        raise ModelFileError(f"model {name}", "an output of uint8", "scores or features")
    return Edit(content, name).set_float(held).bypass(floats).to_bytes()


def _makes_floats(graph: Graph, operator: Operator) -> bool:
    return operator.name == "CAST" and graph.tensors[operator.output].dtype == "FLOAT32"


def _is_all(graph: Graph, operator: Operator, held: dict[int, int]) -> bool:
    """Whether an operator takes no other numbers of uint8, such as constants."""
    return all(tensor in held or graph.tensors[tensor].dtype != "UINT8" for tensor in operator.inputs)
