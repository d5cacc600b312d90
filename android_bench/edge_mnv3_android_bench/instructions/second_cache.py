"""What one inference misses in a processor's second cache, simulated from the graph.

The emulator's log has no addresses of data. But operators stream their arrays: what they take in, their
weights, and what they give out, each once and side by side. So a cache of this size, which forgets what was
used longest ago, is fed with these arrays, operator by operator, for one inference after another. Results
of operators lie where the runtime's planner puts them: the largest first, each into the smallest gap that
is free while it lives (Pisarchyk and Lee 2020, greedy by size). Beside them are arrays that the runtime
makes for its own use: XNNPACK's pointers to the pixels under each place of a filter, and the built-in
kernels' copies of these pixels.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.tflite.types import NO_TENSOR, Graph, Operator, Tensor
from edge_mnv3_android_bench.instructions.operators import Step

MISS_CYCLES = 20.0  # for each line; about what a third cache answers in, with several loads under way
LINE_BYTES = 64
_PIECE_BYTES = 256  # what is looked up at once: four lines
_ITEM_BYTES = {"64": 8, "32": 4, "16": 2, "X4": 16}
_POINTER_BYTES = 8
_MAP_DIMENSIONS = 4
_WINDOWS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_Pieces = list[tuple[str, int]]
_ARENA = "arena"


def simulated_misses(
    graph: Graph, steps: Sequence[Step], *, kernels: Kernels, cache_bytes: int
) -> tuple[int, ...]:
    """Counts the lines that a warm inference misses.

    Args:
        graph: The file's graph.
        steps: The runtime's operators, in order.
        kernels: Kernels that run them.
        cache_bytes: Size of the second cache.

    Returns:
        Lines of 64 bytes for each step.
    """
    memory = _Memory(graph, steps, kernels)
    cache = _Cache(cache_bytes // _PIECE_BYTES)
    counted: tuple[int, ...] = ()
    for _ in range(2):  # the first fills the cache
        counted = tuple(
            sum(map(cache.missed, memory.accesses(step))) * _PIECE_BYTES // LINE_BYTES for step in steps
        )
    return counted


def size_bytes(tensor: Tensor) -> int:
    """Size of a tensor's numbers."""
    if tensor.data is not None:
        return len(tensor.data)
    return math.prod(tensor.shape) * next(
        (size for end, size in _ITEM_BYTES.items() if tensor.dtype.endswith(end)), 1
    )


class _Cache:
    """A cache that forgets what was used longest ago."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self._held: OrderedDict[tuple[str, int], None] = OrderedDict()

    def missed(self, piece: tuple[str, int]) -> bool:
        """Looks a piece up, and tells whether it was not there."""
        held = self._held
        if piece in held:
            held.move_to_end(piece)
            return False
        held[piece] = None
        if len(held) > self._pieces:
            held.popitem(last=False)
        return True


class _Memory:
    """Where the arrays lie, and in which order operators go through them."""

    def __init__(self, graph: Graph, steps: Sequence[Step], kernels: Kernels) -> None:
        self._graph, self._kernels = graph, kernels
        self._places = _planned(graph, steps)
        ends = (place + size_bytes(graph.tensors[tensor]) for tensor, place in self._places.items())
        self._end = max(ends, default=0)

    def accesses(self, step: Step) -> Iterable[tuple[str, int]]:
        """Goes through what a step touches, all arrays side by side."""
        for arrays in self._passes(step):
            count = max(map(len, arrays), default=0)
            for number in range(count):
                for array in arrays:
                    yield from array[number * len(array) // count : (number + 1) * len(array) // count]

    def _passes(self, step: Step) -> list[list[_Pieces]]:
        operator = self._graph.operators[step.nodes[-1]]
        if operator.name == "RESHAPE":  # its result lies in the place of its input
            return []
        taken, given = step.tensors(self._graph)
        arrays = [self._tensor(each) for each in (*taken, *given)]
        filter_size = self._filter(operator)
        if filter_size is None:
            return [arrays]
        rows, columns = filter_size
        if self._kernels == "xnnpack":
            name = f"pointers {step.nodes[-1]}"
            return [[*arrays, _pieces(name, 0, self._pointers_bytes(operator, rows, columns))]]
        if operator.name != "CONV_2D":
            return [arrays]
        windows = _pieces(_ARENA, self._end, self._windows_bytes(operator, rows, columns))
        return [[arrays[0], windows], [windows, *arrays[1:]]]

    def _tensor(self, number: int) -> _Pieces:
        tensor = self._graph.tensors[number]
        if number in self._places:
            return _pieces(_ARENA, self._places[number], size_bytes(tensor))
        return _pieces(f"constant {number}", 0, size_bytes(tensor))

    def _filter(self, operator: Operator) -> tuple[int, int] | None:
        """Rows and columns of a filter whose places are gone through by a table; None where there is none."""
        if operator.name not in _WINDOWS:
            return None
        shapes = [self._graph.tensors[each].shape for each in (*operator.inputs[:2], *operator.outputs)]
        if any(len(shape) != _MAP_DIMENSIONS or 0 in shape for shape in shapes):
            return None  # the file does not tell them
        _, rows, columns, _ = shapes[1]
        return None if operator.name == "CONV_2D" and rows == columns == 1 else (rows, columns)

    def _pointers_bytes(self, operator: Operator, rows: int, columns: int) -> int:
        """Size of XNNPACK's pointers: windows of depthwise convolutions share what they have in common."""
        _, height, width, _ = self._graph.tensors[operator.outputs[0]].shape
        if operator.name == "CONV_2D":
            return _POINTER_BYTES * rows * columns * height * width
        taken = self._graph.tensors[operator.inputs[0]].shape[2]
        step = min(columns, max(1, round(taken / width)))
        return _POINTER_BYTES * rows * (columns + (width - 1) * step) * height

    def _windows_bytes(self, operator: Operator, rows: int, columns: int) -> int:
        """Size of the built-in kernels' copy of each window's numbers."""
        _, height, width, _ = self._graph.tensors[operator.outputs[0]].shape
        taken = self._graph.tensors[operator.inputs[0]]
        return height * width * rows * columns * size_bytes(taken) // math.prod(taken.shape[:3])


def _pieces(name: str, start: int, size: int) -> _Pieces:
    first, last = start // _PIECE_BYTES, (start + size - 1) // _PIECE_BYTES
    return [(name, number) for number in range(first, last + 1)]


def _planned(graph: Graph, steps: Sequence[Step]) -> dict[int, int]:
    """Puts what operators compute into one block of memory; returns each tensor's place there."""
    lives: dict[int, tuple[int, int]] = dict.fromkeys(graph.inputs, (0, 0))
    for order, step in enumerate(steps):
        taken, given = step.tensors(graph)
        for tensor in (*taken, *given):
            if tensor != NO_TENSOR and graph.tensors[tensor].data is None:
                lives[tensor] = (lives.get(tensor, (order, order))[0], order)
    for tensor in set(graph.outputs) & lives.keys():
        lives[tensor] = (lives[tensor][0], len(steps))
    sizes = {each: -(-size_bytes(graph.tensors[each]) // LINE_BYTES) * LINE_BYTES for each in lives}
    places: dict[int, int] = {}
    for tensor in sorted(lives, key=lambda each: (-sizes[each], lives[each][0])):
        begin, end = lives[tensor]
        taken_places = sorted(
            (places[each], places[each] + sizes[each])
            for each in places
            if lives[each][0] <= end and begin <= lives[each][1]
        )
        places[tensor] = _smallest_gap(taken_places, sizes[tensor])
    return places


def _smallest_gap(taken: list[tuple[int, int]], size: int) -> int:
    """Finds the start of the smallest gap that is large enough, or the end of what is taken."""
    at, best = 0, None
    for begin, end in taken:
        if begin - at >= size and (best is None or begin - at < best[0]):
            best = (begin - at, at)
        at = max(at, end)
    return at if best is None else best[1]
