"""Rows of LiteRT's performance leaderboard, as its `benchmark/leaderboard/data/measurements.jsonl` has them.

A row there is one launch of LiteRT's `benchmark_model`, without a number of threads, on a phone that is left
to itself. A row has no place for cores and clocks: measurements that chose them are refused. The number of
threads, which every measurement here sets, stands in the row's `binary`, which the page shows. Nothing is
guessed: a figure that the launch did not print is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult, LaunchRecord, LaunchTimings
from edge_mnv3.core.results.binaries import LITERT, BinaryInfo
from edge_mnv3.core.results.delegation import XNNPACK_DELEGATE, Partitioning
from edge_mnv3.core.results.device import DeviceInfo
from edge_mnv3_android_bench.benchmark_model.litert_results import Printed, read_printed
from edge_mnv3_android_bench.benchmark_model.log_lines import split_log
from edge_mnv3_android_bench.benchmark_model.program_files import LITERT_PREFIX
from edge_mnv3_android_bench.comparison.export import Exported
from edge_mnv3_android_bench.measuring.log_files import read_logs
from edge_mnv3_android_bench.measuring.plan import BenchLogRequest
from edge_mnv3_android_bench.measuring.protocols import APP

ACCELERATORS = ("cpu", "gpu")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_TAG = re.compile(r"[a-z0-9-]+", re.ASCII)
_CODENAME = re.compile(r"[^/]+/[^/]+/([\w.-]+):.+", re.ASCII)
# What the tool does by itself, and all rows of the board did.
_SCHEDULE = ("num_runs", "warmup_runs", "min_secs", "max_secs", "warmup_min_secs")


def check_names(repository: str, pipeline_tag: str) -> None:
    """Refuses names that the board could not have.

    Raises:
        ArgumentError: One is of another form.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise ArgumentError("--repository", repr(repository), "OWNER/NAME, as on Hugging Face")
    if not _TAG.fullmatch(pipeline_tag):
        raise ArgumentError("--pipeline-tag", repr(pipeline_tag), "a tag such as image-classification")


def as_leaderboard(entries: Sequence[Exported], *, repository: str, pipeline_tag: str) -> str:
    """Writes a line of JSON for each measurement: the launch whose median is the middle one.

    Args:
        entries: Measurements on phones, with the raw logs where they were written.
        repository: Where the model file is, `OWNER/NAME` on Hugging Face.
        pipeline_tag: The task of that repository.

    Raises:
        InputFileError: A measurement is not one as the board has them, or a figure is missing; two are of one
            row.
    """
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        row = _row(entry, repository, pipeline_tag)
        if row["row_id"] in rows:
            raise InputFileError("results to export", f"two of {row['row_id']}", "each once", "leave one out")
        rows[row["row_id"]] = row
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows.values())


def _row(entry: Exported, repository: str, pipeline_tag: str) -> dict[str, Any]:
    result = entry.result
    if isinstance(result, HostBenchResult):
        raise _refusal(entry, "a measurement of this machine", "one of a phone")
    _check_conditions(entry, result)
    launch, timings = _middle_launch(entry, result)
    conditions, device = result.conditions, result.conditions.device
    taken = _partitioning(entry, conditions.accelerator, timings)
    figures = _figures(entry, launch, timings)
    device_id = _device_id(entry, device)
    version = _version(entry, conditions.binary)
    file = PurePath(conditions.model_path).name
    return {
        "row_id": f"{repository}:{file}@{version}/android/{device_id}/{conditions.accelerator}",
        "model": repository,
        "file": file,
        "task": pipeline_tag,
        "model_size_mb": figures.pop("model_size_mb"),
        "platform": "android",
        "device_id": device_id,
        "device": device.model,
        "os": f"Android {device.android_version} (API {device.sdk})",
        "accelerator": conditions.accelerator,
        "delegate": taken.delegate,
        "nodes_delegated": taken.replaced_nodes,
        "nodes_total": taken.nodes,
        "partitions": taken.partitions,
        **figures,
        "source": "log",
        "runtime": "litert",
        "runtime_version": version,
        "binary": f"{conditions.binary.name} (SHA-256 {conditions.binary.sha256[:12]}), "
        f"--num_threads={conditions.protocol.num_threads}",
        "runner": "edge-mnv3",
        "session": f"edge-mnv3-{launch.started_at}",
        "job": f"{conditions.accelerator}-{device_id}",
        "status": "measured",
        "date": launch.started_at[:10],
    }


def _refusal(entry: Exported, got: str, expected: str, next_step: str = "") -> InputFileError:
    return InputFileError(f"a row of the leaderboard for {entry.name}", got, expected, next_step)


def _check_conditions(entry: Exported, result: DeviceBenchResult) -> None:
    conditions, protocol = result.conditions, result.conditions.protocol
    again = f"measure again with --protocol app --benchmark-binary {LITERT_PREFIX}VERSION"
    if entry.median_us is None:
        raise _refusal(entry, f"no figure to quote: {entry.why_not}", "one")
    if result.accepted:
        raise _refusal(entry, "launches that were taken against the rules", "none", again)
    if conditions.device.is_board or conditions.device.android_version is None:
        raise _refusal(entry, f"a device with {conditions.device.system}", "a phone with Android")
    if conditions.binary.runtime != LITERT:
        raise _refusal(entry, f"a build of {conditions.binary.runtime}", f"one of {LITERT}", again)
    if conditions.accelerator not in ACCELERATORS:
        raise _refusal(entry, conditions.accelerator, " or ".join(ACCELERATORS))
    if conditions.cpus or conditions.fixed_performance:
        held = (
            "held clocks" if conditions.fixed_performance else f"cores chosen by mask {conditions.cpu_mask}"
        )
        raise _refusal(entry, held, "a phone left to itself: a row has no place for that", again)
    for name in _SCHEDULE:
        asked, usual = getattr(protocol, name), getattr(APP.settings, name)
        if asked != usual:
            raise _refusal(entry, f"{name} {asked:g}", f"{usual:g}, as in all rows", again)


def _middle_launch(entry: Exported, result: DeviceBenchResult) -> tuple[LaunchRecord, LaunchTimings]:
    """The launch whose median is the middle one; of two in the middle the faster."""
    counted = [
        (launch.timings.median_us, launch, launch.timings)
        for launch in result.launches
        if launch.timings is not None and launch.timings.median_us is not None and not launch.problems
    ]
    if not counted:
        raise _refusal(entry, "launches without a median", "one that prints it")
    counted.sort(key=lambda each: each[0])
    _, launch, timings = counted[(len(counted) - 1) // 2]
    return launch, timings


def _partitioning(entry: Exported, accelerator: str, timings: LaunchTimings) -> Partitioning:
    """What the accelerator's delegate took of the main graph."""
    taken = [
        each
        for each in timings.partitionings
        if each.subgraph == 0 and (each.delegate == XNNPACK_DELEGATE) == (accelerator == "cpu")
    ]
    if len(taken) != 1 or taken[0].replaced_nodes is None or taken[0].nodes is None:
        raise _refusal(
            entry, "no count of the nodes that its delegate took", "one line of the log that says it"
        )
    return taken[0]


def _device_id(entry: Exported, device: DeviceInfo) -> str:
    """The board's word for a phone: its code name and its level of Android's API."""
    match = _CODENAME.fullmatch(device.build_fingerprint)
    if match is None:
        raise _refusal(entry, f"a build called {device.build_fingerprint!r}", "BRAND/PRODUCT/DEVICE:…")
    return f"{match[1]}-{device.sdk}"


def _version(entry: Exported, binary: BinaryInfo) -> str:
    named = binary.name.removeprefix(LITERT_PREFIX)
    version = binary.version or (named if named != binary.name else None)
    if version is None or not version[0].isdigit():
        raise _refusal(
            entry,
            f"the build {binary.name}, whose version is not known",
            "a release",
            f"measure again with --benchmark-binary {LITERT_PREFIX}VERSION",
        )
    return version


def _figures(entry: Exported, launch: LaunchRecord, timings: LaunchTimings) -> dict[str, Any]:
    """All numbers of one launch; those that the result does not have come from its raw log."""
    printed, more = _printed(entry, launch, timings), timings.unconfirmed
    latencies_us = {
        "median": timings.median_us,
        "avg": timings.avg_us,
        "p5": more.p5_us,
        "p95": more.p95_us,
        "min": more.min_us,
        "max": more.max_us,
        "stddev": more.std_us,
        "init": timings.init_us,
        "first_inference": timings.first_inference_us,
        "warm_up_avg": timings.warmup_avg_us,
    }
    figures = {
        "model_size_mb": printed.model_size_mb,
        "latency_ms": {name: None if us is None else us / 1e3 for name, us in latencies_us.items()},
        "memory_mb": {"init_footprint": printed.init_footprint_mb, "overall_footprint": more.memory_mb},
        "runs": timings.num_runs,
        "warmup_runs": timings.warmup_runs,
        "throughput_mb_s": printed.throughput_mb_s,
    }
    for name, value in figures.items():
        parts = value if isinstance(value, dict) else {"": value}
        for part, number in parts.items():
            if number is None:
                raise _refusal(
                    entry,
                    f"no {' '.join(filter(None, (name, part)))} of launch {launch.number}",
                    "every figure of a row",
                )
    return figures


def _printed(entry: Exported, launch: LaunchRecord, timings: LaunchTimings) -> Printed:
    path = Path(launch.log_path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise _refusal(
            entry,
            f"no raw log of launch {launch.number}, {path}: {why_unreadable(path, error)}",
            "the log, in which some figures of a row stand alone",
        ) from error
    logged = read_logs(BenchLogRequest(logs=[path]))
    if logged.failures:
        raise _refusal(entry, logged.failures[0].error, f"the raw log of launch {launch.number}")
    of_log = logged.launches[0].timings
    if (of_log.avg_us, of_log.median_us, of_log.init_us, of_log.num_runs) != (
        timings.avg_us,
        timings.median_us,
        timings.init_us,
        timings.num_runs,
    ):
        raise _refusal(entry, f"{path}, of another launch", f"the raw log of launch {launch.number}")
    return read_printed([line.text for line in split_log(text)])
