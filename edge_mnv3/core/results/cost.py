"""What one inference costs on 64-bit Arm processors, counted and modelled; never a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from edge_mnv3.core.results.formats import Format

InstructionClass = Literal["dot", "multiply", "vector", "load", "store", "integer", "branch", "other"]
CLASSES: tuple[InstructionClass, ...] = get_args(InstructionClass)
DataType = Literal["float32", "int8", "mixed"]
CPUS = ("kryo", "a73", "a76", "x3")
DEFAULT_CPU = "a76"
BETWEEN = "runtime, between operators"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionCounts:
    """Instructions of aarch64.

    Attributes:
        total: All of them.
        by_class: Their number by class: `dot` (sums of products of several numbers), `multiply` (products of
            vectors and of numbers, with and without a sum), `vector` (all else on vectors and real numbers),
            `load`, `store`, `integer`, `branch`, `other` (prefetches, system, atomic).
    """

    total: int
    by_class: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRange:
    """Modelled cycles, in cycles of the core; both None where they were not modelled.

    Attributes:
        low: What the instructions take when every load hits the first cache.
        high: The same and a term for what the second cache misses. In an operator's row None where it is not
            known which of the graph's operators it is; the total has it.
    """

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCost:
    """An operator as the runtime runs it, or what the runtime itself costs between operators.

    Attributes:
        order: Place in the runtime's order, from 0; None for the row between operators, which is the last.
        name: The graph's operator, such as `CONV_2D`, where it is known which one this is; else what runs it.
            `ADD+MUL` is a hard-swish that XNNPACK runs as one table.
        node: Number of the graph's operator, the last of several; None where the runtime's operators are not
            the graph's.
        kernels: Function to instructions, the largest first; C++ names without arguments.
        instructions: Its instructions.
        cycles: Its modelled cycles.
    """

    order: int | None
    name: str
    node: int | None
    kernels: dict[str, int]
    instructions: InstructionCounts
    cycles: CycleRange


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeCost:
    """A file against another one, on the same processor with the same kernels and runtime.

    Attributes:
        path: The other file.
        data_type: Its data type.
        instructions_percent: By how much it takes more instructions, negative for fewer; None where the data
            types differ, because instructions of one are not worth those of the other.
        cycles_low_percent: The same of the modelled cycles alone; None without a model of cycles.
        cycles_high_percent: The same with the cache's term.
    """

    path: str
    data_type: DataType
    instructions_percent: float | None
    cycles_low_percent: float | None
    cycles_high_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorCost:
    """One warm inference with one thread on one processor.

    Attributes:
        cpu: `kryo`, `a73`, `a76` or `x3`.
        kernels: `xnnpack` or `builtin`, as was asked for.
        instructions: Instructions inside the runtime's library.
        cycles: Modelled cycles.
        operators: The runtime's operators in order; the last row is what runs between them. Their
            instructions add up to the total.
        operators_problem: Why the rows do not name the graph's operators; None where they do.
        against: The comparison with another file, if there is one.
    """

    cpu: str
    kernels: str
    instructions: InstructionCounts
    cycles: CycleRange
    operators: tuple[OperatorCost, ...]
    operators_problem: str | None
    against: RelativeCost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCost:
    """A file on each processor.

    Attributes:
        path: The file.
        sha256: SHA-256 of its bytes.
        data_type: `float32`, `int8` (no tensor holds floats), or `mixed`.
        cpus: One for each processor.
    """

    path: str
    sha256: str
    data_type: DataType
    cpus: tuple[ProcessorCost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """One file on one processor against the baseline.

    Attributes:
        path: The file.
        cpu: The processor.
        baseline: Instructions in the baseline.
        instructions: Instructions now.
        change_percent: Change from the baseline, negative for fewer.
        passed: It is at most what is allowed.
    """

    path: str
    cpu: str
    baseline: int
    instructions: int
    change_percent: float
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CostGate:
    """Whether instructions grew by more than is allowed.

    Attributes:
        baseline: The earlier result, a file.
        max_percent: Largest growth allowed.
        lines: Each file on each processor.
        passed: All of them passed.
    """

    baseline: str
    max_percent: float
    lines: tuple[GateLine, ...]
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CostResult:
    """What files cost on 64-bit Arm processors.

    Attributes:
        files: The files, in the order in which they were given.
        runtime: Name and version of the runtime that ran.
        library_sha256: SHA-256 of its library, in which instructions were counted.
        emulator: Name and version of the emulator.
        cycle_model: Name and version of what modelled cycles; None where nothing did.
        gate: The comparison with a baseline, if one was given.
        warnings: What a reader must know.
    """

    FORMAT: ClassVar[Format] = Format("cost")
    schema_version: int = FORMAT.version
    files: tuple[FileCost, ...]
    runtime: str
    library_sha256: str
    emulator: str
    cycle_model: str | None
    gate: CostGate | None
    warnings: tuple[str, ...]
