"""Rows of LiteRT's leaderboard: of measured figures alone, and refused where one is missing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench_records import PIXEL, changed_conditions, device_result, host_result, launch, steady
from edge_mnv3.cli import main
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3_android_bench.benchmark_model.litert_results import Printed, read_printed
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.measuring.launch_statistics import summarize
from edge_mnv3_android_bench.measuring.protocols import APP
from synthetic_logs import LogText

PHONE = dataclasses.replace(
    PIXEL,
    model="Pixel 9 Pro",
    system="Android 15",
    android_version="15",
    sdk=35,
    build_fingerprint="google/caiman/caiman:15/AP3A/1:user/release-keys",
)
SIZE = "The input model file size (MB): 2.79"
TAKEN = "Replacing 58 out of 60 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 3 partitions."
OPTIONS = ("--as", "litert-leaderboard", "--repository", "me/flowers")


def log_text(median_us: int, extra: Sequence[str] = (SIZE, TAKEN)) -> str:
    times = [median_us - 10] * 24 + [median_us] * 25 + [median_us + 40]
    return LogText(build="litert2", times_us=times, warmup_us=(9000, 3000), extra=extra).text()


def measured(
    folder: Path,
    *,
    extra: Sequence[str] = (SIZE, TAKEN),
    medians_us: Sequence[int] = (2004, 2000, 2002, 2001, 2003),
    settings: dict[str, Any] | None = None,
    replaced: tuple[str, str] = ("", ""),
    **changes: Any,
) -> DeviceBenchResult:
    """Five launches with LiteRT's build on all cores of a phone, and their logs."""
    launches = []
    for number, median_us in enumerate(medians_us, start=1):
        path = folder / f"launch_{number}.log"
        path.write_text(log_text(median_us, extra).replace(*replaced))
        timings = parse_benchmark_log(path.read_text(), "", 0, expected_runs=50)
        launches.append(launch(timings, number=number, log_path=str(path)))
    conditions = changed_conditions(
        **{
            "binary": "litert-2.2.0", "runtime": "LiteRT", "device": PHONE, "cpus": (), "cpu_mask": "all",
            "model_path": "models/flowers.tflite", "delegate": "XNNPACK", **changes,
        }
    )  # fmt: skip
    protocol = dataclasses.replace(APP.settings, **(settings or {}))
    return summarize(dataclasses.replace(conditions, protocol=protocol), launches)


def export(folder: Path, *results: object, options: Sequence[str] = OPTIONS) -> Result:
    paths = []
    for number, result in enumerate(results):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(to_json(result))
    return CliRunner().invoke(main, ["export", *map(str, paths), *options])


def test_a_row_is_the_middle_launch(tmp_path: Path) -> None:
    done = export(tmp_path, measured(tmp_path))
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    row = json.loads(line)
    # Mean of 24 x 1992, 25 x 2002 and 2042.
    mean_us = (24 * 1992 + 25 * 2002 + 2042) / 50
    assert row == {
        "row_id": "me/flowers:flowers.tflite@2.2.0/android/caiman-35/cpu",
        "model": "me/flowers",
        "file": "flowers.tflite",
        "task": "image-classification",
        "model_size_mb": 2.79,
        "platform": "android",
        "device_id": "caiman-35",
        "device": "Pixel 9 Pro",
        "os": "Android 15 (API 35)",
        "accelerator": "cpu",
        "delegate": "XNNPACK",
        "nodes_delegated": 58,
        "nodes_total": 60,
        "partitions": 3,
        "latency_ms": {
            "median": 2.002,
            "avg": pytest.approx(mean_us / 1e3, rel=1e-5),  # the log has six digits
            "p5": 1.992,
            "p95": 2.002,
            "min": 1.992,
            "max": 2.042,
            "stddev": 0.008,
            "init": 1.356,
            "first_inference": 9.0,
            "warm_up_avg": 6.0,
        },
        "memory_mb": {"init_footprint": 4.06, "overall_footprint": 7.07},
        "runs": 50,
        "warmup_runs": 2,
        "throughput_mb_s": 197.97,
        "source": "log",
        "runtime": "litert",
        "runtime_version": "2.2.0",
        "binary": f"litert-2.2.0 (SHA-256 {'d' * 12}), --num_threads=4",
        "runner": "edge-mnv3",
        "session": "edge-mnv3-2026-01-02T03:04:05Z",
        "job": "cpu-caiman-35",
        "status": "measured",
        "date": "2026-01-02",
    }
    assert "set no number of threads" in done.stderr


def test_keys_are_those_of_the_board(tmp_path: Path) -> None:
    """In its order, which people read in a difference of two files."""
    row = json.loads(export(tmp_path, measured(tmp_path)).stdout)
    assert list(row)[:5] == ["row_id", "model", "file", "task", "model_size_mb"]
    assert list(row)[-6:] == ["binary", "runner", "session", "job", "status", "date"]


def test_of_two_launches_in_the_middle_the_faster_counts(tmp_path: Path) -> None:
    six = measured(tmp_path, medians_us=(2000, 2001, 2002, 2003, 2004, 2005))
    assert json.loads(export(tmp_path, six).stdout)["latency_ms"]["median"] == 2.002


def test_a_row_of_the_gpu(tmp_path: Path) -> None:
    taken = "Replacing 60 out of 60 node(s) with delegate (LITERT_CL) node, yielding 1 partitions."
    result = measured(tmp_path, extra=(SIZE, taken), accelerator="gpu", delegate="LITERT_CL")
    done = export(tmp_path, result, options=(*OPTIONS, "--pipeline-tag", "image-feature-extraction"))
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    assert (row["accelerator"], row["nodes_delegated"], row["partitions"]) == ("gpu", 60, 1)
    assert (row["task"], row["job"]) == ("image-feature-extraction", "gpu-caiman-35")


def board(**changes: Any) -> Any:
    return dataclasses.replace(PHONE, **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"device": board(emulated=True)}, "no figure to quote: emulated device"),
        ({"device": board(android_version=None, sdk=None, system="Debian")}, "a device with Debian"),
        ({"device": board(build_fingerprint="caiman")}, "a build called 'caiman'"),
        ({"runtime": "TensorFlow Lite"}, "a build of TensorFlow Lite, expected one of LiteRT"),
        ({"binary": "mine"}, "the build mine, whose version is not known, expected a release"),
        ({"binary": "litert-nightly"}, "the build litert-nightly, whose version is not known"),
        ({"accelerator": "npu"}, "npu, expected cpu or gpu"),
        ({"accelerator": "gpu"}, "no count of the nodes"),
        ({"cpus": (2, 3), "cpu_mask": "c"}, "cores chosen by mask c"),
        ({"fixed_performance": True}, "held clocks"),
        ({"settings": {"num_runs": 40}}, "num_runs 40, expected 50"),
        ({"settings": {"min_secs": 2.0}}, "min_secs 2, expected 1"),
        ({"extra": (TAKEN,)}, "no model_size_mb of launch 3"),
        ({"extra": (SIZE,)}, "no count of the nodes"),
        ({"replaced": ("Throughput: ", "Throughput? ")}, "no throughput_mb_s of launch 3"),
        ({"replaced": ("Init footprint: ", "Init footprint? ")}, "no memory_mb init_footprint of launch 3"),
        ({"replaced": ("Overall footprint: ", "Overall footprint? ")}, "no memory_mb overall_footprint"),
    ],
)
def test_what_is_no_row_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    done = export(tmp_path, measured(tmp_path, **changes))
    assert done.exit_code == 1
    assert problem in done.stderr.replace("\n", " ")
    assert done.stdout == ""


def test_other_kinds_of_measurement_are_refused(tmp_path: Path) -> None:
    good = measured(tmp_path)
    for results, problem in (
        ((host_result(steady(500.0)),), "a measurement of this machine, expected one of a phone"),
        ((dataclasses.replace(good, accepted=("variation",)),), "taken against the rules"),
        (
            (
                device_result(
                    steady(1000.0), median=False, binary="litert-2.2.0", runtime="LiteRT", device=PHONE,
                    cpus=(), cpu_mask="all", num_threads=4, kernels="xnnpack",
                ),
            ),
            "launches without a median",
        ),
        (
            (good, dataclasses.replace(good, conditions=dataclasses.replace(
                good.conditions, model_path="other/flowers.tflite",
                protocol=dataclasses.replace(good.conditions.protocol, num_threads=2),
            ))),
            "two of me/flowers:flowers.tflite@2.2.0/android/caiman-35/cpu",
        ),
    ):  # fmt: skip
        done = export(tmp_path, *results)
        assert done.exit_code == 1
        assert problem in done.stderr, done.stderr


def test_the_raw_log_must_be_there_and_of_the_launch(tmp_path: Path) -> None:
    result = measured(tmp_path)
    middle = tmp_path / "launch_3.log"
    middle.write_text(log_text(2004))
    assert f"{middle}, of another launch" in export(tmp_path, result).stderr
    middle.write_text("nothing")
    done = export(tmp_path, result)
    assert done.exit_code == 1
    assert "expected the raw log of launch 3" in done.stderr
    middle.unlink()
    assert f"no raw log of launch 3, {middle}: no such file" in export(tmp_path, result).stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--as", "litert-leaderboard"), "--repository: got none, expected OWNER/NAME on Hugging Face"),
        ((*OPTIONS[:3], "flowers"), "--repository: got 'flowers', expected OWNER/NAME"),
        ((*OPTIONS, "--pipeline-tag", "A b"), "--pipeline-tag: got 'A b', expected a tag"),
        (("--repository", "me/flowers"), "--repository: got 'me/flowers', expected --as litert-leaderboard"),
        (("--pipeline-tag", "x"), "--pipeline-tag: got 'x', expected --as litert-leaderboard"),
    ],
)
def test_names_are_checked(tmp_path: Path, options: tuple[str, ...], problem: str) -> None:
    done = export(tmp_path, measured(tmp_path), options=options)
    assert done.exit_code in (1, 2)
    assert problem in done.stderr


def test_a_figure_that_is_printed_twice_is_none() -> None:
    lines = ["Throughput:   1.00 MB/s", "Throughput:   2.00 MB/s", "[a.h:7] Init footprint: 4.06 MB"]
    assert read_printed(lines) == Printed(None, 4.06, None)
