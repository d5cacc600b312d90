"""Counts what ran by class, function and operator of the runtime.

Operators are found by the library's own functions: the interpreter calls each of its operators from one
place, by a pointer, and XNNPACK runs each of its own by one function. All else is a row of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import RuntimeUnavailableError
from edge_mnv3.core.results.cost import BETWEEN
from edge_mnv3_android_bench.instructions.emulation import Inference
from edge_mnv3_android_bench.instructions.instruction_classes import class_counts, instruction_class
from edge_mnv3_android_bench.instructions.library import readable
from edge_mnv3_android_bench.instructions.qemu_log import Execution

_INTERPRETER = "_ZN6tflite8Subgraph10InvokeImplEv"
_DELEGATE_LOOP, _DELEGATE_OPERATOR = "xnn_invoke_runtime", "xnn_run_operator_with_index"
_INTERPRETER_OPERATOR = re.compile("tflite::(ops::|xnnpack::SubgraphInvoke)")
_INDIRECT_CALL_MASK, _INDIRECT_CALL = 0xFFFFFC1F, 0xD63F0000  # BLR
_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """What one operator ran, or the runtime between operators.

    Attributes:
        function: The function that was called for it.
        is_delegated: It is an operator of XNNPACK, not of the interpreter.
        executions: How often each block was entered, (blocks,) int64.
    """

    function: str
    is_delegated: bool
    executions: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Attribution:
    """One inference, taken apart.

    Attributes:
        classes: Instructions of each block by class, (blocks, classes) int64.
        functions: Name of the function that each block lies in, without arguments.
        segments: The operators in the runtime's order, and the rest at the end.
    """

    classes: npt.NDArray[np.int64]
    functions: tuple[str, ...]
    segments: tuple[Segment, ...]

    def kernels(self, executions: npt.NDArray[np.int64]) -> dict[str, int]:
        """Counts instructions by function, the largest first."""
        counts: Counter[str] = Counter()
        instructions = executions * self.classes.sum(axis=1)
        for number in np.flatnonzero(instructions).tolist():
            counts[self.functions[number]] += int(instructions[number])
        return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def attribute(inference: Inference) -> Attribution:
    """Takes an inference apart.

    Raises:
        RuntimeUnavailableError: The log is not that of this library's code, or has gaps.
    """
    execution, library = inference.execution, inference.library
    _check(inference)
    names = library.functions_at(execution.starts)
    return Attribution(
        classes=np.array([class_counts(code) for code in execution.codes], np.int64),
        functions=tuple(map(readable, names)),
        segments=_segments(execution, names),
    )


def _check(inference: Inference) -> None:
    """Refuses a log that cannot be what ran.

    Each block must be the library's code, and one that does not end in a branch is followed by what stands
    behind it: a block whose code the log has cut short would be counted short without a word.
    """
    execution, library = inference.execution, inference.library
    first = (execution.starts - library.start) // _WORD_BYTES
    sizes = np.array([len(code) for code in execution.codes])
    for start, code in zip(first.tolist(), execution.codes, strict=True):
        if start < 0 or tuple(library.words[start : start + len(code)].tolist()) != code:
            raise RuntimeUnavailableError(
                "qemu's log", f"other code than {library.path.name} has", "the library's own"
            )
    falls = np.array([instruction_class(code[-1]) != "branch" for code in execution.codes])
    entered = execution.entered
    before, after = entered[:-1], entered[1:]
    gaps = falls[before] & (first[after] != (first + sizes)[before])
    if gaps.any() or falls[entered[-1]]:
        raise RuntimeUnavailableError("qemu's log", "a block that is not followed by the next one", "no gap")


def _segments(execution: Execution, names: list[str]) -> tuple[Segment, ...]:
    """Cuts what ran at the calls of operators."""
    entered, blocks = execution.entered, len(execution.starts)
    in_interpreter = np.array([name == _INTERPRETER for name in names])
    calls = np.array([code[-1] & _INDIRECT_CALL_MASK == _INDIRECT_CALL for code in execution.codes])
    is_operator = np.array([name == _DELEGATE_OPERATOR for name in names])
    in_loop = np.array([name == _DELEGATE_LOOP for name in names])
    spans: list[tuple[int, int, bool]] = []
    at_home = np.flatnonzero(in_interpreter[entered])
    called = [
        (begin + 1, end)
        for begin, end in zip(at_home[:-1].tolist(), at_home[1:].tolist(), strict=True)
        if end > begin + 1
        and calls[entered[begin]]
        and _INTERPRETER_OPERATOR.match(readable(names[entered[begin + 1]]))
    ]
    for begin, end in called:
        inside = entered[begin:end]
        loops = np.flatnonzero(in_loop[inside])
        own = [
            (begin + first + 1, begin + last, True)
            for first, last in zip(loops[:-1].tolist(), loops[1:].tolist(), strict=True)
            if last > first + 1 and is_operator[inside[first + 1]]
        ]
        spans += own or [(begin, end, False)]
    rest = np.bincount(entered, minlength=blocks)
    segments = []
    for begin, end, is_delegated in spans:
        executions = np.bincount(entered[begin:end], minlength=blocks)
        rest = rest - executions
        segments.append(Segment(readable(names[entered[begin]]), is_delegated, executions))
    return (*segments, Segment(BETWEEN, False, rest))
