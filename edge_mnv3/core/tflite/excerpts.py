"""Files of some of the operators of a `.tflite` file, each written without reading the whole file again."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.objects import buffer_object, model_object, packed, single_graph, unpacked

_AS_THEY_ARE: Mapping[int, npt.NDArray[Any]] = MappingProxyType({})


class Excerpts:
    """A file that excerpts are taken from; several threads may do so at once."""

    def __init__(self, content: bytes, name: str) -> None:
        """Reads the file.

        Args:
            content: Its bytes.
            name: What errors call it.

        Raises:
            ModelFileError: It is no valid `.tflite`, or holds several graphs.
        """
        self._model = unpacked(content, name)
        self._graph = single_graph(self._model, name)

    def excerpt(
        self,
        operators: Sequence[int],
        inputs: Mapping[int, Sequence[int]],
        outputs: Sequence[int],
        constants: Mapping[int, npt.NDArray[Any]] = _AS_THEY_ARE,
    ) -> bytes:
        """Writes a file of some operators.

        Args:
            operators: Their places in the order of execution, ascending.
            inputs: Number of each tensor that the file takes to its shape; in this order.
            outputs: Numbers of the tensors that it gives, each once.
            constants: Number of a constant to the numbers, in its dtype, that it has in the excerpt.
        """
        chosen = [copy.copy(self._graph.operators[place]) for place in operators]
        taken = (int(tensor) for operator in chosen for tensor in (*operator.inputs, *operator.outputs))
        tensors = dict.fromkeys(tensor for tensor in (*inputs, *outputs, *taken) if tensor >= 0)
        number_of = {tensor: number for number, tensor in enumerate(tensors)} | {-1: -1}
        codes = {code: place for place, code in enumerate(sorted({int(one.opcodeIndex) for one in chosen}))}
        for operator in chosen:
            operator.opcodeIndex = codes[int(operator.opcodeIndex)]
            operator.inputs = [number_of[int(tensor)] for tensor in operator.inputs]
            operator.outputs = [number_of[int(tensor)] for tensor in operator.outputs]
        graph, buffers = type(self._graph)(), [buffer_object(b"")]
        graph.operators = chosen
        graph.tensors = [self._tensor(tensor, inputs, constants, buffers) for tensor in tensors]
        graph.inputs, graph.outputs = ([number_of[tensor] for tensor in ends] for ends in (inputs, outputs))
        return packed(model_object(graph, [self._model.operatorCodes[code] for code in codes], buffers))

    def _tensor(
        self,
        tensor: int,
        inputs: Mapping[int, Sequence[int]],
        constants: Mapping[int, npt.NDArray[Any]],
        buffers: list[Any],
    ) -> Any:
        """A copy of a tensor, whose numbers are added to the buffers if it is a constant."""
        new = copy.copy(self._graph.tensors[tensor])
        new.name, kept = None, self._model.buffers[new.buffer]
        new.buffer = 0
        if tensor in inputs:
            new.shape, new.shapeSignature = list(inputs[tensor]), None
        elif tensor in constants:
            buffers.append(buffer_object(np.ascontiguousarray(constants[tensor]).tobytes()))
            new.buffer = len(buffers) - 1
        elif kept.data is not None and len(kept.data):
            buffers.append(kept)
            new.buffer = len(buffers) - 1
        return new
