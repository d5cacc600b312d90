"""The stage `cost`: what one inference costs on 64-bit Arm processors, in instructions of the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from edge_mnv3.core.choices import DEFAULT_KERNELS, Kernels
from edge_mnv3.core.errors import ArgumentError, ModelFileError, RuntimeUnavailableError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, AtLeast, Request, check_call, check_choice
from edge_mnv3.core.result_files import read_result
from edge_mnv3.core.results.cost import CPUS, DEFAULT_CPU, CostResult, FileCost, ProcessorCost
from edge_mnv3.core.tflite.read import only_graph, read_file
from edge_mnv3.core.tflite.types import Graph
from edge_mnv3.packaging.arm import find_arm_runner
from edge_mnv3_android_bench.instructions.comparison import against, gate
from edge_mnv3_android_bench.instructions.costing import data_type, processor_cost
from edge_mnv3_android_bench.instructions.emulation import ArmProcess, Emulator
from edge_mnv3_android_bench.instructions.llvm import HOW_TO_GET_IT, Llvm, find_llvm
from edge_mnv3_android_bench.instructions.processors import PROCESSORS
from edge_mnv3_android_bench.instructions.second_cache import MISS_CYCLES

_MISSES = f"{MISS_CYCLES:g} cycles for each line that the second cache misses"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRequest(Request):
    """What to count.

    Attributes:
        files: `.tflite` files, each once.
        cpus: Processors: `kryo`, `a73`, `a76`, `x3`.
        kernels: `xnnpack` or `builtin`.
        against: A file that each is compared with.
        baseline: JSON result of an earlier run to hold instructions against.
        max_instructions_percent: By how many percent instructions may have grown since the baseline.
    """

    files: Sequence[AnyPath]
    cpus: Sequence[str] = (DEFAULT_CPU,)
    kernels: Kernels = DEFAULT_KERNELS
    against: AnyPath | None = None
    baseline: AnyPath | None = None
    max_instructions_percent: Annotated[float | None, AtLeast(0)] = None

    def check(self) -> None:
        """Refuses no files, unknown processors, and half a gate."""
        if not self.files:
            raise ArgumentError("CostRequest: files", "none", "at least one .tflite file")
        for cpu in self.cpus:
            check_choice("CostRequest: cpus", cpu, CPUS)
        if not self.cpus:
            raise ArgumentError("CostRequest: cpus", "none", "at least one")
        if (self.baseline is None) != (self.max_instructions_percent is None):
            raise ArgumentError(
                "CostRequest: baseline and max_instructions_percent", "one of them", "both or neither"
            )


def cost(request: CostRequest, reporter: Reporter = SILENT) -> CostResult:
    """Counts the instructions of one warm inference under an emulator, with one thread; models its cycles.

    Raises:
        ModelFileError: A file is missing, no valid `.tflite`, or does not load under these kernels.
        RuntimeUnavailableError: There is no emulated Arm processor; the text says what makes it. Or llvm-mca
            failed; where there is none, cycles are None.
        InputFileError: The baseline cannot be read.
        ConditionsDifferError: The baseline was made under other conditions.
    """
    check_call("cost", (CostRequest,), request, reporter)
    baseline = (
        None if request.baseline is None else read_result(CostResult, Path(request.baseline), command="cost")
    )
    files = [Path(file) for file in request.files]
    reference = None if request.against is None else Path(request.against)
    paths = list(dict.fromkeys([*files, *(() if reference is None else (reference,))]))
    graphs = {path: _graph(path) for path in paths}
    emulator, llvm = _emulator(), find_llvm()
    counting = _Counting(emulator, llvm, request.kernels, reporter)
    cpus = tuple(dict.fromkeys(request.cpus))
    costs = counting.count(graphs, cpus)
    counted = [costs[file] if reference is None else against(costs[file], costs[reference]) for file in files]
    warnings = (*_warnings(counted, costs), *(() if llvm else (HOW_TO_GET_IT,)))
    for warning in warnings:
        reporter.warn(warning)
    result = CostResult(
        files=tuple(counted),
        runtime=counting.runtime,
        library_sha256=counting.library_sha256,
        emulator=emulator.version(),
        cycle_model=None if llvm is None else cycle_model_name(llvm),
        gate=None,
        warnings=warnings,
    )
    if baseline is None or request.max_instructions_percent is None:
        return result
    limit = request.max_instructions_percent
    return replace(result, gate=gate(result, baseline, name=str(request.baseline), max_percent=limit))


class _Counting:
    """Counts files; afterwards knows the runtime that ran them."""

    def __init__(self, emulator: Emulator, llvm: Llvm | None, kernels: Kernels, reporter: Reporter) -> None:
        self._emulator, self._llvm, self._kernels, self._reporter = emulator, llvm, kernels, reporter
        self.runtime = self.library_sha256 = ""

    def count(self, graphs: dict[Path, Graph], cpus: tuple[str, ...]) -> dict[Path, FileCost]:
        """Counts each file on each processor."""
        counted: dict[Path, list[ProcessorCost]] = {path: [] for path in graphs}
        for cpu in cpus:
            with ArmProcess(self._emulator, PROCESSORS[cpu]) as arm:
                for path, graph in graphs.items():
                    self._reporter.step(f"counting {path.name} on {cpu}")
                    inference = arm.run(path, self._kernels)
                    counted[path].append(
                        processor_cost(PROCESSORS[cpu], self._kernels, graph, inference, self._llvm)
                    )
                    self.runtime = inference.runtime
                    self.library_sha256 = sha256_file(inference.library.path)
        return {
            path: FileCost(
                path=str(path),
                sha256=sha256_file(path),
                data_type=data_type(graph),
                cpus=tuple(counted[path]),
            )
            for path, graph in graphs.items()
        }


def cycle_model_name(llvm: Llvm) -> str:
    """Names what models cycles, with its version."""
    return f"llvm-mca {llvm.version}, {_MISSES}"


def _emulator() -> Emulator:
    try:
        found = find_arm_runner()
    except RuntimeUnavailableError as error:
        what = error.what.replace("--arm needs", "cost needs")
        raise RuntimeUnavailableError(what, error.got, error.expected, error.next_step) from error
    return Emulator(found.qemu, found.folder)


def _graph(path: Path) -> Graph:
    if not path.is_file():
        raise ModelFileError(f"model {path}", no_file(path), "a .tflite file")
    return only_graph(read_file(path), str(path))


def _warnings(counted: Sequence[FileCost], costs: dict[Path, FileCost]) -> tuple[str, ...]:
    kinds = {each.data_type for each in costs.values()}
    warnings = []
    if len(kinds) > 1:
        warnings.append(
            "instructions do not tell which of two data types is faster: int8 does more in each instruction "
            "on one processor, and needs more of them on another"
        )
    warnings += [
        f"{each.path} on {one.cpu}: operators are the runtime's, not the graph's: {one.operators_problem}"
        for each in counted
        for one in each.cpus
        if one.operators_problem is not None
    ]
    return tuple(warnings)
