"""Changes a `.tflite` file of one graph: other outputs, other constants, operators put in.

Every tensor keeps its number, and what is not changed stays as it was, known to this project or not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.tflite.objects import (
    buffer_object,
    builtin_code,
    code_object,
    operator_object,
    packed,
    quantization_object,
    single_graph,
    tensor_object,
    unpacked,
)
from edge_mnv3.core.tflite.types import Tensor, constant_tensor


class Edit:
    """A copy of a file that may be changed and written."""

    def __init__(self, content: bytes, name: str) -> None:
        """Reads a file.

        Args:
            content: Its bytes.
            name: What errors call it.

        Raises:
            ModelFileError: It is no valid `.tflite`, or holds several graphs.
        """
        self._model = unpacked(content, name)
        self._graph = single_graph(self._model, name)

    def with_outputs(self, tensors: Sequence[int]) -> Edit:
        """Makes these tensors the graph's outputs."""
        self._graph.outputs = list(tensors)
        self._model.signatureDefs = None  # they name the outputs that were
        return self

    def without_metadata(self, name: str) -> Edit:
        """Removes the metadata entry of this name; its buffer stays, and is empty."""
        entries = self._model.metadata or ()
        for entry in entries:
            if bytes(entry.name) == name.encode():
                self._model.buffers[entry.buffer].data = None
        self._model.metadata = [entry for entry in entries if bytes(entry.name) != name.encode()]
        return self

    def sort_outputs(self) -> Edit:
        """Puts the graph's outputs in the order of their names in the signature; without one they stay."""
        for signature in (self._model.signatureDefs or ())[:1]:
            entries = sorted(signature.outputs, key=lambda entry: bytes(entry.name))
            order = [int(entry.tensorIndex) for entry in entries]
            if sorted(order) == sorted(int(tensor) for tensor in self._graph.outputs):
                self._graph.outputs = order
        return self

    def name_outputs(self, names: Sequence[str]) -> Edit:
        """Gives the graph's outputs these names, in their order, in the signature where there is one."""
        for signature in (self._model.signatureDefs or ())[:1]:
            name_of = dict(zip(map(int, self._graph.outputs), names, strict=True))
            if len(name_of) == len(signature.outputs):  # no tensor is given twice
                for entry in signature.outputs:
                    entry.name = name_of[int(entry.tensorIndex)].encode()
        return self

    def set_constant(self, output: int, tensor: int, numbers: npt.NDArray[np.float32]) -> None:
        """Gives the operator of an output another constant; others that take the old one keep it."""
        changed = copy.copy(self._graph.tensors[tensor])
        changed.buffer = self._add_buffer(np.ascontiguousarray(numbers).tobytes())
        self._graph.tensors.append(changed)
        new = len(self._graph.tensors) - 1
        for operator in self._graph.operators:
            if output in operator.outputs:
                operator.inputs = [new if i == tensor else int(i) for i in operator.inputs]

    def set_quantization(
        self, tensor: int, scales: Sequence[float], zero_points: Sequence[int], quantized_dimension: int = 0
    ) -> None:
        """Gives a tensor other scales, while what it stores stays as it is."""
        self._graph.tensors[tensor].quantization = quantization_object(
            scales, zero_points, quantized_dimension
        )

    def set_float(self, tensors: Iterable[int]) -> Edit:
        """Makes tensors hold float32 instead of what they held."""
        for tensor in tensors:
            self._graph.tensors[tensor].type = tensor_object(
                Tensor(name="", dtype="FLOAT32", shape=()), 0
            ).type
        return self

    def bypass(self, new_of: Mapping[int, int]) -> Edit:
        """Removes the operators that give certain tensors, and lets others be taken instead.

        Args:
            new_of: Number of each such tensor to the number of the one that is taken instead.
        """
        self._graph.operators = [op for op in self._graph.operators if op.outputs[0] not in new_of]
        self._replace_tensors(new_of)
        self._drop_unused_codes()
        return self

    def fake_quantize(
        self,
        tensor: int,
        scale: float,
        zero_point: int,
        equalization_scales: npt.NDArray[np.float64] | None,
        movement: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Rounds a float tensor to int8 and back before anything takes it.

        Args:
            tensor: The number of a tensor of float32.
            scale: Real value of one step.
            zero_point: Stored value of real 0.
            equalization_scales: (C,): the tensor is divided by them before, and multiplied after; None for 1.
            movement: (C,): is added to the tensor before everything, and subtracted after; None for 0.
        """
        shape = tuple(int(side) for side in self._graph.tensors[tensor].shape)
        place = self._place_after(tensor)
        value, new = tensor, []
        if movement is not None:
            value = self._add_tensor(Tensor(name="", dtype="FLOAT32", shape=shape))
            new.append(self._operator("ADD", [tensor, self._add_constant(movement)], value))
        if equalization_scales is not None:
            divided = self._add_tensor(Tensor(name="", dtype="FLOAT32", shape=shape))
            inverse = self._add_constant(1.0 / equalization_scales)
            new.append(self._operator("MUL", [value, inverse], divided))
            value = divided
        stored = self._add_tensor(
            Tensor(name="", dtype="INT8", shape=shape, scales=(scale,), zero_points=(zero_point,))
        )
        real = self._add_tensor(Tensor(name="", dtype="FLOAT32", shape=shape))
        new += [self._operator("QUANTIZE", [value], stored), self._operator("DEQUANTIZE", [stored], real)]
        if equalization_scales is not None:
            restored = self._add_tensor(Tensor(name="", dtype="FLOAT32", shape=shape))
            new.append(self._operator("MUL", [real, self._add_constant(equalization_scales)], restored))
            real = restored
        if movement is not None:
            back = self._add_tensor(Tensor(name="", dtype="FLOAT32", shape=shape))
            new.append(self._operator("ADD", [real, self._add_constant(-movement)], back))
            real = back
        self._replace_tensors({tensor: real})
        self._graph.operators[place:place] = new

    def scale_input(self, factor: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> Edit:
        """Puts a product and a sum in front of the graph's one float input.

        Args:
            factor: (1,) or (channels,): what the new input is multiplied by.
            offset: (1,) or (channels,): what is added then.
        """
        old = int(self._graph.inputs[0])
        given = self._graph.tensors[old]
        shape = tuple(int(side) for side in given.shape)
        name = (given.name or b"image").decode("utf-8", "replace")
        given.name = f"{name}_scaled".encode()
        image = value = self._add_tensor(Tensor(name=name, dtype="FLOAT32", shape=shape))
        new = []
        for kind, numbers, neutral in (("MUL", factor, 1.0), ("ADD", offset, 0.0)):
            if (numbers != neutral).any():
                result = self._add_tensor(Tensor(name=f"{name}_{kind.lower()}", dtype="FLOAT32", shape=shape))
                new.append(self._operator(kind, [value, self._add_constant(numbers)], result))
                value = result
        self._replace_tensors({old: value})
        self._graph.operators[:0] = new
        self._take_input(image)
        return self

    def take_channels_last(self) -> Edit:
        """Puts a transposition in front of the graph's one input (N, C, H, W), which becomes (N, H, W, C)."""
        old = int(self._graph.inputs[0])
        given = self._graph.tensors[old]
        name = (given.name or b"image").decode("utf-8", "replace")
        given.name = f"{name}_channels_first".encode()
        shape, signature = (
            () if sides is None or len(sides) == 0 else tuple(int(sides[place]) for place in (0, 2, 3, 1))
            for sides in (given.shape, given.shapeSignature)
        )
        image = self._add_tensor(Tensor(name=name, dtype="FLOAT32", shape=shape, shape_signature=signature))
        order = self._add_tensor(constant_tensor("", np.array([0, 3, 1, 2], np.int32)))
        self._graph.operators[:0] = [self._operator("TRANSPOSE", [image, order], old)]
        self._take_input(image)
        return self

    def set_input_shape(self, shape: Sequence[int]) -> Edit:
        """Gives the graph's one input this shape; those of the tensors behind it stay as they are."""
        self._set_shape(int(self._graph.inputs[0]), shape)
        return self

    def set_shapes(self, shapes: Mapping[int, Sequence[int]]) -> Edit:
        """Gives tensors fixed shapes, by number; no dimension of the file stays open."""
        for tensor, shape in shapes.items():
            self._set_shape(tensor, shape)
        for each in self._graph.tensors:
            each.shapeSignature = None
        return self

    def fold(self, constants: Mapping[int, npt.NDArray[Any]]) -> Edit:
        """Makes constants of what operators compute, and removes the operators that only they needed.

        Args:
            constants: Number of a tensor to its numbers, in its dtype.
        """
        for tensor, numbers in constants.items():
            self._set_shape(tensor, numbers.shape)
            self._graph.tensors[tensor].buffer = self._add_buffer(np.ascontiguousarray(numbers).tobytes())
        wanted = {int(tensor) for tensor in self._graph.outputs} - constants.keys()
        kept = []
        for operator in reversed(self._graph.operators):
            if wanted & {int(tensor) for tensor in operator.outputs}:
                wanted |= {int(tensor) for tensor in operator.inputs} - constants.keys()
                kept.append(operator)
        self._graph.operators = kept[::-1]
        return self

    def to_bytes(self) -> bytes:
        """Writes the file."""
        return packed(self._model)

    def _take_input(self, tensor: int) -> None:
        """Makes a tensor the graph's one input, under the names that the input had."""
        self._graph.inputs = [tensor]
        for signature in self._model.signatureDefs or ():
            for entry in signature.inputs:
                entry.tensorIndex = tensor

    def _set_shape(self, tensor: int, shape: Sequence[int]) -> None:
        self._graph.tensors[tensor].shape = [int(side) for side in shape]
        self._graph.tensors[tensor].shapeSignature = None

    def _place_after(self, tensor: int) -> int:
        places = [i for i, op in enumerate(self._graph.operators) if op.outputs[0] == tensor]
        return places[0] + 1 if places else 0

    def _replace_tensors(self, new_of: Mapping[int, int]) -> None:
        """Makes operators, and the graph's outputs, take other tensors instead."""
        for operator in self._graph.operators:
            operator.inputs = [new_of.get(int(i), int(i)) for i in operator.inputs]
        self._graph.outputs = [new_of.get(int(i), int(i)) for i in self._graph.outputs]

    def _drop_unused_codes(self) -> None:
        """Leaves out the entries that no operator has: loaders want kernels for all that a file lists."""
        used = sorted({int(operator.opcodeIndex) for operator in self._graph.operators})
        places = {old: new for new, old in enumerate(used)}
        self._model.operatorCodes = [self._model.operatorCodes[old] for old in used]
        for operator in self._graph.operators:
            operator.opcodeIndex = places[int(operator.opcodeIndex)]

    def _add_buffer(self, content: bytes | memoryview) -> int:
        self._model.buffers.append(buffer_object(content))
        return len(self._model.buffers) - 1

    def _add_constant(self, numbers: npt.NDArray[np.float64]) -> int:
        return self._add_tensor(constant_tensor("", numbers.astype(np.float32)))

    def _add_tensor(self, tensor: Tensor) -> int:
        buffer = 0 if tensor.data is None else self._add_buffer(tensor.data)
        self._graph.tensors.append(tensor_object(tensor, buffer))
        return len(self._graph.tensors) - 1

    def _operator(self, name: str, inputs: Sequence[int], output: int) -> Any:
        """A new operator, under the operator code that the file has for its name, else under a new one."""
        codes = self._model.operatorCodes
        wanted = code_object(name)
        for place, code in enumerate(codes):
            if builtin_code(code) == wanted.builtinCode:
                return operator_object(name, place, inputs, [output], {})
        codes.append(wanted)
        return operator_object(name, len(codes) - 1, inputs, [output], {})
