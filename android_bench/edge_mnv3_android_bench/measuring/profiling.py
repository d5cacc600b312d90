"""One profiled launch of a model on a device."""

from __future__ import annotations

import threading
from pathlib import Path

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.results.bench import DeviceBenchConditions
from edge_mnv3.core.results.profile import DeviceProfileResult
from edge_mnv3.core.tflite.types import Graph
from edge_mnv3_android_bench.benchmark_model.op_profile import read_op_profile
from edge_mnv3_android_bench.measuring.launch_statistics import EMULATED_WARNING
from edge_mnv3_android_bench.measuring.launching import read_launch, run_launch
from edge_mnv3_android_bench.measuring.protocols import benchmark_flags
from edge_mnv3_android_bench.measuring.session import DeviceSession, ReadyBinary, place_model

PROFILE_FLAGS = ("enable_op_profiling",)
_PROFILE_FLAG = f"--{PROFILE_FLAGS[0]}=true"


def profile_model(
    session: DeviceSession,
    ready: ReadyBinary,
    conditions: DeviceBenchConditions,
    graph: Graph,
    log_path: Path,
    *,
    stop: threading.Event | None = None,
) -> DeviceProfileResult:
    """Launches a model that was measured once more, with the profiler on.

    Args:
        session: The device.
        ready: The build of `benchmark_model` on it.
        conditions: Conditions of the measurement; they name the model and the protocol.
        graph: The file's main graph.
        log_path: Where to write the raw log.
        stop: Ends the call when it is set, as in `process.run`.

    Raises:
        BenchmarkBinaryError: The build has no profiler.
        BenchmarkLogError: The launch failed, or printed no whole profile of this graph.
        DeviceError: `run_launch` failed.
        OutputError: The log cannot be written.
    """
    remote = place_model(session, Path(conditions.model_path), conditions.model_sha256, stop=stop)
    protocol = conditions.protocol
    flags = benchmark_flags(protocol, graph=remote, known=ready.known_flags, extra=(_PROFILE_FLAG,))
    command = session.command(ready.program, flags, conditions.cpus, protocol.max_secs)
    raw = run_launch(session.folder, command, log_path, stop=stop)
    record = read_launch(raw, 1, session.info, expected_runs=protocol.num_runs)
    if record.timings is None:
        raise BenchmarkLogError(
            f"profiled launch of {conditions.model_path} on device {session.info.serial}",
            record.problems[0],
            next_step=f"see {log_path}",
        )
    emulated = (EMULATED_WARNING,) if session.info.emulated else ()
    try:
        profile = read_op_profile(raw.output.stdout, graph)
    except BenchmarkLogError as error:
        raise error.with_log(log_path) from error
    return DeviceProfileResult(
        conditions=conditions,
        timings=record.timings,
        profile=profile,
        warnings=(*emulated, *record.problems, *record.timings.warnings),
    )
