"""Profiles of operators as a trace that Perfetto and chrome://tracing show: Chrome's trace event format.

An inference is drawn as it is on the average: its operators one after the other, each as long as its mean.
That is no recording of one inference; there are no gaps between operators in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.profile import DeviceProfileResult, OpCost

_DELEGATE_THREAD = 1000  # behind those of the subgraphs


def read_profiles(path: Path) -> tuple[DeviceProfileResult, ...]:
    """Reads the profiles of a result file of `bench --profile`.

    Raises:
        InputFileError: It cannot be read, or is no report of devices.
    """
    try:
        return from_json(DeviceBenchReport, path.read_text(encoding="utf-8")).profiles
    except OSError as error:
        raise InputFileError(f"result file {path}", why_unreadable(path, error)) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputFileError(
            f"result file {path}", str(error), "the JSON of bench --device --profile"
        ) from error


def profile_name(profile: DeviceProfileResult) -> str:
    """Names a profile: file, device, conditions."""
    conditions, protocol = profile.conditions, profile.conditions.protocol
    return (
        f"{PurePath(conditions.model_path).name}, {conditions.device.model}, {protocol.kernels} kernels, "
        f"threads {protocol.num_threads}, mask {conditions.cpu_mask}, {conditions.binary.name}"
    )


def as_trace(profiles: Sequence[DeviceProfileResult]) -> str:
    """Writes a process for every profile, with a thread for every subgraph, and one for delegates' steps."""
    events: list[dict[str, Any]] = []
    for pid, profile in enumerate(profiles, start=1):
        events.append(_named("process_name", pid, 0, profile_name(profile)))
        costs = profile.profile.costs
        for subgraph in sorted({cost.subgraph for cost in costs}):
            runs = f"mean of {profile.profile.runs} runs, with the profiler on"
            events.append(_named("thread_name", pid, subgraph + 1, f"subgraph {subgraph}, {runs}"))
            events += _drawn([cost for cost in costs if cost.subgraph == subgraph], pid, subgraph + 1)
        steps = profile.profile.delegate_internal
        if steps:
            told = "inside the delegate's partitions, in the order told"
            events.append(_named("thread_name", pid, _DELEGATE_THREAD, told))
            events += _drawn(steps, pid, _DELEGATE_THREAD)
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, indent=1, allow_nan=False) + "\n"


def _named(kind: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}}


def _drawn(costs: Sequence[OpCost], pid: int, tid: int) -> Iterator[dict[str, Any]]:
    """Complete events, one after the other, in microseconds."""
    start_us = 0.0
    for cost in costs:
        yield {
            "ph": "X",
            "name": cost.op_type,
            "cat": "delegate" if cost.by_delegate else "operator",
            "pid": pid,
            "tid": tid,
            "ts": round(start_us, 3),
            "dur": round(cost.time_us, 3),
            "args": {
                "makes": ", ".join(cost.outputs),
                "operator_of_the_file": "none" if cost.graph_index is None else cost.graph_index,
                "calls": cost.calls,
                "share_percent": round(cost.share_percent, 3),
            },
        }
        start_us += cost.time_us
