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
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3.core.tflite.graph import read_graph
from edge_mnv3_quantization.graph.xnnpack_limits import LIMITS, _ratios, refused_operators

WARMUP_RUNS = 10
_ABOVE = 1.001  # of the smallest accepted scale, for rounding
_PAIRS = (("float", "accurate"), ("stock", "accurate"), ("accurate", "convolutions alone"))
_OWN = schema.BuiltinOperator


def _read(content: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(content, 0)


def _write(model: Any, size: int) -> bytes:
    builder = flatbuffers.Builder(2 * size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def loadable(content: bytes) -> tuple[bytes, list[str]]:
    """Raises output scales that are too small for XNNPACK; returns the file and the tensors' names."""
    changed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        while True:
            path.write_bytes(content)
            # A raised scale is the next operator's input scale, which may raise that one's too.
            too_large = [
                (found.operator, max(_ratios(found.operator)) / LIMITS[found.operator.name].highest)
                for found in refused_operators(read_graph(path))
            ]
            too_large = [(operator, times) for operator, times in too_large if times >= 1]
            if not too_large:
                return content, changed
            model = _read(content)
            graph = model.subgraphs[0]
            for operator, times in too_large:
                tensor = graph.tensors[int(graph.operators[operator.index].outputs[0])]
                tensor.quantization.scale = np.float32(tensor.quantization.scale * times * _ABOVE)
                changed.append(operator.outputs[0].name.partition(";")[0])
            content = _write(model, len(content))


def convolutions_alone(content: bytes) -> bytes:
    """The file without hard-swishes, products and additions."""
    model = _read(content)
    graph = model.subgraphs[0]
    same: dict[int, int] = {}
    order: dict[int, int] = {}  # so that a shortcut, not the block beside it, is what falls away
    kept = []
    for operator in graph.operators:
        operator.inputs = [same.get(int(tensor), int(tensor)) for tensor in operator.inputs]
        output = int(operator.outputs[0])
        if _removed(model, operator):
            last = max(
                (tensor for tensor in operator.inputs if _shape(graph, tensor) == _shape(graph, output)),
                key=lambda tensor: order.get(tensor, -1),
            )
            same[output] = last
            graph.tensors[last].quantization = graph.tensors[output].quantization
        else:
            order[output] = len(order)
            kept.append(operator)
    graph.operators = kept
    for operator in kept:
        if _kind(model, operator) in (_OWN.CONV_2D, _OWN.DEPTHWISE_CONV_2D, _OWN.FULLY_CONNECTED):
            taken, weights, bias = (graph.tensors[int(tensor)].quantization for tensor in operator.inputs)
            bias.scale = np.asarray(taken.scale * weights.scale, np.float32)
    # What nothing takes any more, the squeeze-excite gates, would be dropped and not timed.
    wanted = {int(tensor) for operator in kept for tensor in operator.inputs}
    unused = [int(op.outputs[0]) for op in kept if int(op.outputs[0]) not in wanted]
    graph.outputs = [*map(int, graph.outputs), *(t for t in unused if t not in graph.outputs)]
    model.signatureDefs = None
    return loadable(_write(model, len(content)))[0]


def _shape(graph: Any, tensor: int) -> tuple[int, ...]:
    return tuple(map(int, graph.tensors[tensor].shape))


def _kind(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _removed(model: Any, operator: Any) -> bool:
    kind = _kind(model, operator)
    if kind == _OWN.DEPTHWISE_CONV_2D:  # a gate: the network has no other depthwise convolutions of 1x1
        return tuple(model.subgraphs[0].tensors[int(operator.inputs[1])].shape[1:3]) == (1, 1)
    return kind in (_OWN.HARD_SWISH, _OWN.MUL, _OWN.ADD)


def times_ms(files: dict[str, bytes], rounds: int, num_runs: int) -> dict[str, list[float]]:
    """Median time of an inference in each round, by file; the files take turns."""
    models: dict[str, LoadedModel] = {}
    for name, content in files.items():
        model = models[name] = open_bytes(content)
        pixels = np.random.default_rng(0).integers(0, 256, model.inputs[0].shape[1:], dtype=np.uint8)
        for _ in range(WARMUP_RUNS):
            model.run_all(pixels)
    found: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(rounds):
        for name, model in models.items():
            runs = []
            for _ in range(num_runs):
                started = time.perf_counter_ns()
                model.invoke()
                runs.append((time.perf_counter_ns() - started) / 1e6)
            found[name].append(statistics.median(runs))
    return found


def table(found: dict[str, list[float]]) -> str:
    """Writes times and ratios as Markdown."""
    lines = ["| file | ms, median | of float |", "|---|---|---|"]
    for name, rounds in found.items():
        lines.append(f"| {name} | {statistics.median(rounds):.2f} | {_ratio(rounds, found['float'])} |")
    lines += ["", "| ratio | median, smallest to largest round |", "|---|---|"]
    for above, below in _PAIRS:
        lines.append(f"| {above} / {below} | {_ratio(found[above], found[below])} |")
    return "\n".join(lines)


def _ratio(above: list[float], below: list[float]) -> str:
    ratios = [one / other for one, other in zip(above, below, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


@click.command()
@click.option("--float", "float_path", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--stock", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--accurate", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--lowered", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=15, show_default=True)
@click.option("--num-runs", default=40, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    float_path: Path,
    stock: Path,
    accurate: Path,
    lowered: Path,
    rounds: int,
    num_runs: int,
    as_json: bool,
) -> None:
    """Prints times and their ratios."""
    stock_content, raised = loadable(stock.read_bytes())
    if raised:
        click.echo(f"stock does not load under XNNPACK as it is; scales raised of: {', '.join(raised)}\n")
    files = {
        "float": float_path.read_bytes(),
        "stock": stock_content,
        "accurate": accurate.read_bytes(),
        "accurate, `--hard-swish lowered`": lowered.read_bytes(),
        "convolutions alone": convolutions_alone(lowered.read_bytes()),
    }
    found = times_ms(files, rounds, num_runs)
    if as_json:
        click.echo(json.dumps({"rounds": rounds, "num_runs": num_runs, "times_ms": found}, indent=2))
    else:
        click.echo(f"{rounds} rounds of {num_runs} runs\n")
        click.echo(table(found))


if __name__ == "__main__":
    main()
