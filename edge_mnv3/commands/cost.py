"""`edge-mnv3 cost`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from edge_mnv3.commands.exit_codes import GATE_FAILED
from edge_mnv3.commands.options import json_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, Choice
from edge_mnv3.core.choices import DEFAULT_KERNELS, KERNELS
from edge_mnv3.core.results.cost import CPUS, DEFAULT_CPU

if TYPE_CHECKING:
    from edge_mnv3.core.results.cost import CostGate, CostResult, FileCost, ProcessorCost
    from edge_mnv3.stages.cost import CostRequest

_ALL = "all"
_SHOWN_KERNELS = 12


def _cpus(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return CPUS if value == _ALL else (value,)


@click.command("cost")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE.tflite…")
@click.option(
    "--cpu",
    "cpus",
    type=Choice((*CPUS, _ALL)),
    default=DEFAULT_CPU,
    show_default=True,
    callback=_cpus,
    help="Count on this processor. kryo: Pixel 1; a73: Pixel 2; a76: Pixel 4; x3: Pixel 8.",
)
@click.option(
    "--kernels",
    type=Choice(KERNELS),
    default=DEFAULT_KERNELS,
    show_default=True,
    help="Run XNNPACK, or the built-in kernels alone.",
)
@click.option(
    "--against",
    type=PATH,
    metavar="FILE.tflite",
    help="Count this file too, and compare each with it.",
)
@click.option(
    "--baseline",
    type=PATH,
    metavar="FILE.json",
    help="Compare instructions with this earlier result, for --max-instructions-percent.",
)
@click.option(
    "--max-instructions-percent",
    type=click.FloatRange(min=0),
    metavar="PERCENT",
    help="Fail if instructions grew by more than this since --baseline.",
)
@click.option("--operators", "show_operators", is_flag=True, help="Show each of the runtime's operators.")
@json_option
@requests("cost.CostRequest")
def command(request: CostRequest, show_operators: bool, as_json: bool) -> None:
    """Count the instructions of one inference on a phone's processor, which is emulated.

    The figures are exact, and the same on every machine: they show what a change of the file or of the
    runtime does to its work. Instructions of a float file and of an int8 file are not worth the same. Where
    llvm-mca of LLVM 19 is there, cycles are modelled too, as a range: without and with what the second cache
    misses. Neither is a time: measure with bench --device. It needs the folder that verify --arm needs.
    Exit code 3: a file needs more instructions than --baseline allows.

    \b
    Examples:
      edge-mnv3 cost model_int8.tflite
      edge-mnv3 cost before.tflite after.tflite --cpu all --json
      edge-mnv3 cost model_int8.tflite --baseline cost.json \\
        --max-instructions-percent 0.5
    """
    from edge_mnv3.stages.cost import cost

    reporter = TerminalReporter()
    result = cost(request, reporter)
    reporter.close()
    show(result, lambda shown: table(shown, show_operators), as_json=as_json)
    if result.gate is not None and not result.gate.passed:
        click.get_current_context().exit(GATE_FAILED)


def table(result: CostResult, show_operators: bool = False) -> str:
    """Writes a result for people."""
    lines = []
    for file in result.files:
        lines += [f"{file.path} ({file.data_type}, sha256 {file.sha256[:12]})", ""]
        for each in file.cpus:
            lines += [*_processor(file, each), "", *_kernels(each), ""]
            if show_operators:
                lines += [*_operators(each), ""]
    lines.append(f"one warm inference, one thread; {result.runtime}; {result.emulator}")
    lines.append("instructions inside the runtime's library, counted; not a time")
    if result.cycle_model is not None:
        lines.append(f"cycles by {result.cycle_model}; a model, not a measurement")
    if result.gate is not None:
        lines += ["", *_gate(result.gate)]
    return "\n".join(lines)


def _processor(file: FileCost, each: ProcessorCost) -> list[str]:
    total = each.instructions.total
    lines = [f"  {each.cpu}, {each.kernels}: {total:,} instructions"]
    shares = (f"{name} {_share(count, total)}" for name, count in each.instructions.by_class.items() if count)
    lines.append(f"  {', '.join(shares)}")
    if each.cycles.low is not None and each.cycles.high is not None:
        lines.append(
            f"  modelled: {each.cycles.low / 1e6:.2f} million cycles, "
            f"{each.cycles.high / 1e6:.2f} with what the second cache misses"
        )
    relative = each.against
    if relative is not None and relative.instructions_percent is not None:
        lines.append(f"  {relative.instructions_percent:+.2f} % instructions against {relative.path}")
    elif relative is not None:
        lines.append(
            f"  not compared with {relative.path}: instructions of {file.data_type} and of "
            f"{relative.data_type} are not worth the same"
        )
    if relative is not None and relative.cycles_low_percent is not None:
        lines.append(
            f"  {relative.cycles_low_percent:+.1f} % modelled cycles against {relative.path}, "
            f"{relative.cycles_high_percent:+.1f} % with what the second cache misses"
        )
    return lines


def _kernels(each: ProcessorCost) -> list[str]:
    counts: Counter[str] = Counter()
    for operator in each.operators:
        counts.update(operator.kernels)
    ranked = counts.most_common()
    rows: list[tuple[Any, ...]] = [
        (f"{count:,}", _share(count, each.instructions.total), name)
        for name, count in ranked[:_SHOWN_KERNELS]
    ]
    rest = sum(count for _, count in ranked[_SHOWN_KERNELS:])
    if rest:
        further = f"{len(ranked) - _SHOWN_KERNELS} further functions"
        rows.append((f"{rest:,}", _share(rest, each.instructions.total), further))
    return ["    instructions  share     function", *(f"  {a:>14}  {b:>7}  {c}" for a, b, c in rows)]


def _operators(each: ProcessorCost) -> list[str]:
    lines = ["    instructions  share     million cycles  operator"]
    for row in each.operators:
        count, kernel = row.instructions.total, next(iter(row.kernels), "")
        ends = (row.cycles.low, row.cycles.high)
        cycles = " to ".join("?" if one is None else f"{one / 1e6:.3f}" for one in ends)
        place = "" if row.order is None else f"{row.order}: "
        node = "" if row.node is None else f" (operator {row.node} of the graph)"
        share = _share(count, each.instructions.total)
        lines.append(f"  {count:>14,}  {share:>7}  {cycles:>14}  {place}{row.name}{node}, {kernel}")
    return lines


def _gate(gate: CostGate) -> list[str]:
    lines = [
        f"{'ok' if line.passed else 'FAILED':<7}{line.path} on {line.cpu}: {line.change_percent:+.3f} % "
        f"({line.baseline:,} -> {line.instructions:,})"
        for line in gate.lines
    ]
    verdict = "passed" if gate.passed else "FAILED"
    return [*lines, f"gate {verdict}: at most {gate.max_percent:g} % more instructions than {gate.baseline}"]


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"
