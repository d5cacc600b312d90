"""Times of the float file and of int8 files, paired in one run: XNNPACK, one thread, rounds in turn.

    python benchmarks/ablation.py ... -o files
    python benchmarks/latency.py --float files/float.tflite --stock files/0_int8.tflite \
        --lowered files/4_int8.tflite --accurate files/5_int8.tflite

`convolutions alone` is the lowered file without its hard-swishes, squeeze-excite products and residual
additions: what takes their results takes their latest input of the same shape instead. Its answers mean
nothing; its time is what the convolutions, means and the classifier need: the rest of accurate's time is what
the others cost.

A stock file that XNNPACK refuses is timed with the smallest output scales that it accepts.

Read the ratios: the milliseconds are this machine's.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.types import Graph, Operator
from edge_mnv3_quantization.graph.xnnpack_limits import LIMITS, refused_operators

WARMUP_RUNS = 10
_ABOVE = 1.001  # of the smallest accepted scale, for rounding
_PAIRS = (("float", "accurate"), ("stock", "accurate"), ("accurate", "convolutions alone"))
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def loadable(content: bytes) -> tuple[bytes, list[str]]:
    """Raises output scales that are too small for XNNPACK; returns the file and the tensors' names."""
    changed: list[str] = []
    while True:
        model = read_model(content, "being timed")
        # A raised scale is the next operator's input scale, which may raise that one's too.
        too_large = [
            (refused, refused.ratio / LIMITS[refused.operator.name].highest)
            for refused in refused_operators(model)
            if refused.ratio >= LIMITS[refused.operator.name].highest
        ]
        if not too_large:
            return content, changed
        edit = Edit(content, "being timed")
        for refused, times in too_large:
            number = refused.operator.output
            output = model.main_graph.tensors[number]
            edit.set_quantization(number, [output.scales[0] * times * _ABOVE], output.zero_points)
            changed.append(refused.output.partition(";")[0])
        content = edit.to_bytes()


def convolutions_alone(content: bytes) -> bytes:
    """The file without hard-swishes, products and additions."""
    graph = read_model(content, "being timed").main_graph
    tensors = dict(enumerate(graph.tensors))
    same: dict[int, int] = {}
    order: dict[int, int] = {}  # so that a shortcut, not the block beside it, is what falls away
    kept = []
    for operator in graph.operators:
        inputs = tuple(same.get(tensor, tensor) for tensor in operator.inputs)
        output = tensors[operator.output]
        if _removed(operator, graph):
            last = max(
                (tensor for tensor in inputs if tensors[tensor].shape == output.shape),
                key=lambda tensor: order.get(tensor, -1),
            )
            same[operator.output] = last
            tensors[last] = output
        else:
            order[operator.output] = len(order)
            kept.append((operator, inputs))
    edit = Edit(content, "being timed")
    edit.bypass(same)
    for last in set(same.values()):
        edit.set_quantization(last, tensors[last].scales, tensors[last].zero_points)
    for operator, inputs in kept:
        if operator.name in _WEIGHTED:
            taken, weights, bias = (tensors[tensor] for tensor in inputs)
            scales = np.float32(taken.scales[0]) * np.asarray(weights.scales, np.float32)
            edit.set_quantization(inputs[2], scales.tolist(), bias.zero_points)
    # What nothing takes any more, the squeeze-excite excitations, would be dropped and not timed.
    wanted = {tensor for _, inputs in kept for tensor in inputs} | set(graph.outputs)
    unused = [operator.output for operator, _ in kept if operator.output not in wanted]
    return loadable(edit.with_outputs([*graph.outputs, *unused]).to_bytes())[0]


def _removed(operator: Operator, graph: Graph) -> bool:
    if (
        operator.name == "DEPTHWISE_CONV_2D"
    ):  # a hard-sigmoid: the network has no other depthwise convolutions of 1x1
        return graph.tensors[operator.inputs[1]].shape[1:3] == (1, 1)
    return operator.name in ("HARD_SWISH", "MUL", "ADD")


def times_ms(files: dict[str, bytes], rounds: int, num_runs: int) -> dict[str, list[float]]:
    """Median time of an inference in each round, by file; the files take turns."""
    models: dict[str, LoadedModel] = {}
    for name, content in files.items():
        model = models[name] = open_bytes(content)
        pixels = np.random.default_rng(0).integers(0, 256, model.inputs[0].shape[1:], dtype=np.uint8)
        for _ in range(WARMUP_RUNS):
            model.run_all(pixels)
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, model in models.items():
            runs = []
            for _ in range(num_runs):
                started = time.perf_counter_ns()
                model.invoke()
                runs.append((time.perf_counter_ns() - started) / 1e6)
            times[name].append(statistics.median(runs))
    return times


def table(times: dict[str, list[float]]) -> str:
    """Writes times and ratios as Markdown."""
    lines = ["| file | ms, median | of float |", "|---|---|---|"]
    for name, rounds in times.items():
        lines.append(f"| {name} | {statistics.median(rounds):.2f} | {_ratio(rounds, times['float'])} |")
    lines += ["", "| ratio | median, smallest to largest round |", "|---|---|"]
    for above, below in _PAIRS:
        lines.append(f"| {above} / {below} | {_ratio(times[above], times[below])} |")
    return "\n".join(lines)


def _ratio(above: list[float], below: list[float]) -> str:
    ratios = [one / other for one, other in zip(above, below, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command's options."""

    float_path: Path
    stock: Path
    accurate: Path
    lowered: Path
    rounds: int
    num_runs: int
    as_json: bool


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--stock", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--accurate", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--lowered", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=15, show_default=True)
@click.option("--num-runs", default=40, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(**options: Any) -> None:
    """Prints times and their ratios."""
    arguments = Arguments(**options)
    stock_content, raised = loadable(arguments.stock.read_bytes())
    if raised:
        click.echo(f"stock does not load under XNNPACK as it is; scales raised of: {', '.join(raised)}\n")
    files = {
        "float": arguments.float_path.read_bytes(),
        "stock": stock_content,
        "accurate": arguments.accurate.read_bytes(),
        "accurate, `--hard-swish lowered`": arguments.lowered.read_bytes(),
        "convolutions alone": convolutions_alone(arguments.lowered.read_bytes()),
    }
    times = times_ms(files, arguments.rounds, arguments.num_runs)
    if arguments.as_json:
        click.echo(
            json.dumps(
                {
                    "rounds": arguments.rounds,
                    "num_runs": arguments.num_runs,
                    "times_ms": times,
                },
                indent=2,
            )
        )
    else:
        click.echo(f"{arguments.rounds} rounds of {arguments.num_runs} runs\n")
        click.echo(table(times))


if __name__ == "__main__":
    main()
