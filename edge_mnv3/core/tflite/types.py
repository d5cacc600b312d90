"""What a `.tflite` file holds, as plain values: tensors, operators, graphs, metadata.

Reading gives these types and building takes them. The names of types, operators and options are those of
TensorFlow's `schema.fbs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FLOAT_DTYPES = ("FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16", "COMPLEX64", "COMPLEX128")
NO_TENSOR = -1  # the number that stands for an optional input that is absent
# Types whose numbers NumPy holds as the file stores them.
_NUMPY_DTYPES = {
    name.upper(): np.dtype(name)
    for name in (
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of a graph.

    Attributes:
        dtype: The schema's name, such as `INT8`.
        shape: Dimensions; an open one is stored as 1.
        shape_signature: Dimensions, -1 where open; empty if the file states none beside `shape`.
        scales: Real value of one step: empty, one, or one a channel; float32 numbers.
        zero_points: Stored value of real 0, as many as scales.
        quantized_dimension: The dimension of the channels, where there are several scales.
        data: A constant's bytes as stored; None for what operators compute.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0
    data: bytes | memoryview | None = field(default=None, repr=False)

    @property
    def is_float(self) -> bool:
        """Whether it holds floats."""
        return self.dtype in FLOAT_DTYPES

    @property
    def is_dynamic(self) -> bool:
        """Whether a dimension is open."""
        return any(side < 0 for side in (*self.shape, *self.shape_signature))

    @property
    def zero_point(self) -> int:
        """The stored value of real 0 of a tensor with at most one scale."""
        return self.zero_points[0] if self.zero_points else 0

    def numbers(self) -> npt.NDArray[Any] | None:
        """A constant's numbers as stored, in the tensor's shape.

        Returns:
            None for what operators compute, and for types that NumPy does not know, such as `INT4`.
        """
        if self.data is None or self.dtype not in _NUMPY_DTYPES:
            return None
        return np.frombuffer(self.data, _NUMPY_DTYPES[self.dtype]).reshape(self.shape)

    def real_numbers(self) -> npt.NDArray[np.float64] | None:
        """A constant's numbers as they count: stored ones less their zero point, times their scale.

        Returns:
            As `numbers`.
        """
        stored = self.numbers()
        if stored is None or not self.scales:
            return None if stored is None else stored.astype(np.float64)
        along = [1] * stored.ndim
        if len(self.scales) > 1:
            along[self.quantized_dimension] = -1
        scales, zero_points = (
            np.asarray(each, np.float64).reshape(along) for each in (self.scales, self.zero_points or (0.0,))
        )
        return np.asarray((stored - zero_points) * scales)


def constant_tensor(
    name: str,
    numbers: npt.NDArray[Any],
    *,
    scales: Sequence[float] = (),
    zero_points: Sequence[int] = (),
    quantized_dimension: int = 0,
) -> Tensor:
    """Makes a tensor that holds these numbers, with their shape and dtype."""
    return Tensor(
        name=name,
        dtype=numbers.dtype.name.upper(),
        shape=numbers.shape,
        scales=tuple(scales),
        zero_points=tuple(zero_points),
        quantized_dimension=quantized_dimension,
        data=np.ascontiguousarray(numbers).tobytes(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator of a graph.

    Attributes:
        index: Its place in the order of execution.
        name: The schema's name, such as `CONV_2D`; the custom code of a custom operator.
        version: Version in its entry among the file's operator codes.
        inputs: Numbers of the tensors that it takes, `NO_TENSOR` for an absent optional one.
        outputs: Numbers of the tensors that it gives.
        options: The schema's fields, such as `stride_h`; `padding` and `fused_activation_function` as the
            schema's names, such as `SAME` and `RELU6`.
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]

    @property
    def output(self) -> int:
        """The number of the first tensor that it gives."""
        return self.outputs[0]

    @property
    def activation(self) -> str:
        """The activation that is fused into it, `NONE` if there is none."""
        return str(self.options.get("fused_activation_function", "NONE"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A graph of a file; tensors are known by their numbers, from 0.

    Attributes:
        operators: Operators in the order of execution.
        inputs: Numbers of tensors.
        outputs: Numbers of tensors.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def producer(self, tensor: int) -> Operator | None:
        """The operator that gives a tensor; None for inputs and constants."""
        return next((operator for operator in self.operators if tensor in operator.outputs), None)

    def consumers(self, tensor: int) -> tuple[Operator, ...]:
        """The operators that take a tensor."""
        return tuple(operator for operator in self.operators if tensor in operator.inputs)

    def constant(self, tensor: int) -> npt.NDArray[Any] | None:
        """The numbers that `Tensor.numbers` tells; None for `NO_TENSOR` as well."""
        return None if tensor == NO_TENSOR else self.tensors[tensor].numbers()

    def real_constant(self, tensor: int) -> npt.NDArray[np.float64] | None:
        """The numbers that `Tensor.real_numbers` tells; None for `NO_TENSOR` as well."""
        return None if tensor == NO_TENSOR else self.tensors[tensor].real_numbers()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureDef:
    """The names under which a runtime's callers know the inputs and outputs of the main graph.

    Attributes:
        inputs: Name to number of a tensor.
        outputs: Name to number of a tensor.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A whole file.

    Attributes:
        graphs: The main graph first.
        metadata: Name to content of each entry that has one.
        signatures: Those of the main graph.
    """

    graphs: tuple[Graph, ...]
    metadata: Mapping[str, bytes]
    signatures: tuple[SignatureDef, ...] = ()

    @property
    def main_graph(self) -> Graph:
        """The graph that a runtime runs."""
        return self.graphs[0]

    def op_histogram(self) -> dict[str, int]:
        """Operator name to count in all graphs, most frequent first."""
        names = Counter(operator.name for graph in self.graphs for operator in graph.operators)
        return dict(names.most_common())

    def float_tensors(self) -> tuple[str, ...]:
        """Names of the tensors of all graphs that hold floats."""
        return tuple(tensor.name for graph in self.graphs for tensor in graph.tensors if tensor.is_float)

    def dynamic_tensors(self) -> tuple[str, ...]:
        """Names of the tensors of all graphs with an open dimension."""
        return tuple(tensor.name for graph in self.graphs for tensor in graph.tensors if tensor.is_dynamic)
