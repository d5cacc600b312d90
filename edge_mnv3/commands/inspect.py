"""`edge-mnv3 inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import json_option, requests, runtime_option
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.results.model_facts import activation_words

if TYPE_CHECKING:
    from edge_mnv3.core.results.models import InspectResult, KernelCheck, TensorInfo
    from edge_mnv3.stages.inspect import InspectRequest


@click.command("inspect")
@click.argument("path", type=PATH, metavar="FILE.tflite")
@runtime_option
@json_option
@requests("inspect.InspectRequest")
def command(request: InspectRequest, as_json: bool) -> None:
    """Show what a .tflite file holds and whether phones can run it.

    \b
    Examples:
      edge-mnv3 inspect model.tflite
      edge-mnv3 inspect model.tflite --json
    """
    from edge_mnv3.stages.inspect import inspect

    result = inspect(request)
    show(result, _table, as_json=as_json)


def _table(result: InspectResult) -> str:
    rows = [
        ("file", f"{result.path} ({result.size_bytes:,} bytes)"),
        ("sha256", result.sha256),
        *(("input", _tensor(tensor)) for tensor in result.inputs),
        *(
            ("output", f"{_tensor(tensor)}; {activation_words(activation)}")
            for tensor, activation in zip(result.outputs, result.activations, strict=True)
        ),
        ("operators", ", ".join(f"{count} {name}" for name, count in result.ops.items())),
        ("full integer", "yes" if result.full_integer else f"no, {len(result.float_tensors)} float tensors"),
        ("fixed shapes", "yes" if result.fixed_shapes else f"no: {', '.join(result.dynamic_tensors[:3])}"),
        ("XNNPACK", xnnpack(result.xnnpack)),
        ("built-in kernels", builtin_kernels(result.builtin)),
        ("runtime", result.runtime),
    ]
    if result.needs is not None:
        rows += [("least runtime", result.needs.least_words), ("TFLite Micro", result.needs.micro_words)]
    return "\n".join(f"{key:<17}{value}" for key, value in rows)


def _tensor(tensor: TensorInfo) -> str:
    quantization = (
        "" if tensor.scale is None else f", scale {tensor.scale:.6g}, zero point {tensor.zero_point}"
    )
    return f"{tensor.name} {list(tensor.shape)} {tensor.dtype}{quantization}"


def builtin_kernels(check: KernelCheck) -> str:
    """Writes whether a file loads under the built-in kernels."""
    return "loads" if check.loads else f"DOES NOT LOAD: {check.problem}"


def xnnpack(check: KernelCheck) -> str:
    """Writes whether a file loads under XNNPACK, in how many partitions, and what it left."""
    if not check.loads:
        return f"DOES NOT LOAD: {check.problem}"
    if check.partitions == 0:
        return "loads, but takes no operator of this file: all run on the built-in kernels"
    left = ", ".join(f"{count} {name}" for name, count in check.undelegated_ops.items())
    count = "1 partition" if check.partitions == 1 else f"{check.partitions} partitions"
    return f"loads, {count}" + (f"; left to the built-in kernels: {left}" if left else "")
