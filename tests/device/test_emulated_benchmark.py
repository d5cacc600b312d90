"""`benchmark_model` on the emulated phone: real models, real formats, faults."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from device.adb_servers import AdbServer
from device.phone import PATIENCE_S, Phone
from device.stand_in_behaviour import Behaviour, Build, Figures, benchmark_binary
from device.stand_in_setup import FOLDER, QUICK, Bench
from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.runtime import open_model
from tiny_models import SIZE

pytestmark = pytest.mark.any_adb


@pytest.fixture
def bench(phone: Phone, adb_server: AdbServer, tmp_path: Path) -> Bench:
    return Bench(phone, adb_server, tmp_path)


def test_a_measured_launch(bench: Bench) -> None:
    done = bench.run(f"--graph={FOLDER}/tiny.tflite --num_threads=1 {QUICK}")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "INFO: STARTING!"
    assert f"INFO: Graph: [{FOLDER}/tiny.tflite]" in lines
    assert "INFO: #threads used for CPU inference: [1]" in lines
    assert sum(line.startswith("INFO: count=5 ") for line in lines) == 1
    assert re.search(
        r"^INFO: Inference timings in us: Init: \d+, First inference: \d+, Warmup", done.stdout, re.M
    )
    assert "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n" in done.stderr
    assert (
        "VERBOSE: Replacing 2 out of 2 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 "
        in done.stderr
    )


def test_kernels_are_those_asked_for(bench: Bench) -> None:
    done = bench.run(f"--graph=tiny.tflite --use_xnnpack=false {QUICK}")
    assert "INFO: Use xnnpack: [0]\n" in done.stdout
    assert "XNNPACK" not in done.stderr
    bench.phone.behaviour = Behaviour(build="2.3")
    assert "XNNPACK" not in bench.run(f"--graph=tiny.tflite {QUICK}").stderr
    explicit = bench.run(f"--graph=tiny.tflite --use_xnnpack=true {QUICK}")
    assert "the model graph will be completely executed by the delegate.\n" in explicit.stdout


@pytest.mark.parametrize("kernels", get_args(Kernels))
def test_outputs_are_the_models(bench: Bench, kernels: Kernels) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    signed = (pixels.astype(np.int16) - 128).astype(np.int8)
    bench.put("input.bin", signed.tobytes())
    model = open_model(bench.model, kernels=kernels)
    name = model._interpreter.get_input_details()[0]["name"]
    shape = f"--input_layer={name} --input_layer_shape=1,{SIZE},{SIZE},3"
    files = f"{shape} --input_layer_value_files={name}:input.bin"
    flags = f"--graph=tiny.tflite {files} --output_filepath={FOLDER}/out.bin {QUICK}"
    done = bench.run(f"{flags} --use_xnnpack={str(kernels == 'xnnpack').lower()}")
    assert done.returncode == 0
    assert bench.phone.read_bytes(f"{FOLDER}/out.bin") == model.run(pixels[0]).tobytes()


def test_an_input_of_the_wrong_size_aborts(bench: Bench) -> None:
    bench.put("input.bin", b"123")
    details = open_model(bench.model)._interpreter.get_input_details()[0]
    flags = f"--input_layer={details['name']} --input_layer_value_files={details['name']}:input.bin"
    done = bench.run(f"--graph=tiny.tflite {flags}")
    assert done.returncode == 134
    assert done.stderr.endswith("FATAL: The size of input.bin is 3 bytes. It should be 48 bytes.\n")


@pytest.mark.parametrize(
    ("build", "counted", "summary"),
    [
        (
            "1.13",
            "count=50 first=19900 curr=20000 min=19900 max=20100 avg=19998 std=81",
            "Average inference timings in us: Warmup: 30000, Init: 5000, no stats: 19998",
        ),
        (
            "2.3",
            "count=50 first=19900 curr=20000 min=19900 max=20100 avg=19998 std=81",
            "Inference timings in us: Init: 5000, First inference: 30000, Warmup (avg): 30000, "
            "Inference (avg): 19998",
        ),
        (
            "2.10",
            "INFO: count=50 first=19900 curr=20000 min=19900 max=20100 avg=19998 std=81",
            "INFO: Inference timings in us: Init: 5000, First inference: 30000, Warmup (avg): 30000, "
            "Inference (avg): 19998",
        ),
        (
            "nightly",
            "INFO: count=50 first=19900 curr=20000 min=19900 max=20100 avg=19998 std=81 "
            "p5=19900 median=20000 p95=20100",
            "INFO: Inference timings in us: Init: 5000, First inference: 30000, Warmup (avg): 30000, "
            "Inference (avg): 19998",
        ),
    ],
)
def test_scripted_figures_in_every_build(bench: Bench, build: Build, counted: str, summary: str) -> None:
    """50 runs of 19,900, 20,000 and 20,100 µs by turns: 17, 17 and 16 of them."""
    bench.phone.behaviour = Behaviour(build=build)
    bench.phone.figures = Figures.steady(20_000, spread_us=100)
    lines = bench.run("--graph=tiny.tflite --min_secs=0").stdout.splitlines()
    assert counted in lines
    assert summary in lines


def test_launches_of_a_model_take_their_scripts_in_turn(bench: Bench) -> None:
    bench.put("other.tflite", bench.model.read_bytes())
    scripts = {"tiny.tflite": [[1000], [2000]], "*": [[9000]]}
    bench.phone.figures = Figures(inference_us=scripts)
    flags = "--num_runs=2 --min_secs=0 --warmup_runs=0 --warmup_min_secs=0"
    seen = [
        re.findall(r"count=2 curr=(\d+)\(all same\)", bench.run(f"--graph={name}.tflite {flags}").stdout)
        for name in ("tiny", "other", "tiny", "tiny")
    ]
    assert seen == [["1000"], ["9000"], ["2000"], ["1000"]]


def test_one_run_and_none(bench: Bench) -> None:
    flags = "--graph=tiny.tflite --num_runs=1 --min_secs=0 --warmup_runs=0 --warmup_min_secs=0"
    bench.phone.figures = Figures.steady(1_440_000)
    bench.phone.behaviour = Behaviour(build="2.3")
    lines = bench.run(flags).stdout.splitlines()
    assert [line for line in lines if line.startswith("count=")] == ["count=0", "count=1 curr=1440000"]
    assert "First inference: 0, Warmup (avg): 0, Inference (avg): 1.44e+06" in "\n".join(lines)


def test_heat_and_load_make_it_slower(bench: Bench) -> None:
    bench.phone.figures = Figures.steady(10_000)
    bench.phone.throttle(clock_fraction=0.5)
    bench.phone.conditions.loaded_cpus = frozenset({7})
    assert "curr=40000(all same)" in bench.run("--graph=tiny.tflite").stdout


def test_max_secs_cuts_the_runs_silently(bench: Bench) -> None:
    bench.phone.figures = Figures.steady(100_000)
    done = bench.run("--graph=tiny.tflite --max_secs=0.35 --warmup_runs=0 --warmup_min_secs=0")
    assert done.returncode == 0
    assert "INFO: count=4 curr=100000(all same)" in done.stdout


@pytest.mark.parametrize(
    ("behaviour", "code", "message"),
    [
        (Behaviour(fault="abort"), 134, "std::bad_alloc\n"),
        (Behaviour(fault="segfault", fault_after_runs=3), 139, ""),
        (Behaviour(fault="kill"), 137, ""),
        (Behaviour(fault="abi"), 126, "/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file\n"),
        (Behaviour(fault="linker"), 1, "not found: needed by main executable\n"),
    ],
)
def test_deaths(bench: Bench, behaviour: Behaviour, code: int, message: str) -> None:
    bench.phone.figures = Figures.steady(10_000)
    bench.put("benchmark_model", benchmark_binary(behaviour), mode=0o755)
    done = bench.run("--graph=tiny.tflite")
    assert done.returncode == code
    assert done.stderr.endswith(message)
    assert "Inference timings" not in done.stdout
    assert bench.phone.wait_for(lambda: bench.phone.processes() == [])


def test_the_next_launches_may_differ(bench: Bench) -> None:
    bench.phone.figures = Figures.steady(10_000)
    bench.phone.next_launches = [None, Behaviour(fault="kill"), Behaviour(cut_output_bytes=40)]
    done = [bench.run("--graph=tiny.tflite") for _launch in range(4)]
    assert [launch.returncode for launch in done] == [0, 137, 137, 0]
    assert done[2].stdout == "INFO: STARTING!\nINFO: Log parameter valu"


def test_a_hanging_launch_can_be_killed_by_name(bench: Bench) -> None:
    bench.put("benchmark_model", benchmark_binary(Behaviour(fault="hang")), mode=0o755)
    hanging = subprocess.Popen(
        bench.server.argv(
            "-s", bench.phone.serial, "shell", f"cd {FOLDER}; ./benchmark_model --graph=tiny.tflite"
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=bench.server.environment,
    )
    called = ("./benchmark_model", "--graph=tiny.tflite")
    assert bench.phone.wait_for(lambda: called in [process.argv for process in bench.phone.processes()])
    killed = bench.server.run("-s", bench.phone.serial, "shell", "kill -9 $(pidof benchmark_model)")
    assert killed.returncode == 0
    assert hanging.wait(PATIENCE_S) == 137
    assert bench.phone.wait_for(lambda: bench.phone.processes() == [])


def test_a_running_launch_is_seen_on_its_cores(bench: Bench) -> None:
    bench.phone.figures = Figures.steady(10_000)
    seen = bench.phone.host_path(f"{FOLDER}/seen")
    bench.phone.in_launch(1, lambda: None, when=seen.exists)
    script = f"""cd {FOLDER}; cpus=/sys/devices/system/cpu
        taskset f0 ./benchmark_model --graph=tiny.tflite > log 2>&1 &
        while ! grep -q 2400000 $cpus/cpu7/cpufreq/scaling_cur_freq; do sleep 0.02; done
        grep 'allowed:' /proc/$(pidof benchmark_model)/status; cat $cpus/cpu3/cpufreq/scaling_cur_freq
        > seen; wait; tail -1 log | cut -c-23"""
    told = bench.server.run("-s", bench.phone.serial, "shell", script).stdout.decode()
    assert told == "Cpus_allowed:\tf0\n300000\nINFO: Memory footprint \n"
    assert bench.phone.launches == [["./benchmark_model", "--graph=tiny.tflite"]]
    assert bench.phone.wait_for(lambda: not bench.phone.processes())


def test_something_happens_at_a_launch(bench: Bench) -> None:
    bench.phone.figures = Figures.steady(10_000)
    bench.phone.at_launch(2, lambda: bench.phone.throttle(clock_fraction=0.5))
    seen = [re.findall(r"curr=(\d+)", bench.run("--graph=tiny.tflite").stdout)[-1] for _launch in range(2)]
    assert seen == ["10000", "20000"]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"garbage!", 1, "ERROR: Model provided has model identifier 'age!', should be 'TFL3'\n"),
        (None, 139, ""),
    ],
)
def test_models_that_cannot_be_loaded(bench: Bench, content: bytes | None, code: int, message: str) -> None:
    bench.put("bad.tflite", content or bench.model.read_bytes()[:200])
    done = bench.run("--graph=bad.tflite")
    assert done.returncode == code
    assert done.stderr.startswith(message)
    assert ("Loaded model" in done.stdout) == (content is None)


def test_a_model_that_is_missing(bench: Bench) -> None:
    done = bench.run("--graph=none.tflite")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "ERROR: Could not open 'none.tflite'.",
        "Failed to mmap model none.tflite",
        "ERROR: Benchmarking failed.",
    ]


def test_flags_that_the_build_does_not_know(bench: Bench) -> None:
    done = bench.run(f"--graph=tiny.tflite --no_such_flag=1 {QUICK}")
    assert done.returncode == 0
    assert "WARN: Unconsumed cmdline flags: --no_such_flag=1\n" in done.stdout
    bench.phone.behaviour = Behaviour(build="2.3")
    done = bench.run(f"--graph=tiny.tflite --output_filepath=x {QUICK}")
    assert done.stdout.startswith("STARTING!\nUnconsumed cmdline flags: --output_filepath=x\n")


def test_a_value_that_does_not_parse_and_help(bench: Bench) -> None:
    done = bench.run("--graph=tiny.tflite --num_threads=abc")
    assert done.returncode == 1
    assert done.stderr.startswith("Failed to parse flag 'num_threads' against argv '--num_threads=abc'\n")
    assert "usage: ./benchmark_model <flags>\nFlags:\n\t--num_runs=50 " in done.stderr
    shown = bench.run("--help")
    assert shown.returncode == 1
    assert "\t--use_xnnpack=false " in shown.stderr


@pytest.mark.parametrize(
    ("build", "flag", "row"),
    [
        (
            "2.3",
            "",
            "\t                 CONV_2D\t            0.000\t   10.000\t   10.000\t 90.909%\t 90.909%"
            "\t     0.000\t        1\t[",
        ),
        ("2.3", "--profiling_output_csv_file=p.csv", "CONV_2D, 0, 10, 10, 90.9091%, 90.9091%, 0, 1, ["),
        (
            "nightly",
            "",
            "\t                             CONV_2D\t   10.000\t   10.000\t 90.909%\t 90.909%"
            "\t     0.000\t        1\t[",
        ),
        ("nightly", "--op_profiling_output_mode=csv", "CONV_2D, 10, 10, 90.9091%, 90.9091%, 0, 1, ["),
    ],
)
def test_op_profile(bench: Bench, build: Build, flag: str, row: str) -> None:
    """The stand-in gives a convolution ten times what it gives the reshape after it."""
    bench.phone.behaviour = Behaviour(build=build)
    bench.phone.figures = Figures.steady(11_000)
    flags = f"--graph=tiny.tflite --enable_op_profiling=true --use_xnnpack=false {QUICK} {flag}"
    table = bench.run(flags).stdout
    if flag.endswith("p.csv"):
        table = bench.phone.read_bytes(f"{FOLDER}/p.csv").decode()
    lines = table.split("Operator-wise Profiling Info for Regular Benchmark Runs:\n")[1].splitlines()
    assert lines[0] == "============================== Run Order =============================="
    assert ("start" in lines[1]) == (build == "2.3")
    assert lines[2].startswith(row)
    assert "Number of nodes executed: 2" in lines


def test_a_refused_delegate_falls_back_with_success(bench: Bench) -> None:
    done = bench.run(f"--graph=tiny.tflite --use_gpu=true {QUICK}")
    assert done.returncode == 0
    said = "Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate."
    assert f"INFO: {said}\n" in done.stdout
    assert "No operations will run on the GPU, and all 2 operations will run on the CPU.\n" in done.stderr
    assert "INFO: Inference timings in us: " in done.stdout


def test_memory_is_reported_when_asked(bench: Bench) -> None:
    done = bench.run(f"--graph=tiny.tflite --report_peak_memory_footprint=true {QUICK}")
    assert "INFO: Memory footprint delta from the start of the tool (MB): init=" in done.stdout
    assert "INFO: Overall peak memory footprint (MB) via periodic monitoring: " in done.stdout


def test_outputs_do_not_fit_on_a_full_disk(bench: Bench) -> None:
    bench.phone.fill_up(free_bytes=2)
    done = bench.run(f"--graph=tiny.tflite --output_filepath={FOLDER}/out.bin {QUICK}")
    assert done.returncode == 0
    assert len(bench.phone.read_bytes(f"{FOLDER}/out.bin")) == 2
