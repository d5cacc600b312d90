"""`bench --device --accelerator`: what really ran on a GPU or an NPU, and no figure of what did not."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.bench_setup import FOLDER, STEADY, model_file
from device.command_setup import Bench, assert_clean, printed
from device.phone import Phone
from device.stand_in_behaviour import Behaviour
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json

pytestmark = pytest.mark.any_adb
ONE_LAUNCH = ("--launches", "1")


def test_cpu_gpu_and_npu_are_columns(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    # --help, the CPU, the GPU; whatever follows refuses.
    phone.next_launches = [None, None, Behaviour(accelerator="all")]
    command = (model_file(bench.folder), "--benchmark-binary", bench.binary(), *ONE_LAUNCH)
    done = bench.measure(phone, *command, "--accelerator", "cpu,gpu", "--accelerator", "npu", "-o", "a.json")
    assert done.exit_code == 3, done.output
    cpu, gpu, npu = from_json(DeviceBenchReport, (bench.folder / "a.json").read_text()).results
    assert [result.conditions.accelerator for result in (cpu, gpu, npu)] == ["cpu", "gpu", "npu"]
    assert [result.median_us for result in (cpu, gpu, npu)] == [20_000.0, 5_000.0, None]
    assert (cpu.delegated, cpu.conditions.delegate, npu.delegated) == (None, "none", None)
    assert gpu.delegated is not None
    assert (gpu.delegated.complete, gpu.delegated.delegates) == (True, ("GPU",))
    assert gpu.delegated.nodes == gpu.delegated.replaced_nodes is not None
    # The NPU's launches gave figures, of the CPU: they are no NPU's, and it is not tried for ever.
    assert npu.observed is None
    logs = [launch.log_path for result in (cpu, gpu, npu) for launch in result.launches]
    assert len(set(logs)) == len(logs) == 4
    assert len(npu.launches) == 2
    assert npu.problems[0].startswith("not delegated: ran on cpu (the NNAPI delegate refused")
    asked = [{word for word in words if word.startswith("--use_")} for words in phone.launches[1:4]]
    assert asked == [
        {"--use_xnnpack=false"},
        {"--use_xnnpack=false", "--use_gpu=true"},
        {"--use_xnnpack=false", "--use_nnapi=true"},
    ]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["file", "binary", "cpu", "ms", "gpu", "ms", "npu", "ms"] in rows
    assert any(row[2:] == ["20.000", "5.000", "no", "figure"] for row in rows)
    assert "on the gpu: GPU took " in done.stdout
    assert "on the npu: not delegated: ran on cpu" in done.stdout
    assert_clean(phone)


@pytest.mark.parametrize(("build", "delegate"), [("nightly", "GPU"), ("litert2", "LITERT_CL")])
def test_a_part_is_said_with_its_numbers(bench: Bench, phone: Phone, build: str, delegate: str) -> None:
    phone.figures = STEADY
    behaviour = Behaviour(build=build, accelerator="part")  # type: ignore[arg-type]
    command = (model_file(bench.folder), "--benchmark-binary", bench.binary(behaviour), *ONE_LAUNCH)
    done = bench.measure(phone, *command, *("--protocol", "app", "--accelerator", "gpu", "--json"))
    assert done.exit_code == 0, done.output
    (result,) = printed(done)["results"]
    assert result["median_us"] == 10_000.0
    taken = result["delegated"]
    assert (taken["complete"], taken["delegates"]) == (False, [delegate])
    assert taken["replaced_nodes"] == taken["nodes"] - 1
    words = f"{delegate} took {taken['replaced_nodes']} of {taken['nodes']} nodes in 1 partition"
    assert f"partly delegated: {words}; the rest ran on the cpu" in result["warnings"]


def test_libraries_of_an_npu_s_maker_are_brought_and_told(bench: Bench, phone: Phone) -> None:
    phone.figures = STEADY
    folder = bench.folder / "libraries"
    folder.mkdir()
    for name in ("libLiteRtDispatch_Maker.so", "libLiteRtCompilerPlugin_Maker.so"):
        (folder / name).write_text(name)
    behaviour = Behaviour(build="litert2", accelerator="all")
    command = (model_file(bench.folder), "--benchmark-binary", bench.binary(behaviour), *ONE_LAUNCH)
    asked = ("--protocol", "app", "--accelerator", "npu", "--npu-libraries", folder, "--json")
    done = bench.measure(phone, *command, *asked)
    assert done.exit_code == 0, done.output
    (result,) = printed(done)["results"]
    assert (result["median_us"], result["delegated"]["delegates"]) == (5_000.0, ["DispatchDelegate"])
    place = f"{FOLDER}/npu-{result['conditions']['libraries_sha256'][:12]}"
    assert phone.read_bytes(f"{place}/libLiteRtDispatch_Maker.so") == b"libLiteRtDispatch_Maker.so"
    assert {f"--dispatch_library_path={place}", f"--compiler_plugin_library_path={place}"} <= {
        *phone.launches[-1]
    }
    command_line = Path(result["launches"][0]["log_path"]).read_text().splitlines()[2]
    assert command_line.startswith(f"# env LD_LIBRARY_PATH={place} ADSP_LIBRARY_PATH={place} ")
    assert_clean(phone)
