"""The libraries of an NPU's maker: found, told to builds that take them, and part of the conditions."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench_records import changed_conditions, device_result, steady
from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError, ConditionsDifferError, InputFileError
from edge_mnv3.stages.bench_requests import DeviceBenchRequest
from edge_mnv3_android_bench.comparison.latencies import compare
from edge_mnv3_android_bench.measuring.launch_script import LaunchCommand, launch_script
from edge_mnv3_android_bench.measuring.npu_libraries import (
    library_environment,
    library_flags,
    read_libraries,
)
from edge_mnv3_android_bench.measuring.resume_file import conditions_key

KNOWN = {"use_npu", "dispatch_library_path", "compiler_plugin_library_path"}


def folder_with(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.so").write_bytes(content)
    return folder


def test_a_set_is_known_by_names_and_contents(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", libDispatch=b"1", libPlugin=b"2")
    (folder / "README.txt").write_text("no library")
    libraries = read_libraries(folder)
    assert [file.name for file in libraries.files] == ["libDispatch.so", "libPlugin.so"]
    same = read_libraries(folder_with(tmp_path / "b", libDispatch=b"1", libPlugin=b"2"))
    other = read_libraries(folder_with(tmp_path / "c", libDispatch=b"1", libPlugin=b"3"))
    assert libraries.sha256 == same.sha256 != other.sha256


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"missing: got No such file or directory, expected a folder"):
        read_libraries(tmp_path / "missing")
    with pytest.raises(InputFileError, match=r"got no \*.so in it"):
        read_libraries(tmp_path)
    with pytest.raises(InputFileError, match=r"got 'lib a.so'"):
        read_libraries(folder_with(tmp_path, **{"lib a": b"1"}))


def test_a_build_is_told_where_they_are() -> None:
    assert library_flags("npu", "/f/npu-1", KNOWN, "build") == [
        "--dispatch_library_path=/f/npu-1",
        "--compiler_plugin_library_path=/f/npu-1",
    ]
    for nothing in (library_flags("gpu", "/f/npu-1", KNOWN, "b"), library_flags("npu", None, KNOWN, "b")):
        assert nothing == []
    with pytest.raises(BenchmarkBinaryError, match="a build without --dispatch_library_path and --compiler"):
        library_flags("npu", "/f/npu-1", {"use_nnapi"}, "build")


def test_the_program_alone_gets_the_variables() -> None:
    environment = library_environment("npu", "/f/npu-1")
    command = LaunchCommand(
        folder="/f",
        program="/f/b",
        flags=("--use_npu=true",),
        cpus=(4,),
        other_cpus=(),
        temperature_file=None,
        limit_s=1.0,
        environment=environment,
    )
    assert command.argv == [
        *("env", "LD_LIBRARY_PATH=/f/npu-1", "ADSP_LIBRARY_PATH=/f/npu-1"),
        *("taskset", "10", "/f/b", "--use_npu=true"),
    ]
    assert "exec env LD_LIBRARY_PATH=/f/npu-1 ADSP_LIBRARY_PATH=/f/npu-1 taskset 10 /f/b" in launch_script(
        command
    )
    assert (library_environment("npu", None), library_environment("gpu", "/f")) == ((), ())


def test_other_libraries_are_another_condition() -> None:
    keys = {
        conditions_key(changed_conditions(accelerator="npu", libraries_sha256=sha256))
        for sha256 in (None, "1", "2")
    }
    assert len(keys) == 3
    one, two = (device_result(steady(9.0), libraries_sha256=sha256) for sha256 in ("1", "2"))
    with pytest.raises(ConditionsDifferError, match="accelerator: cpu with libraries 1 and cpu with lib"):
        compare(one, two)
    assert compare(one, two, allow=["accelerator"]).ratio == 1.0


def test_libraries_without_npu_are_refused() -> None:
    with pytest.raises(ArgumentError, match="--npu-libraries: got d, expected none without --acc"):
        DeviceBenchRequest(models=("a.tflite",), npu_libraries="d", accelerators=("gpu",))
