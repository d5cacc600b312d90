"""Two results: different or not, in words, and never under different conditions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bench_records import BY_GPU, PIXEL, device_result, host_result, steady
from edge_mnv3.commands.bench_tables import compare_table
from edge_mnv3.core.errors import ArgumentError, ConditionsDifferError, InputFileError
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.verdicts import CompareResult, ConditionDifference
from edge_mnv3_android_bench.comparison.latencies import compare, compare_files, read_bench_results
from edge_mnv3_android_bench.measuring.host import block_medians

HINT = "; measure again under equal conditions, or name what is meant to differ with --allow"
OTHER_UNIT = dataclasses.replace(PIXEL, serial="B2")
UPDATED = dataclasses.replace(PIXEL, build_fingerprint="maker/pixel:10/B/2")
EMULATED = dataclasses.replace(PIXEL, emulated=True)


@pytest.mark.parametrize(
    ("a_us", "b_us", "differ", "text"),
    [
        (
            steady(1000.0),
            steady(1100.0),
            True,
            "B is slower than A: +10.0 % (95 % interval +9.7 to +10.3 %)",
        ),
        (
            steady(1000.0),
            steady(900.0),
            True,
            "B is faster than A: -10.0 % (95 % interval -10.3 to -9.7 %)",
        ),
        (
            steady(1000.0),
            steady(1010.0),
            False,
            "A and B do not differ: +1.0 % (95 % interval +0.7 to +1.3 %); less than 2 % counts as no "
            "difference",
        ),
        (
            (1010.0, 990.0, 1000.0, 1020.0, 995.0),
            (1025.0, 995.0, 1031.0, 1000.0, 1030.0),
            False,
            "no difference between A and B is shown: +2.5 % (95 % interval -2.0 to +4.0 %); the interval "
            "includes equality",
        ),
    ],
)
def test_words(a_us: tuple[float, ...], b_us: tuple[float, ...], differ: bool, text: str) -> None:
    comparison = compare(device_result(a_us), device_result(b_us))
    assert comparison.differ is differ
    assert comparison.text == text
    assert comparison.ratio == comparison.median_b_us / comparison.median_a_us
    assert comparison.differences == ()


SLOWER_CLUSTER = dataclasses.replace(PIXEL.clusters[1], max_khz=2_000_000, governor="powersave")


@pytest.mark.parametrize(
    ("changes", "name", "values"),
    [
        ({"device": OTHER_UNIT}, "device", "identity=A1 model=Pixel and identity=B2 model=Pixel"),
        ({"device": UPDATED}, "build", "maker/pixel:10/A/1 and maker/pixel:10/B/2"),
        ({"device": dataclasses.replace(PIXEL, soc="soc835")}, "soc", "soc821 and soc835"),
        ({"binary_sha256": "c"}, "binary", f"{'b' * 64} and c"),
        ({"kernels": "xnnpack"}, "kernels", "builtin and xnnpack"),
        ({"num_threads": 4}, "threads", "1 and 4"),
        ({"cpu_mask": "8"}, "mask", "c and 8"),
        ({"fixed_performance": True}, "fixed_performance", "False and True"),
        ({"model_sha256": "d"}, "model", f"{'a' * 64} and d"),
        (
            {"device": dataclasses.replace(PIXEL, clusters=(PIXEL.clusters[0], SLOWER_CLUSTER))},
            "clocks",
            "2150400 kHz by schedutil and 2000000 kHz by powersave",
        ),
        (
            {"num_runs": 60},
            "runs",
            "num_runs=50 warmup_runs=1 min_secs=1.0 max_secs=150.0 warmup_min_secs=0.5 and num_runs=60 "
            "warmup_runs=1 min_secs=1.0 max_secs=150.0 warmup_min_secs=0.5",
        ),
    ],
)
def test_other_conditions_are_refused_unless_they_are_named(
    changes: dict[str, Any], name: str, values: str
) -> None:
    a, b = device_result(steady(1000.0)), device_result(steady(1100.0), **changes)
    with pytest.raises(ConditionsDifferError) as caught:
        compare(a, b)
    assert str(caught.value) == (
        f"comparison of small.tflite with small.tflite: got different conditions ({name}: {values}), "
        f"expected equal conditions{HINT}"
    )
    comparison = compare(a, b, allow=[name])
    assert [difference.name for difference in comparison.differences] == [name]
    assert comparison.differ


def test_delegate_of_the_log_is_a_condition() -> None:
    with pytest.raises(ConditionsDifferError, match=r"\(delegate: none and GPU\)"):
        compare(device_result(steady(1.0)), device_result(steady(1.0), delegate="GPU"))


def test_every_difference_is_named() -> None:
    with pytest.raises(ConditionsDifferError, match=r"\(threads: 1 and 2; mask: c and f\)"):
        compare(device_result(steady(1.0)), device_result(steady(1.0), num_threads=2, cpu_mask="f"))


def test_files_of_other_names_are_other_models() -> None:
    a = device_result(steady(1000.0))
    b = device_result(steady(2000.0), model_path="out/large.tflite", model_sha256="d")
    comparison = compare(a, b)
    assert comparison.differences == (ConditionDifference(name="model", a="a" * 64, b="d"),)
    assert comparison.text.startswith("B (large.tflite) is slower than A (small.tflite): +100.0 %")


@pytest.mark.parametrize(
    ("b", "text"),
    [
        (device_result(steady(1000.0), median=False), "statistic: median and avg"),
        (device_result(steady(1000.0), device=EMULATED), "kind of device: a phone and an emulated device"),
        (host_result(steady(1000.0)), "kind of device: a phone and this machine"),
    ],
)
def test_what_must_never_be_compared(b: Any, text: str) -> None:
    with pytest.raises(ConditionsDifferError, match=text):
        compare(device_result(steady(1000.0)), b, allow=["device", "build", "soc", "binary", "model"])


def test_another_accelerator_is_named_or_refused() -> None:
    cpu, gpu = (
        device_result(steady(us), accelerator=name, delegate=delegate, kernels="xnnpack", partitionings=taken)
        for us, name, delegate, taken in ((1000.0, "cpu", "XNNPACK", ()), (400.0, "gpu", "GPU", BY_GPU))
    )
    with pytest.raises(ConditionsDifferError, match="accelerator: cpu and gpu; delegate: XNNPACK and GPU"):
        compare(cpu, gpu)
    meant = compare(cpu, gpu, allow=["accelerator"])
    assert [difference.name for difference in meant.differences] == ["accelerator", "delegate", "delegated"]
    assert "allowed to differ: accelerator: cpu and gpu" in compare_table(
        CompareResult(a="a", b="b", comparisons=(meant,), not_compared=())
    )


def test_clocks_of_cores_that_have_nothing_to_do_are_no_condition() -> None:
    idle = dataclasses.replace(PIXEL.clusters[0], governor="powersave")
    other = dataclasses.replace(PIXEL, clusters=(idle, PIXEL.clusters[1]))
    assert not compare(device_result(steady(1.0)), device_result(steady(1.0), device=other)).differences


def test_what_one_measurement_was_warned_of_stands_behind_the_verdict() -> None:
    common, saving = "the battery is below 15 %", "Android saves power: end its battery saver"
    a = dataclasses.replace(device_result(steady(1000.0)), warnings=(common,))
    b = dataclasses.replace(device_result(steady(1200.0)), warnings=(common, saving, "accepted: heat"))
    assert compare(a, b).text.endswith(f" %); B only: {saving}")
    assert compare(b, a).text.endswith(f" %); A only: {saving}")
    assert "only: " not in compare(b, b).text


def test_unknown_name_of_a_difference() -> None:
    with pytest.raises(ArgumentError) as caught:
        compare(device_result(steady(1.0)), device_result(steady(1.0)), allow=["weather"])
    assert str(caught.value) == (
        "difference that is allowed: got 'weather', expected device, build, soc, binary, accelerator, "
        "kernels, delegate, threads, mask, fixed_performance, clocks, runs, model, system, runtime, delegated"
    )


def test_a_part_on_an_accelerator_is_not_compared_with_the_whole() -> None:
    whole = device_result(steady(400.0), accelerator="gpu", delegate="GPU", partitionings=BY_GPU)
    (taken,) = BY_GPU
    few = (dataclasses.replace(taken, replaced_nodes=2, partitions=3),)
    part = device_result(steady(1400.0), accelerator="gpu", delegate="GPU", partitionings=few)
    with pytest.raises(ConditionsDifferError, match="delegated: all nodes and GPU took 2 of"):
        compare(whole, part)
    assert compare(whole, part, allow=["delegated"]).differ


def test_what_was_taken_against_the_rules_is_said_with_the_verdict() -> None:
    slow = dataclasses.replace(device_result(steady(1700.0)), accepted=("clocks of 1200 of 2150 MHz",))
    text = compare(device_result(steady(1000.0)), slow).text
    assert text.endswith("; B was taken against the rules: clocks of 1200 of 2150 MHz")


def test_unstable_result_is_not_compared() -> None:
    unstable = device_result((1.0, 1.0, 1.0, 1.0, 2.0))
    with pytest.raises(ConditionsDifferError) as caught:
        compare(device_result(steady(1.0)), unstable)
    assert str(caught.value) == (
        "small.tflite on Pixel (A1) with era-2019, 1 thread on big 2-3"
        ": got an unstable result (the 95 % interval is ± 50.00 % "
        "wide, ± 2 % is asked for), expected a stable one"
    )


def test_emulated_devices_are_marked() -> None:
    a, b = (device_result(steady(us), device=EMULATED) for us in (1000.0, 1100.0))
    assert compare(a, b).text == (
        "B is slower than A: +10.0 % (95 % interval +9.7 to +10.3 %; emulated device, not a phone)"
    )


def test_host_results() -> None:
    a, b = host_result(steady(1000.0)), host_result(steady(1200.0), model_path="new.tflite", model_sha256="d")
    comparison = compare(a, b)
    assert comparison.text.startswith("B (new.tflite) is slower than A (host.tflite): +20.0 %")
    with pytest.raises(ConditionsDifferError, match=r"runtime: litert 2 and litert 3"):
        compare(a, host_result(steady(1.0), runtime="litert 3"))
    with pytest.raises(ConditionsDifferError, match="got 2 blocks of runs, expected at least 3"):
        compare(host_result((1.0, 1.0)), host_result((1.0, 1.0)))


def test_block_medians_are_in_order_of_time() -> None:
    assert block_medians([1.0] * 20 + [2.0] * 180)[:2] == (1.0, 2.0)
    # The first blocks get the runs that are left over.
    assert block_medians([1.0, 3.0, 1.0, 5.0, *range(8)]) == (2.0, 3.0, 0, 1, 2, 3, 4, 5, 6, 7)
    assert block_medians([3.0, 1.0]) == (3.0, 1.0)


def write(path: Path, *results: Any) -> Path:
    report = DeviceBenchReport(
        results=results, not_measured=(), published=(), profiles=(), outputs=(), failures=()
    )
    result = results[0] if len(results) == 1 else report
    path.write_text(to_json(result), encoding="utf-8")
    return path


def test_files_of_one_result(tmp_path: Path) -> None:
    a = write(tmp_path / "a.json", device_result(steady(1000.0)))
    b = write(tmp_path / "b.json", device_result(steady(1100.0)))
    result = compare_files(a, b)
    assert (result.a, result.b, result.not_compared) == (str(a), str(b), ())
    assert [c.differ for c in result.comparisons] == [True]
    assert from_json(CompareResult, to_json(result)) == result


def test_files_of_several_results_are_paired_by_their_conditions(tmp_path: Path) -> None:
    small: dict[str, Any] = {"model_sha256": "s"}
    large: dict[str, Any] = {"model_sha256": "l", "model_path": "large.tflite"}
    unstable = (1.0, 1.0, 1.0, 1.0, 2.0)
    odd: dict[str, Any] = {"model_sha256": "o", "model_path": "odd.tflite"}
    a = write(
        tmp_path / "a.json",
        device_result(steady(10.0), **small),
        device_result(steady(50.0), **large),
        device_result(steady(50.0), **odd),
    )
    b = write(
        tmp_path / "b.json",
        device_result(steady(40.0), **large),
        device_result(steady(10.0), **small),
        device_result(unstable, **odd),
        device_result(steady(9.0), **small, num_threads=4),
    )
    result = compare_files(a, b)
    assert [(c.model_a, round(c.ratio, 3)) for c in result.comparisons] == [
        ("small.tflite", 1.0),
        ("large.tflite", 0.8),
    ]
    assert result.not_compared == (
        "odd.tflite on Pixel (A1) with era-2019, 1 thread on big 2-3"
        ": got an unstable result (the 95 % interval is ± 50.00 % "
        "wide, ± 2 % is asked for), expected a stable one",
        f"{b}: small.tflite on Pixel (A1) with era-2019, 4 threads on big 2-3"
        " has no partner; the nearest differs by "
        "threads: 4 and 1",
    )


def test_files_without_a_pair(tmp_path: Path) -> None:
    a = write(tmp_path / "a.json", device_result(steady(1.0)), device_result(steady(1.0), num_threads=2))
    b = write(tmp_path / "b.json", device_result(steady(1.0), num_threads=4))
    with pytest.raises(ConditionsDifferError) as caught:
        compare_files(a, b)
    assert str(caught.value) == (
        f"comparison of {a} with {b}: got {a}: small.tflite on Pixel (A1) with era-2019, 1 thread on big 2-3"
        " has no partner; the "
        f"nearest differs by threads: 1 and 4{HINT}"
    )


def test_files_of_one_pair_that_is_refused(tmp_path: Path) -> None:
    a = write(tmp_path / "a.json", device_result(steady(1.0)))
    b = write(tmp_path / "b.json", device_result((1.0, 1.0, 1.0, 1.0, 2.0)))
    with pytest.raises(ConditionsDifferError) as caught:
        compare_files(a, b)
    assert str(caught.value).startswith(
        "small.tflite on Pixel (A1) with era-2019, 1 thread on big 2-3: got an unstable"
    )
    assert str(caught.value).count("got") == 1


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON", '{"launches": []}', "[1]", '"cells"'])
def test_files_that_are_no_result(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputFileError) as caught:
        read_bench_results(path)
    assert str(caught.value).startswith(f"result file {path}: got ")
    assert str(caught.value).endswith(", expected the JSON of bench or reproduce")


@pytest.mark.parametrize(
    ("text", "got"),
    [
        (
            '{"kind":"bench_device","recorded_at":"now","result":{}}\n' * 2,
            "a history, one measurement a line",
        ),
        ('{"launches": [], "failures": []}', "figures of logs (bench --log), which tell no phone, cores"),
    ],
)
def test_what_is_easily_taken_for_a_measurement(tmp_path: Path, text: str, got: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputFileError) as caught:
        read_bench_results(tmp_path / "r.json")
    assert str(caught.value).startswith(f"result {tmp_path / 'r.json'}: got {got}")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no such file or directory, expected the JSON of bench or "):
        read_bench_results(tmp_path / "none.json")


def test_a_noisy_machine_gives_no_verdict() -> None:
    """Runs that spread over a quarter of their median: whatever the medians are, nothing is said."""
    noisy = dataclasses.replace(host_result(steady(1000.0)), p5_us=900.0, p95_us=1150.0)
    quiet = host_result(steady(1200.0))
    for a, b in ((noisy, quiet), (quiet, noisy)):
        with pytest.raises(ConditionsDifferError) as caught:
            compare(a, b)
        assert str(caught.value) == (
            "host.tflite on this machine: got an unstable result (p5 to p95 spread over 25 % of the median), "
            "expected at most 10 %; end other programs, and measure both again, one right after the other"
        )
