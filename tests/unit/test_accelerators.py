"""What ran on a GPU or an NPU, by real lines of logs; what only seemed to has no figure there."""

from __future__ import annotations

import dataclasses

import pytest

from bench_records import (
    BY_GPU,
    CONDITIONS,
    changed_conditions,
    device_result,
    launch,
    launch_timings,
    steady,
)
from edge_mnv3.commands.accelerator_tables import accelerator_lines
from edge_mnv3.commands.device_options import accelerators
from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError, BenchmarkLogError
from edge_mnv3.core.results.delegation import Partitioning
from edge_mnv3.stages.bench_requests import DeviceBenchRequest
from edge_mnv3_android_bench.benchmark_model.accelerators import delegated, delegation_problem
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.told_flags import check_told_flags
from edge_mnv3_android_bench.comparison.export import exported
from edge_mnv3_android_bench.measuring.accelerator_flags import accelerator_flags
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand
from edge_mnv3_android_bench.measuring.launch_statistics import summarize
from edge_mnv3_android_bench.measuring.resume_file import conditions_key
from edge_mnv3_android_bench.measuring.schedule import MAX_ALIKE, Cell
from edge_mnv3_android_bench.published.verdicts import differences_from_published
from synthetic_logs import LogText

COMMAND = LaunchCommand(
    folder="/f", program="/f/b", flags=(), cpus=(), other_cpus=(), temperature_file=None, limit_s=1.0
)
LOG = LogText(times_us=(1000, 1010, 1003, 1001, 1150)).text()
APPLIED = "INFO: Explicitly applied GPU delegate, and the model graph will be"
GPU_58 = (
    "VERBOSE: Replacing 58 out of 58 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions "
    "for subgraph 0."
)
# Texts of real logs; what ran on the accelerator, or None.
CASES: tuple[tuple[str, str, str | None], ...] = (
    ("gpu", f"{GPU_58}\nINFO: Created 1 GPU delegate kernels.", "GPU took 58 of 58 nodes in 1 partition"),
    (  # LiteRT: OpenCL, and XNNPACK for what it leaves
        "gpu",
        "VERBOSE: Replacing 48 out of 90 node(s) with delegate (LITERT_CL) node, yielding 2 partitions for "
        "subgraph 0 (main).\n"
        "VERBOSE: Replacing 32 out of 43 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 4 "
        "partitions for subgraph 0 (main).",
        "LITERT_CL took 48 of 90 nodes in 2 partitions; the rest ran on the cpu",
    ),
    (  # before TensorFlow 2.10: nodes are not counted
        "gpu",
        "INFO: Replacing 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.\n"
        f"{APPLIED} completely executed by the delegate.",
        "GPU took 31 of 31 nodes in 1 partition",
    ),
    (
        "gpu",
        "ERROR: Following operations are not supported by GPU delegate:\n"
        "UNPACK: Operation is not supported.\n"
        "294 operations will run on the GPU, and the remaining 3 operations will run on the CPU.\n"
        "INFO: Replacing 294 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 partitions.\n"
        f"{APPLIED} partially executed by the delegate w/ 1 delegate kernels.",
        "GPU took 294 of 297 nodes in 3 partitions; the rest ran on the cpu",
    ),
    ("gpu", f"{APPLIED} completely executed by the delegate.", "GPU took all nodes in 1 partition"),
    (
        "gpu",
        f"{APPLIED} partially executed by the delegate w/ 1 delegate kernels.",
        "GPU took part of the nodes, the log does not say how many, in 1 partition; the rest ran on the cpu",
    ),
    (  # one subgraph wholly, another in part
        "gpu",
        f"{GPU_58}\nVERBOSE: Replacing 5 out of 6 node(s) with delegate (TfLiteGpuDelegateV2) node, "
        "yielding 1 partitions for subgraph 1 (cond).",
        "GPU took 63 of 64 nodes in 2 partitions; the rest ran on the cpu",
    ),
    (
        "npu",
        "VERBOSE: Replacing 2 out of 3 node(s) with delegate (DispatchDelegate) node, yielding 3 partitions "
        "for subgraph 0 (main).",
        "DispatchDelegate took 2 of 3 nodes in 3 partitions; the rest ran on the cpu",
    ),
    (  # a replacement that was put back
        "gpu",
        "VERBOSE: Replacing 2 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.\n"
        "ERROR: TfLiteGpuDelegate Init: FULLY_CONNECTED: Amount of input data should match weights width\n"
        "INFO: Created 0 GPU delegate kernels.\n"
        "ERROR: TfLiteGpuDelegate Prepare: delegate is not initialized\n"
        "ERROR: Restored original execution plan after delegate application failure.",
        None,
    ),
    (
        "npu",
        "VERBOSE: Replacing 1 out of 1 node(s) with delegate (DispatchDelegate) node, yielding 1 partitions "
        "for subgraph 0.\n"
        "ERROR: [dispatch_delegate.cc:122] Failed to create a dispatch delegate kernel: No usable Dispatch "
        "runtime found",
        None,
    ),
    (
        "gpu",
        "WARNING: [gpu_registry.cc:153] GPU accelerator could not be loaded and registered.\n"
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        None,
    ),
    ("npu", "WARN: NNAPI acceleration is unsupported on this platform.", None),
    ("gpu", "No operations will run on the GPU, and all 65 operations will run on the CPU.", None),
)


@pytest.mark.parametrize(("accelerator", "lines", "text"), CASES)
def test_what_really_ran(accelerator: str, lines: str, text: str | None) -> None:
    timings = parse_benchmark_log(LOG, f"{lines}\n", 0, expected_runs=5)
    problem = delegation_problem(timings, accelerator)
    taken = delegated(timings, accelerator)
    if text is None:
        assert taken is None
        assert problem is not None
        assert problem.startswith("not delegated: ran on cpu") or "is not known" in problem
        assert accelerator not in timings.delegate.lower()
        return
    assert problem is None
    assert taken is not None
    assert taken.text == text
    assert taken.complete == (not text.endswith("; the rest ran on the cpu"))
    assert (f"partly delegated: {text}" in timings.warnings) == (not taken.complete)


def test_nnapi_does_not_tell_which_accelerator_ran() -> None:
    available = "INFO: NNAPI accelerators available: [ipuadaptor,nnapi-reference]"
    by_nnapi = "INFO: Replacing 31 node(s) with delegate (TfLiteNnapiDelegate) node, yielding 1 partitions."
    ran = parse_benchmark_log(LOG, f"{available}\n{by_nnapi}\n", 0, expected_runs=5)
    assert ran.delegate == "NNAPI"
    assert ran.warnings == (
        "NNAPI chose among the phone's accelerators (ipuadaptor,nnapi-reference): which of them ran "
        "is not told",
    )
    assert parse_benchmark_log(LOG, f"{available}\n", 0, expected_runs=5).warnings == ()


def test_what_put_a_delegate_back_is_the_last_that_replaced_anything() -> None:
    """The default delegate of the CPU may fail: a GPU's nodes stay where they are."""
    xnnpack = (
        "VERBOSE: Replacing 3 out of 4 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 "
        "partitions."
    )
    failed = "ERROR: Ignoring failed application of the default TensorFlow Lite delegate indexed at 0."
    timings = parse_benchmark_log(LOG, f"{GPU_58}\n{xnnpack}\n{failed}\n", 0, expected_runs=5)
    assert [p.delegate for p in timings.partitionings] == ["GPU"]
    assert timings.delegate == "GPU"


def test_figures_of_another_processor_are_no_figures_of_this_one() -> None:
    on_gpu = launch_timings(1.0, delegate="GPU", partitionings=BY_GPU)
    assert delegation_problem(on_gpu, "gpu") is None
    assert delegation_problem(on_gpu, "cpu") == (
        "cpu was asked for, the delegate GPU ran, which is none of a cpu"
    )
    assert delegation_problem(on_gpu, "npu") is not None
    mine = (dataclasses.replace(BY_GPU[0], delegate="Mine"),)
    unknown = launch_timings(1.0, delegate="Mine", partitionings=mine)
    assert delegation_problem(unknown, "gpu") == (
        "gpu was asked for, the delegate Mine ran: on what is not known"
    )
    assert delegation_problem(unknown, "cpu") is None
    silent = launch_timings(1.0, delegate="unknown", warnings=("benchmark_model: something else",))
    assert "is not known: the log names no delegate" in str(delegation_problem(silent, "npu"))


def test_a_fallback_has_no_figure_and_is_not_tried_for_ever() -> None:
    conditions = changed_conditions(accelerator="gpu")
    cell = Cell(label="a", conditions=conditions, command=COMMAND, min_launches=5)
    for number in range(1, MAX_ALIKE + 1):
        assert not cell.is_done
        timings = launch_timings(1000.0)
        problem = delegation_problem(timings, "gpu")
        assert problem == "not delegated: ran on cpu"
        cell.add(launch(timings, number=number, problems=(problem,)))
    assert cell.is_done
    result = cell.result()
    assert (result.median_us, result.observed, result.delegated) == (None, None, None)
    assert result.problems == ("not delegated: ran on cpu",)


def test_launches_that_were_delegated_differently() -> None:
    part = (dataclasses.replace(BY_GPU[0], replaced_nodes=40),)
    launches = [
        launch(launch_timings(us, delegate="GPU", partitionings=part if us > 1001 else BY_GPU))
        for us in steady(1000.0)
    ]
    (problem,) = summarize(changed_conditions(accelerator="gpu", kernels="xnnpack"), launches).problems
    assert problem == (
        "the launches were delegated in different parts: GPU took 58 of 58 nodes in 1 partition; GPU took "
        "40 of 58 nodes in 1 partition; the rest ran on the cpu"
    )


def test_published_figures_are_of_a_cpu() -> None:
    conditions = changed_conditions(accelerator="gpu", delegate="GPU")
    assert "accelerator: gpu, published on a CPU" in differences_from_published(conditions, "Pixel 1")


@pytest.mark.parametrize(
    ("accelerator", "known", "flags"),
    [
        ("cpu", (), ()),
        ("gpu", ("use_gpu",), ("--use_gpu=true",)),
        ("npu", ("use_nnapi", "disable_nnapi_cpu"), ("--use_nnapi=true", "--disable_nnapi_cpu=true")),
        ("npu", ("use_cpu", "use_npu"), ("--use_npu=true",)),
    ],
)
def test_flags_that_a_build_knows(accelerator: str, known: tuple[str, ...], flags: tuple[str, ...]) -> None:
    assert accelerator_flags(accelerator, known, "build") == flags  # type: ignore[arg-type]


def test_nnapi_whose_cpu_cannot_be_ruled_out_is_refused() -> None:
    with pytest.raises(BenchmarkBinaryError, match="a build without --use_npu or --use_nnapi with"):
        accelerator_flags("npu", ("use_nnapi",), "build")
    with pytest.raises(BenchmarkBinaryError, match="a build without --use_gpu, expected one that can"):
        accelerator_flags("gpu", ("use_nnapi",), "build")


def test_a_log_that_tells_an_accelerator_that_was_not_asked_for_is_another_launch_s() -> None:
    check_told_flags("INFO: Use gpu: [1]\n", "", ["--use_gpu=true"])
    check_told_flags("INFO: Use gpu: [0]\n", "", [])
    with pytest.raises(BenchmarkLogError, match=r"a launch with --use_gpu=1, expected one on the CPU"):
        check_told_flags("INFO: Use gpu: [1]\n", "", ["--num_runs=50"])
    with pytest.raises(BenchmarkLogError, match=r"--disable_nnapi_cpu=0, expected --disable_nnapi_cpu=true"):
        check_told_flags("Disable NNAPI cpu: [0]\n", "", ["--disable_nnapi_cpu=true"])


def test_unfinished_launches_of_another_accelerator_are_not_taken_up() -> None:
    assert conditions_key(changed_conditions(accelerator="gpu")) != conditions_key(CONDITIONS)
    # As earlier releases wrote it, which knew no accelerator.
    assert conditions_key(CONDITIONS) == "ebd13246ad362d4e2bfb6db21b48d90cc2572117e6c40d7ba07d78626196f4bb"


def test_names_of_series_tell_the_accelerator() -> None:
    part = (Partitioning(delegate="GPU", replaced_nodes=57, nodes=58, partitions=1, subgraph=0),)
    names = [
        exported([device_result(steady(9.0), accelerator="gpu", delegate="GPU", partitionings=p)])[0].name
        for p in (BY_GPU, part)
    ]
    assert [name.rpartition("era-2019, ")[2] for name in names] == ["gpu", "gpu, in part"]


def test_a_column_for_each_accelerator() -> None:
    cpu = device_result(steady(20_000))
    gpu = device_result(steady(5_000), accelerator="gpu", delegate="GPU", partitionings=BY_GPU)
    assert accelerator_lines([cpu]) == []
    assert accelerator_lines([cpu, gpu]) == [
        "",
        "file          binary    cpu ms  gpu ms",
        "small.tflite  era-2019  20.000   5.000",
        "  small.tflite with 'era-2019' on the gpu: GPU took 58 of 58 nodes in 1 partition",
    ]


def test_options() -> None:
    assert accelerators(()) == ("cpu",)
    assert accelerators(("cpu,gpu", "npu")) == ("cpu", "gpu", "npu")
    with pytest.raises(ArgumentError, match="--accelerator: got 'dsp', expected cpu, gpu, npu"):
        accelerators(("gpu,dsp",))
    with pytest.raises(ArgumentError, match="got gpu,gpu, expected each of cpu, gpu, npu once"):
        DeviceBenchRequest(models=("a.tflite",), accelerators=("gpu", "gpu"))
    with pytest.raises(ArgumentError, match="cpu alone with --profile"):
        DeviceBenchRequest(models=("a.tflite",), accelerators=("cpu", "gpu"), profile=True)
