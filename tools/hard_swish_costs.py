"""Models what each form of an int8 hard-swish costs on Arm, and writes the package's table of it.

    python tools/hard_swish_costs.py            # counts, models and prints
    python tools/hard_swish_costs.py --write    # and writes edge_mnv3/data/hard_swish_costs.toml

It needs what `edge-mnv3 cost` needs, with llvm-mca. Each form runs in a graph of its own on maps as
MobileNetV3 has them; from their cycles follows what operators, elements and pixels cost.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from edge_mnv3.core.hard_swish_costs import FILE, FormCost
from edge_mnv3.core.results.cost import CostResult, OperatorCost
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.types import Tensor, constant_tensor
from edge_mnv3.stages.cost import CostRequest, cost

CPUS = ("a73", "a76", "x3")
MAPS = ((112, 112, 16), (56, 56, 48), (28, 28, 96), (14, 14, 240), (7, 7, 576))  # height, width, channels
GROUPS = 2
BYTES = {"operator": 2, "table": 2, "gate": 4, "gate_rows": 4, "part": 2}  # of an element: read and written
HEADER = """\
# What each form of an int8 hard-swish costs on phones' processors, in modelled cycles of one inference: for
# each operator, each element that it gives and each pixel (height times width), when all loads hit the first
# cache. bytes_per_element are read and written: where all is missed, each 64 take 20 cycles more. Forms:
#   operator  HARD_SWISH, which XNNPACK does not take
#   table     a sum with one constant and the product with it: XNNPACK runs one table of 256 entries
#   gate      a 1x1 depthwise convolution, which has a scale for each channel, and the product with it
#   gate_rows the same, with the convolution over whole rows as places of their own: (H, 1, W*C)
#   part      one input of a CONCATENATION, for tables by groups; without the C library's copying itself
# Made by tools/hard_swish_costs.py.
"""
SCALES = {"x": (0.0238, -2), "gate": (0.02353, -128), "y": (0.0538, -52)}


class Forms:
    """A graph of one form in each size, side by side."""

    def __init__(self) -> None:
        self._graph = GraphBuilder()
        self._inputs: list[int] = []
        self._outputs: list[int] = []

    def tensor(self, kind: str, shape: tuple[int, ...]) -> int:
        """Adds what an operator gives, or an input."""
        scale, zero_point = SCALES[kind]
        name = f"{kind}{len(self._inputs) + len(self._outputs)}"
        dims = (1, *shape)
        return self._graph.add_tensor(
            Tensor(name=name, dtype="INT8", shape=dims, scales=(scale,), zero_points=(zero_point,))
        )

    def add(self, form: str, shape: tuple[int, int, int]) -> None:
        """Adds a form."""
        graph = self._graph
        x = self.tensor("x", shape)
        self._inputs.append(x)
        if form == "part":
            rows, columns, channels = shape
            y = self.tensor("x", (rows, columns, GROUPS * channels))
            graph.add_operator("CONCATENATION", [x] * GROUPS, y, {"axis": 3})
        elif form == "operator":
            y = self.tensor("y", shape)
            graph.add_operator("HARD_SWISH", [x], y)
        else:
            gate, y = self.tensor("gate", shape), self.tensor("y", shape)
            if form == "gate_rows":
                self._add_gate_of_rows(x, gate, shape)
            else:
                self._add_gate(form, x, gate, shape[-1])
            graph.add_operator("MUL", [x, gate], y)
        self._outputs.append(y)

    def _add_gate_of_rows(self, x: int, gate: int, shape: tuple[int, int, int]) -> None:
        rows, columns, channels = shape
        wide = (rows, 1, columns * channels)
        taken, given = self.tensor("x", wide), self.tensor("gate", wide)
        self._add_reshape(x, taken, wide)
        self._add_gate("gate", taken, given, wide[-1])
        self._add_reshape(given, gate, shape)

    def _add_reshape(self, taken: int, given: int, shape: tuple[int, ...]) -> None:
        numbers = constant_tensor("shape", np.array([1, *shape], np.int32))
        self._graph.add_operator("RESHAPE", [taken, self._graph.add_tensor(numbers)], given)

    def _add_gate(self, form: str, x: int, gate: int, channels: int) -> None:
        graph = self._graph
        if form == "table":
            half = constant_tensor("half", np.array([127], np.int8), scales=(0.0236,), zero_points=(0,))
            clamped = {"fused_activation_function": "RELU6"}
            graph.add_operator("ADD", [x, graph.add_tensor(half)], gate, clamped)
            return
        scales = np.linspace(0.001, 0.007, channels).tolist()
        weights = constant_tensor(
            "w",
            np.full((1, 1, 1, channels), 127, np.int8),
            scales=scales,
            zero_points=[0] * channels,
            quantized_dimension=3,
        )
        bias = constant_tensor(
            "b",
            np.full((channels,), 10_000, np.int32),
            scales=[scale * SCALES["x"][0] for scale in scales],
            zero_points=[0] * channels,
        )
        options: dict[str, str | int] = {
            "padding": "SAME",
            "stride_w": 1,
            "stride_h": 1,
            "depth_multiplier": 1,
        }
        options |= {"fused_activation_function": "RELU6"}
        taken = [x, graph.add_tensor(weights), graph.add_tensor(bias)]
        graph.add_operator("DEPTHWISE_CONV_2D", taken, gate, options)

    def write(self, path: Path) -> Path:
        """Writes the file."""
        path.write_bytes(self._graph.to_bytes(self._inputs, self._outputs))
        return path


def fitted(form: str, cpu: str, rows: list[OperatorCost]) -> FormCost:
    """Fits operators, elements and pixels to the cycles of a form, whose rows stand size by size."""
    each = len(rows) // len(MAPS)
    cycles = np.array([row.cycles.low for row in rows], np.float64).reshape(len(MAPS), each).sum(axis=1)
    if form == "part":
        cycles /= each
    elements = np.array([np.prod(shape) for shape in MAPS], np.float64)
    pixels = np.array([np.prod(shape[:2]) for shape in MAPS], np.float64)
    # Relative errors count alike, from 28 thousand elements to 200 thousand.
    matrix = np.stack([np.ones(len(MAPS)), elements, pixels], axis=1) / cycles[:, None]
    found = np.linalg.lstsq(matrix, np.ones(len(MAPS)), rcond=None)[0]
    errors = 100 * (matrix @ found - 1)
    click.echo(
        f"{cpu} {form}: {np.round(cycles / elements, 3)} an element, fit off by {np.round(errors, 1)} %"
    )
    return FormCost(
        form=form,
        cpu=cpu,
        cycles_each=max(0, round(float(found[0]))),  # of a convolution it is less than the fit's own error
        cycles_per_element=round(float(found[1]), 4) + 0.0,  # no negative zero
        cycles_per_pixel=round(float(found[2]), 3) + 0.0,
        bytes_per_element=BYTES[form],
    )


def modelled() -> tuple[CostResult, list[FormCost]]:
    """Runs each form on each processor."""
    forms = tuple(BYTES)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for form in forms:
            graph = Forms()
            for shape in MAPS:
                graph.add(form, shape)
            files.append(graph.write(Path(folder) / f"{form}.tflite"))
        result = cost(CostRequest(files=files, cpus=CPUS))
    costs = []
    for form, file in zip(forms, result.files, strict=True):
        for one in file.cpus:
            if one.operators_problem is not None:
                raise click.ClickException(f"{form} on {one.cpu}: {one.operators_problem}")
            by_node = defaultdict(list)
            for row in one.operators[:-1]:
                by_node[row.node].append(row)
            rows = [row for node in sorted(by_node, key=lambda node: node or 0) for row in by_node[node]]
            costs.append(fitted(form, one.cpu, rows))
    return result, costs


@click.command()
@click.option("--write", is_flag=True, help="Write the package's table.")
def main(write: bool) -> None:
    """Prints the costs."""
    result, costs = modelled()
    lines = [HEADER, f'runtime = "{result.runtime}"', f'cycle_model = "{result.cycle_model}"']
    for each in costs:
        lines += ["", "[[forms]]", *(f"{name} = {json.dumps(value)}" for name, value in asdict(each).items())]
    text = "\n".join(lines) + "\n"
    click.echo(text)
    if write:
        data = Path(__file__).parents[1] / "edge_mnv3" / "data"
        (data / FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
