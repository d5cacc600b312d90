"""Which runtimes have the operators of a file, by the tables of `data/tflite_operators.toml`."""

from __future__ import annotations

import sys
from functools import cache
from importlib import resources
from typing import Any

from edge_mnv3.core.results.models import RuntimeNeeds
from edge_mnv3.core.tflite.types import NO_TENSOR, Model

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Source: PreprocessSoftmaxScaling of tensorflow/lite/kernels/internal/quantization_util.cc, whose check ends
# the program where step times 2^26 is not above 1. Only a network without a trained head has such steps.
_LEAST_SOFTMAX_STEP = 2.0**-26
_FINE_SOFTMAX = "SOFTMAX of steps of 2^-26 or less"


def runtime_needs(model: Model) -> RuntimeNeeds:
    """Tells what a file asks of runtimes: its operators and their versions decide, whatever made the file."""
    tables = _tables()
    used = {(operator.name, operator.version) for graph in model.graphs for operator in graph.operators}
    least: list[str] = []
    unknown = []
    for name, version in sorted(used):
        releases = tables["least_runtime"].get(name, ())
        if 1 <= version <= len(releases):
            least.append(releases[version - 1])
        else:
            unknown.append(f"{name} version {version}")
    per_channel = tables["least_runtime_with_scales_per_channel"]
    least += [per_channel[name] for name in per_channel if _has_scales_per_channel(model, name)]
    return RuntimeNeeds(
        least_tflite=max(least, key=_numbers) if least and not unknown else None,
        unknown_operators=tuple(unknown),
        missing_in_micro=(
            *sorted({name for name, _ in used} - set(tables["micro"]["operators"])),
            *([_FINE_SOFTMAX] if _has_fine_softmax(model) else []),
        ),
    )


def _has_fine_softmax(model: Model) -> bool:
    return any(
        operator.name == "SOFTMAX"
        and any(
            0 < scale <= _LEAST_SOFTMAX_STEP
            for tensor in operator.inputs[:1]
            for scale in graph.tensors[tensor].scales
        )
        for graph in model.graphs
        for operator in graph.operators
    )


def _has_scales_per_channel(model: Model, operator_name: str) -> bool:
    return any(
        operator.name == operator_name
        and any(tensor != NO_TENSOR and len(graph.tensors[tensor].scales) > 1 for tensor in operator.inputs)
        for graph in model.graphs
        for operator in graph.operators
    )


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


@cache
def _tables() -> dict[str, Any]:
    text = (resources.files("edge_mnv3") / "data" / "tflite_operators.toml").read_text(encoding="utf-8")
    tables: dict[str, Any] = tomllib.loads(text)
    return tables
