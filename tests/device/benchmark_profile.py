"""The rows of an op profile: which operators ran, as the graph and its partitions say.

The stand-in measures whole inferences only; it deals their duration out to the operators by fixed weights.
"""

from __future__ import annotations

from typing import Any

from device.benchmark_formats import ProfiledOp, profile_text

# Roughly the shares of a float graph without a delegate; HARD_SWISH is what int8 graphs wait for.
_WEIGHTS = {"CONV_2D": 10.0, "DEPTHWISE_CONV_2D": 4.0, "HARD_SWISH": 6.0, "FULLY_CONNECTED": 8.0}
_XNNPACK_NAMES = {
    "CONV_2D": "Convolution (NHWC, {kind}) IGEMM",
    "DEPTHWISE_CONV_2D": "Convolution (NHWC, {kind}) DWConv",
    "FULLY_CONNECTED": "Fully Connected (NC, {kind}) GEMM",
    "ADD": "Add (ND, {kind})",
    "MUL": "Multiply (ND, {kind})",
    "MEAN": "Mean (ND, {kind})",
    "HARD_SWISH": "HardSwish (NC, {kind})",
    "SOFTMAX": "Softmax (NC, {kind})",
    "RESHAPE": "Copy (NC, X8)",
}
_KINDS = {"float32": "F32", "int8": "QS8", "uint8": "QU8"}


def profiled_ops(interpreter: Any) -> tuple[list[ProfiledOp], int, int, int]:
    """Reads an interpreter that has allocated its tensors.

    Returns:
        Rows in order of execution with weights for durations, partitions given to the delegate, operators in
        them, operators of the graph.
    """
    details = interpreter._get_ops_details()
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    partitions = [op for op in details if op["op_name"] == "DELEGATE"]
    graph_ops = [op for op in details if op["op_name"] != "DELEGATE"]
    outside = (
        _outside(graph_ops, partitions, interpreter) if partitions else {op["index"] for op in graph_ops}
    )
    rows: list[ProfiledOp] = []
    for op in graph_ops:
        kind = op["op_name"]
        weight = _WEIGHTS.get(kind, 1.0)
        if op["index"] in outside:
            tensors = ", ".join(names.get(int(tensor), "") for tensor in op["outputs"])
            rows.append(ProfiledOp(kind, f"[{tensors}]:{op['index']}", 0, weight))
        else:
            dtype = _KINDS.get(op["result_types"][0].__name__, "F32")
            spoken = _XNNPACK_NAMES.get(kind, f"{kind.title()} ({{kind}})").format(kind=dtype)
            rows.append(ProfiledOp(spoken, f"Delegate/{spoken}:{len(rows)}", 0, weight))
    return rows, len(partitions), len(graph_ops) - len(outside), len(graph_ops)


def profile_texts(
    ops: list[ProfiledOp], runs: list[int], init_us: int, *, delegated: bool, csv: bool, with_start: bool
) -> list[str]:
    """Titles and tables of the initialization and of the runs.

    Args:
        ops: Rows with weights for durations, from `profiled_ops`.
        runs: Durations of whole inferences, microseconds.
        init_us: Duration of loading, microseconds.
        delegated: Whether loading includes handing the graph to a delegate.
        csv: Comma-separated instead of columns.
        with_start: Whether there is a column for the start.
    """
    average_us = sum(runs) / len(runs) if runs else 0.0
    scale = average_us / sum(op.avg_us for op in ops)
    scaled = [op._replace(first_us=int(op.avg_us * scale), avg_us=op.avg_us * scale) for op in ops]
    names = ["ModifyGraphWithDelegate", "AllocateTensors"] if delegated else ["AllocateTensors"]
    steps = [ProfiledOp(name, f"{name}/0", init_us, float(init_us)) for name in names]
    first = profile_text(steps, [init_us * len(steps)], csv=csv, with_start=with_start)
    second = profile_text(scaled, runs, csv=csv, with_start=with_start)
    return [
        f"Profiling Info for Benchmark Initialization:\n{first}",
        f"Operator-wise Profiling Info for Regular Benchmark Runs:\n{second}",
    ]


def _outside(graph_ops: list[dict[str, Any]], partitions: list[dict[str, Any]], interpreter: Any) -> set[int]:
    """Indices of operators that the delegate has not taken.

    From the graph's end to its start: a tensor that leaves a partition is one of its outputs, one that is
    needed outside and that no partition gives comes from an operator outside.
    """
    given = {int(tensor) for op in partitions for tensor in op["outputs"]}
    needed = {int(tensor) for op in partitions for tensor in op["inputs"]}
    needed |= {int(details["index"]) for details in interpreter.get_output_details()}
    outside = set()
    for op in reversed(graph_ops):
        results = {int(tensor) for tensor in op["outputs"]}
        if results & needed and not results & given:
            outside.add(op["index"])
            needed |= {int(tensor) for tensor in op["inputs"]}
    return outside
