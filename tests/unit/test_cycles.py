"""Cycles of blocks and lines that a cache misses, on values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.errors import RuntimeUnavailableError
from edge_mnv3.core.tflite.types import Graph, Operator, Tensor
from edge_mnv3_android_bench.instructions.llvm import PROGRAM_VARIABLE, find_llvm, read_cycles
from edge_mnv3_android_bench.instructions.operators import Step
from edge_mnv3_android_bench.instructions.second_cache import simulated_misses, size_bytes


def regions(*cycles: tuple[str, int]) -> str:
    """What llvm-mca writes of blocks."""
    return json.dumps(
        {
            "CodeRegions": [
                {"Name": name, "SummaryView": {"Iterations": 100, "TotalCycles": each}}
                for name, each in cycles
            ]
        }
    )


def test_cycles_are_those_of_one_execution() -> None:
    assert read_cycles(regions(("1", 250), ("0", 103)), 2) == [1.03, 2.5]


@pytest.mark.parametrize("text", ["", "{}", regions(("0", 103)), regions(("0", 103), ("2", 103))])
def test_missing_cycles_are_an_error(text: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"llvm-mca: got no figures .* expected 2 blocks"):
        read_cycles(text, 2)


def test_another_program_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llvm-mca").touch()
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "llvm-mca"))
    with pytest.raises(RuntimeUnavailableError, match=r"expected llvm-mca of LLVM 19, beside llvm-mc"):
        find_llvm()
    monkeypatch.delenv(PROGRAM_VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_llvm() is None


def graph(name: str, filter_size: int, *, sides: tuple[int, ...], channels: int = 16) -> Graph:
    """A chain of one operator, each time with a filter of this size; results have these sides."""
    weights = bytes(channels * filter_size * filter_size * channels)
    tensors = [Tensor(name="x", dtype="INT8", shape=(1, side, side, channels)) for side in sides]
    constant = Tensor(
        name="w", dtype="INT8", shape=(channels, filter_size, filter_size, channels), data=weights
    )
    operators = tuple(
        Operator(
            index=index, name=name, version=1, inputs=(index, len(sides)), outputs=(index + 1,), options={}
        )
        for index in range(len(sides) - 1)
    )
    return Graph(tensors=(*tensors, constant), operators=operators, inputs=(0,), outputs=(len(sides) - 1,))


def misses(graph: Graph, cache_bytes: int, kernels: str = "xnnpack") -> tuple[int, ...]:
    steps = [Step((operator.index,)) for operator in graph.operators]
    return simulated_misses(
        graph, steps, kernels="builtin" if kernels == "builtin" else "xnnpack", cache_bytes=cache_bytes
    )


def test_lines_that_a_cache_misses() -> None:
    """The third result lies where the first was: two results of 1,024 bytes and weights of 256 in all."""
    chain = graph("CONV_2D", 1, sides=(8, 8, 8))
    assert misses(chain, 2304) == (0, 0)
    in_lines = (1024 + 256 + 1024) // 64
    assert misses(chain, 512) == (in_lines, in_lines)


def test_arrays_of_the_runtimes_own() -> None:
    """XNNPACK keeps a pointer for each place under a filter, the built-in kernels copy what is there."""
    chain = graph("CONV_2D", 3, sides=(8, 8))
    streamed = (1024 + 9 * 256 + 1024) // 64
    assert misses(chain, 256) == (streamed + 8 * 9 * 64 // 64,)
    assert misses(chain, 256, "builtin") == (streamed + 2 * 1024 * 9 // 64,)
    # Windows of a row share what they have in common: 3 + 15 columns of 3 places, 16 rows.
    depthwise = graph("DEPTHWISE_CONV_2D", 3, sides=(16, 16))
    assert misses(depthwise, 256) == ((2 * 4096 + 9 * 256 + 8 * 3 * 18 * 16) // 64,)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("INT8", 6), ("UINT8", 6), ("BOOL", 6), ("FLOAT16", 12), ("INT32", 24), ("FLOAT64", 48)],
)
def test_size_of_a_tensor(dtype: str, size: int) -> None:
    assert size_bytes(Tensor(name="x", dtype=dtype, shape=(2, 3))) == size
    assert size_bytes(Tensor(name="x", dtype=dtype, shape=(2,), data=np.zeros(5, np.uint8).tobytes())) == 5
