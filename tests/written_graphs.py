"""Float graphs written operator by operator, as converters of others write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.build import GraphBuilder, Signature
from edge_mnv3.core.tflite.types import Tensor, constant_tensor
from edge_mnv3_quantization.graph.network import Network
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_float
from edge_mnv3_quantization.reading.reader import read_network

Floats = npt.NDArray[np.float32]
SAME: dict[str, Any] = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
VALID: dict[str, Any] = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
TOLERANCE = 1e-5  # float32 in both files, a few dozen summands of size 1


class Written(GraphBuilder):
    """A float graph in the making, with random weights; every method returns the number of a tensor."""

    def __init__(
        self,
        shape: tuple[int, ...] = (1, 6, 6, 3),
        *,
        seed: int = 0,
        open_batch: bool = False,
        takes: InputRange = PIXELS,
    ) -> None:
        super().__init__()
        self.rng, self.takes = np.random.default_rng(seed), takes
        self.shapes: list[tuple[int, ...]] = []
        self.names: list[str] = []
        signature = (-1, *shape[1:]) if open_batch else ()
        self.image = self.tensor("image", shape, signature)

    def tensor(
        self, name: str, shape: tuple[int, ...], signature: tuple[int, ...] = (), dtype: str = "FLOAT32"
    ) -> int:
        self.shapes.append(shape)
        self.names.append(name)
        return self.add_tensor(Tensor(name=name, dtype=dtype, shape=shape, shape_signature=signature))

    def constant(self, numbers: Any, dtype: Any = np.float32) -> int:
        stored = np.asarray(numbers, dtype)
        self.shapes.append(stored.shape)
        self.names.append("constant")
        return self.add_tensor(constant_tensor("constant", stored))

    def op(self, name: str, *inputs: int, shape: tuple[int, ...] | None = None, **options: Any) -> int:
        """Adds an operator that gives a float tensor of a shape, else of the largest input's shape."""
        if shape is None:
            shape = max((self.shapes[value] for value in inputs), key=lambda sides: int(np.prod(sides)))
        output = self.tensor(f"{name}_{len(self.shapes)}", shape)
        self.add_operator(name, inputs, output, options)
        return output

    def integers(self, name: str, *inputs: int, shape: tuple[int, ...], **options: Any) -> int:
        """Adds an operator that computes a shape."""
        output = self.tensor(f"{name}_{len(self.shapes)}", shape, dtype="INT32")
        self.add_operator(name, inputs, output, options)
        return output

    def normal(self, *shape: int) -> Floats:
        return self.rng.normal(0, 1 / np.sqrt(np.prod(shape[1:]) or 1), shape).astype(np.float32)

    def conv(self, x: int, channels: int, kernel: int = 1, **options: Any) -> int:
        _, rows, columns, given = self.shapes[x]
        options = {**SAME, **options}
        weights = self.constant(self.normal(channels, kernel, kernel, given))
        bias = self.constant(self.normal(channels))
        taken = 0 if options["padding"] == "SAME" else kernel - 1
        sides = [-(-(size - taken) // options["stride_h"]) for size in (rows, columns)]
        return self.op("CONV_2D", x, weights, bias, shape=(1, *sides, channels), **options)

    def depthwise(self, x: int, **options: Any) -> int:
        channels = self.shapes[x][-1]
        weights, bias = self.constant(self.normal(1, 3, 3, channels)), self.constant(self.normal(channels))
        return self.op("DEPTHWISE_CONV_2D", x, weights, bias, depth_multiplier=1, **SAME | options)

    def reshape(self, x: int, *shape: int) -> int:
        return self.op("RESHAPE", x, self.constant(shape, np.int32), shape=shape)

    def transpose(self, x: int, *order: int) -> int:
        shape = tuple(self.shapes[x][place] for place in order)
        return self.op("TRANSPOSE", x, self.constant(order, np.int32), shape=shape)

    def mean(self, x: int, *, keep_dims: bool = True, name: str = "MEAN") -> int:
        channels = self.shapes[x][-1]
        shape = (1, 1, 1, channels) if keep_dims else (1, channels)
        return self.op(name, x, self.constant([1, 2], np.int32), shape=shape, keep_dims=keep_dims)

    def dense(self, x: int, outputs: int, **options: Any) -> int:
        weights, bias = (
            self.constant(self.normal(outputs, self.shapes[x][-1])),
            self.constant(self.normal(outputs)),
        )
        return self.op("FULLY_CONNECTED", x, weights, bias, shape=(1, outputs), **options)

    def finish(self, *outputs: int, names: tuple[str, ...] = ()) -> bytes:
        signature = Signature(("image",), names) if names else None
        return self.to_bytes([self.image], outputs, signature=signature)

    def classified(self, x: int) -> bytes:
        """Ends the graph with global pooling and a dense layer."""
        return self.finish(self.dense(self.mean(x, keep_dims=False), 4))


def float_pair(
    content: bytes, network: Network, takes: InputRange = PIXELS, *, seed: int = 1
) -> tuple[list[Any], list[Any]]:
    """Runs a file, and the network that was read from it, on the same pixels; both give all outputs."""
    model = open_bytes(content, kernels="builtin")
    shape = network.values[network.input].shape
    rng = np.random.default_rng(seed)
    pixels = rng.uniform(-1, 1, shape).astype(np.float32)
    if takes != PIXELS:
        pixels = rng.integers(0, 256, shape).astype(np.float32)
    wanted = (1, *model.inputs[0].shape[1:])
    mean, std = (np.array(numbers, np.float32) for numbers in (takes.mean, takes.std))
    given = (pixels - mean) / std
    given = given if wanted == shape else given.transpose(0, 3, 1, 2)
    scaled = pixels * np.float32(network.input_scale) + np.float32(network.input_offset)
    read = open_bytes(write_float(rescale(network, {}), network.outputs))
    return model.run_raw(given), read.run_raw(scaled)


def assert_equal(content: bytes, takes: InputRange = PIXELS) -> Network:
    """Reads a file, compares what it and the network give, and returns the network."""
    network = read_network(content, takes)
    for wanted, got in zip(*float_pair(content, network, takes), strict=True):
        assert wanted.shape == got.shape
        assert np.abs(wanted).max() > 1e-3  # or anything would be equal
        np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE)
    return network


def kinds(network: Network) -> list[str]:
    """The kinds of a network's nodes, in the order of execution."""
    return [node.kind for node in network.nodes]
