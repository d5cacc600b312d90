"""Builds a `.tflite` file of one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.tflite.objects import (
    buffer_object,
    code_object,
    model_object,
    operator_object,
    packed,
    signature_object,
    tensor_object,
)
from edge_mnv3.core.tflite.types import Tensor


class Signature(NamedTuple):
    """The names under which a runtime's callers know the inputs and outputs, as many as there are."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class GraphBuilder:
    """A graph in the making: tensors are numbered, and operators run, in the order of being added."""

    def __init__(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]  # the first is empty by rule
        self._codes: dict[str, int] = {}
        self._code_objects: list[Any] = []

    def add_tensor(self, tensor: Tensor) -> int:
        """Adds a tensor, with its data if it is a constant; returns its number."""
        buffer = 0
        if tensor.data is not None:
            self._buffers.append(buffer_object(tensor.data))
            buffer = len(self._buffers) - 1
        self._graph.tensors.append(tensor_object(tensor, buffer))
        return len(self._graph.tensors) - 1

    def add_operator(
        self,
        name: str,
        inputs: Sequence[int],
        output: int,
        options: Mapping[str, Any] | None = None,
        *,
        code: str | None = None,
    ) -> None:
        """Adds an operator of the version that `op_versions` says.

        Args:
            name: The schema's name, such as `CONV_2D`.
            inputs: Numbers of the tensors that it takes.
            output: Number of the tensor that it gives.
            options: Options of the operator, as in `Operator`; those left out keep the schema's defaults.
            code: Operators of one name share an entry among the file's operator codes if this is the same
                too. A runtime does not care; the bytes of a file do.

        Raises:
            ValueError: The operator has no such option.
        """
        key = code or name
        if key not in self._codes:
            self._codes[key] = len(self._code_objects)
            self._code_objects.append(code_object(name))
        new = operator_object(name, self._codes[key], inputs, [output], options or {})
        self._graph.operators.append(new)

    def to_bytes(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        signature: Signature | None = None,
        metadata: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """Writes the file.

        Args:
            inputs: Numbers of the graph's inputs.
            outputs: Numbers of the graph's outputs.
            signature: Their names; None for a file without a signature.
            metadata: Name to content of metadata entries.
        """
        self._graph.inputs, self._graph.outputs = list(inputs), list(outputs)
        contents = metadata or {}
        buffers = [*self._buffers, *map(buffer_object, contents.values())]
        model = model_object(self._graph, self._code_objects, buffers)
        for buffer, name in enumerate(contents, start=len(self._buffers)):
            entry = schema.MetadataT()
            entry.name, entry.buffer = name.encode(), buffer
            model.metadata = [*(model.metadata or []), entry]
        if signature is not None:
            names = zip(signature, (inputs, outputs), strict=True)
            model.signatureDefs = [
                signature_object(*(dict(zip(ends, tensors, strict=True)) for ends, tensors in names))
            ]
        return packed(model)
