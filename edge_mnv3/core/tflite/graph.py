"""What a `.tflite` file holds, read from the flatbuffer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ModelFileError

_FLOAT_TYPES = ("FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16", "COMPLEX64", "COMPLEX128")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of the graph.

    Attributes:
        dtype: The schema's name in capitals, such as `INT8`.
        shape: Dimensions; -1 where open.
        scales: Real value of one step: empty, one, or one a channel.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: npt.NDArray[np.float32]

    @property
    def is_float(self) -> bool:
        """Whether it holds floats."""
        return self.dtype in _FLOAT_TYPES

    @property
    def is_dynamic(self) -> bool:
        """Whether a dimension is open."""
        return any(side < 0 for side in self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator of the graph; `inputs` leaves out optional ones that are absent."""

    index: int
    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """All subgraphs of a file, one after the other."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def op_histogram(self) -> dict[str, int]:
        """Operator name to count, most frequent first."""
        return dict(Counter(operator.name for operator in self.operators).most_common())

    def float_tensors(self) -> tuple[str, ...]:
        """Names of the tensors that hold floats."""
        return tuple(tensor.name for tensor in self.tensors if tensor.is_float)

    def dynamic_tensors(self) -> tuple[str, ...]:
        """Names of the tensors with an open dimension."""
        return tuple(tensor.name for tensor in self.tensors if tensor.is_dynamic)


def read_graph(path: Path) -> Graph:
    """Reads a file that a runtime has found to be a valid flatbuffer.

    Raises:
        ModelFileError: It cannot be read as one all the same.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    except Exception as error:  # the generated code raises whatever the bytes lead it to
        raise ModelFileError(f"model {path}", "no valid TFLite flatbuffer", "a whole .tflite file") from error
    op_names = _names(schema.BuiltinOperator)
    type_names = _names(schema.TensorType)
    tensors: list[Tensor] = []
    operators: list[Operator] = []
    inputs: list[str] = []
    outputs: list[str] = []
    for subgraph in model.subgraphs:
        own = [_tensor(tensor, type_names) for tensor in subgraph.tensors]
        for operator in subgraph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            custom = code.customCode.decode() if code.customCode else None
            # Files older than schema 3a keep the code in the deprecated field.
            builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
            operators.append(
                Operator(
                    index=len(operators),
                    name=custom or op_names[builtin],
                    inputs=tuple(own[i] for i in operator.inputs if i >= 0),
                    outputs=tuple(own[i] for i in operator.outputs),
                )
            )
        tensors += own
        inputs += [own[i].name for i in subgraph.inputs]
        outputs += [own[i].name for i in subgraph.outputs]
    return Graph(
        tensors=tuple(tensors),
        operators=tuple(operators),
        input_names=tuple(inputs),
        output_names=tuple(outputs),
    )


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


def _tensor(tensor: Any, type_names: dict[int, str]) -> Tensor:
    signature = tensor.shapeSignature
    shape = tensor.shape if signature is None or len(signature) == 0 else signature
    scales = tensor.quantization.scale if tensor.quantization is not None else None
    return Tensor(
        name=(tensor.name or b"").decode("utf-8", "replace"),
        dtype=type_names[tensor.type],
        shape=tuple(int(side) for side in shape) if shape is not None else (),
        scales=np.asarray([] if scales is None else scales, dtype=np.float32),
    )
