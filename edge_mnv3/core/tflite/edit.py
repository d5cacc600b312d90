"""A `.tflite` file of one graph, read and changed through the generated schema.

Changes are small ones that keep every tensor's number: other outputs, other constants, operators put between
a value and those that take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.errors import ModelFileError

_OP_NAMES: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}
_TYPE_NAMES: dict[int, str] = {
    value: name for name, value in vars(schema.TensorType).items() if not name.startswith("_")
}
_NUMPY_TYPES = {"FLOAT32": np.float32, "INT8": np.int8, "INT32": np.int32}
_VERSIONS = {"ADD": 1, "MUL": 1, "QUANTIZE": 1, "DEQUANTIZE": 2}  # float32 operands; int8 for DEQUANTIZE


class Step(NamedTuple):
    """An operator: its name, the tensors that it takes (-1 for none), and the first that it gives."""

    name: str
    inputs: tuple[int, ...]
    output: int


class TfliteFile:
    """The first and only graph of a file.

    Attributes:
        steps: Its operators in the order of execution.
        inputs: Tensor numbers.
        outputs: Likewise.
    """

    def __init__(self, content: bytes, name: str) -> None:
        """Reads a file.

        Args:
            content: Its bytes.
            name: What errors call it.

        Raises:
            ModelFileError: It is no valid `.tflite`, or holds several graphs.
        """
        try:
            self._model = schema.ModelT.InitFromPackedBuf(content, 0)
            graphs = self._model.subgraphs
            count = len(graphs)
        except Exception as error:  # the generated code raises whatever the bytes lead it to
            raise ModelFileError(
                f"model {name}", "no valid TFLite flatbuffer", "a whole .tflite file"
            ) from error
        if count != 1:
            raise ModelFileError(f"model {name}", f"{count} graphs", "one")
        self._graph = graphs[0]
        self.inputs = tuple(map(int, self._graph.inputs))
        self.outputs = tuple(map(int, self._graph.outputs))
        self.steps = tuple(map(self._step, self._graph.operators))
        self._producers = {step.output: index for index, step in enumerate(self.steps)}

    def _step(self, operator: Any) -> Step:
        code = self._model.operatorCodes[operator.opcodeIndex]
        builtin = _OP_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        name = code.customCode.decode() if code.customCode else builtin
        return Step(name, tuple(map(int, operator.inputs)), int(operator.outputs[0]))

    def name(self, tensor: int) -> str:
        """A tensor's name."""
        return str((self._graph.tensors[tensor].name or b"").decode("utf-8", "replace"))

    def dtype(self, tensor: int) -> str:
        """The schema's name, such as `INT8`."""
        return _TYPE_NAMES[self._graph.tensors[tensor].type]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Dimensions."""
        shape = self._graph.tensors[tensor].shape
        return () if shape is None else tuple(map(int, shape))

    def scales(self, tensor: int) -> npt.NDArray[np.float64]:
        """Real value of one step: empty, one, or one a channel."""
        found = self._graph.tensors[tensor].quantization
        scales = None if found is None else found.scale
        return np.asarray([] if scales is None else scales, np.float32).astype(np.float64)

    def zero_point(self, tensor: int) -> int:
        """The stored value of real 0, of a tensor with one scale."""
        found = self._graph.tensors[tensor].quantization.zeroPoint
        return 0 if found is None or len(found) == 0 else int(found[0])

    def constant(self, tensor: int) -> npt.NDArray[Any] | None:
        """A constant tensor's numbers as stored; None for others, and for none at all (-1)."""
        if tensor < 0:
            return None
        data = self._model.buffers[self._graph.tensors[tensor].buffer].data
        if data is None or len(data) == 0 or self.dtype(tensor) not in _NUMPY_TYPES:
            return None
        values = np.frombuffer(bytes(data), _NUMPY_TYPES[self.dtype(tensor)])
        return values.reshape(self.shape(tensor))

    def producer(self, tensor: int) -> Step | None:
        """The operator that gives a tensor; None for inputs and constants."""
        index = self._producers.get(tensor)
        return None if index is None else self.steps[index]

    def consumers(self, tensor: int) -> tuple[Step, ...]:
        """The operators that take a tensor."""
        return tuple(step for step in self.steps if tensor in step.inputs)

    def metadata(self, name: str) -> bytes | None:
        """The content of a metadata entry."""
        for entry in self._model.metadata or []:
            if entry.name == name.encode():
                data = self._model.buffers[entry.buffer].data
                return None if data is None else bytes(data)
        return None

    def clamp(self, tensor: int) -> str:
        """The activation fused into the operator that gives a tensor, such as `NONE` or `RELU6`."""
        index = self._producers.get(tensor)
        options = None if index is None else self._graph.operators[index].builtinOptions
        function = getattr(options, "fusedActivationFunction", 0)
        kinds = {value: name for name, value in vars(schema.ActivationFunctionType).items()}
        return str(kinds[function])


class Edit(TfliteFile):
    """A copy of a file that may be changed and written; what it tells of operators stays as it was read."""

    def with_outputs(self, tensors: Sequence[int]) -> Edit:
        """Makes these tensors the graph's outputs."""
        self._graph.outputs = list(tensors)
        self._model.signatureDefs = None  # they name the outputs that were
        return self

    def set_constant(self, tensor: int, values: npt.NDArray[np.float32]) -> None:
        """Gives a float constant other numbers, without touching constants that shared its buffer."""
        self._graph.tensors[tensor].buffer = self._buffer(values)

    def fake_quantize(
        self, tensor: int, scale: float, zero_point: int, factors: npt.NDArray[np.float64] | None
    ) -> None:
        """Rounds a float value to int8 and back before anything takes it.

        Args:
            tensor: A value of float32.
            scale: Real value of one step.
            zero_point: Stored value of real 0.
            factors: (C,): the value is divided by them before, and multiplied after; None for 1.
        """
        shape = self.shape(tensor)
        place = self._place_after(tensor)
        value, new = tensor, []
        if factors is not None:
            divided = self._tensor("FLOAT32", shape)
            new.append(self._operator("MUL", [value, self._constant(1.0 / factors)], divided))
            value = divided
        stored = self._tensor("INT8", shape, scale, zero_point)
        real = self._tensor("FLOAT32", shape)
        new += [self._operator("QUANTIZE", [value], stored), self._operator("DEQUANTIZE", [stored], real)]
        if factors is not None:
            restored = self._tensor("FLOAT32", shape)
            new.append(self._operator("MUL", [real, self._constant(factors)], restored))
            real = restored
        self._take_instead(tensor, real)
        self._graph.operators[place:place] = new

    def to_bytes(self) -> bytes:
        """Writes the file."""
        size = sum(len(buffer.data) for buffer in self._model.buffers if buffer.data is not None)
        builder = flatbuffers.Builder(size + (1 << 20))
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _place_after(self, tensor: int) -> int:
        places = [i for i, op in enumerate(self._graph.operators) if op.outputs[0] == tensor]
        return places[0] + 1 if places else 0

    def _take_instead(self, old: int, new: int) -> None:
        for operator in self._graph.operators:
            operator.inputs = [new if i == old else int(i) for i in operator.inputs]
        self._graph.outputs = [new if i == old else int(i) for i in self._graph.outputs]

    def _buffer(self, values: npt.NDArray[Any]) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def _constant(self, values: npt.NDArray[np.float64]) -> int:
        tensor = self._tensor("FLOAT32", values.shape)
        self._graph.tensors[tensor].buffer = self._buffer(values.astype(np.float32))
        return tensor

    def _tensor(self, dtype: str, shape: Sequence[int], scale: float = 0.0, zero_point: int = 0) -> int:
        new = schema.TensorT()
        new.name, new.shape, new.buffer = b"", list(shape), 0
        new.type = getattr(schema.TensorType, dtype)
        if scale:
            new.quantization = schema.QuantizationParametersT()
            new.quantization.scale = np.array([scale], np.float32)
            new.quantization.zeroPoint = np.array([zero_point], np.int64)
        self._graph.tensors.append(new)
        return len(self._graph.tensors) - 1

    def _operator(self, name: str, inputs: Sequence[int], output: int) -> Any:
        builtin = getattr(schema.BuiltinOperator, name)
        codes = self._model.operatorCodes
        place = next(
            (
                i
                for i, code in enumerate(codes)
                if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin
            ),
            len(codes),
        )
        if place == len(codes):
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode = builtin, builtin
            code.version = _VERSIONS[name]
            codes.append(code)
        new = schema.OperatorT()
        new.opcodeIndex, new.inputs, new.outputs = place, list(inputs), [output]
        if name in ("ADD", "MUL"):
            new.builtinOptions = schema.AddOptionsT() if name == "ADD" else schema.MulOptionsT()
            new.builtinOptionsType = getattr(
                schema.BuiltinOptions, f"{'Add' if name == 'ADD' else 'Mul'}Options"
            )
        return new
