"""A page is of one pair of files: what is of others is left out and told, or refused."""

from __future__ import annotations

import dataclasses

import pytest

from bench_records import device_result, host_result
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.demo import DemoResult
from edge_mnv3.html_report.gathered import gather
from edge_mnv3.html_report.recognition import recognize
from edge_mnv3_android_bench.comparison.turns import compare_in_turns
from report_runs import (
    FORMATS,
    OTHER,
    RUN,
    device_report,
    diagnosed,
    found,
    gathered,
    of_other_int8,
    page,
    quantized,
    turns,
    validated,
)

MADE = quantized()
FLOAT, INT8 = MADE.float_sha256, MADE.int8_sha256


def test_results_of_earlier_releases_are_one_run() -> None:
    results = [recognize(FORMATS / name, named=False) for name in RUN]
    assert [each.command for each in results if each] == ["quantize", "validate", "diagnose", "bench --host"]
    run = gather([each for each in results if each])
    assert (run.subject.float_sha256, run.subject.int8_sha256) == (FLOAT, INT8)
    assert run.left_out == ()
    assert (len(run.validations), len(run.diagnoses), len(run.host)) == (1, 1, 1)


def test_in_a_folder_a_result_of_another_int8_file_is_left_out_and_the_page_says_so() -> None:
    run = gathered(MADE, of_other_int8(validated()), diagnosed(int8_sha256=OTHER))
    assert not run.validations
    assert not run.diagnoses
    assert [each.reason for each in run.left_out] == [
        f"left out: figures of another int8 file (ffffffffffff…, not {INT8[:12]}…)"
    ] * 2
    text = page(run)
    assert "1.json: left out: figures of another int8 file" in text
    assert "Nothing is known of the int8 file" in text
    assert f"{validated().float_.top1_percent:.1f}" not in text


def test_another_float_file_is_another_pair() -> None:
    result = validated()
    other = dataclasses.replace(result, float_=dataclasses.replace(result.float_, sha256=OTHER))
    (left_out,) = gathered(MADE, other).left_out
    assert left_out.reason == f"left out: figures of another float file (ffffffffffff…, not {FLOAT[:12]}…)"


def test_swapped_files_are_no_pair() -> None:
    swapped = diagnosed(float_sha256=INT8, int8_sha256=FLOAT)
    assert gathered(MADE, swapped).diagnoses == ()


@pytest.mark.parametrize(
    "other",
    [of_other_int8(validated()), diagnosed(int8_sha256=OTHER), host_result([1.0], model_sha256=OTHER)],
)
def test_a_file_that_was_named_must_fit(other: object) -> None:
    given = [found(MADE, name="q.json"), found(other, name="v.json", named=True)]  # type: ignore[arg-type]
    with pytest.raises(InputFileError, match=r"result v.json: got figures of .*ffffffffffff….* in q.json; "):
        gather(given)


def test_two_runs_are_refused() -> None:
    with pytest.raises(InputFileError, match=r"another int8 file .* make another report"):
        gathered(MADE, quantized(int8_sha256=OTHER))


def test_a_demo_before_the_last_quantize_is_left_out_whole() -> None:
    demo = DemoResult(
        folder="demo",
        quantize=quantized(int8_sha256=OTHER),
        validate=of_other_int8(validated()),
        bench_float=host_result([9.0], model_sha256=OTHER),
        bench_int8=host_result([9.0], model_sha256=OTHER),
    )
    run = gathered(demo, MADE)
    assert run.subject.int8_sha256 == INT8
    assert (run.validations, run.host) == ((), ())
    assert [each.path.name for each in run.left_out] == ["0.json"]


def test_of_a_bench_of_several_files_those_of_the_pair_are_shown() -> None:
    results = [host_result([1.0] * 6, rounds=6, model_sha256=sha256) for sha256 in (OTHER, INT8, FLOAT)]
    compared = [compare_in_turns(results[0], each) for each in results[1:]]
    both = compare_in_turns(results[1], results[2])
    run = gathered(MADE, turns(*results, comparisons=[*compared, both]))
    assert [each.conditions.model_sha256 for each in run.host[0].results] == [INT8, FLOAT]
    assert run.host[0].comparisons == (both,)
    assert [each.reason for each in run.left_out] == [
        "left out in part: 1 result is of other files than this pair"
    ]


def test_of_a_device_report_too() -> None:
    report = device_report(
        device_result([1000.0], model_sha256=INT8), device_result([5000.0], model_sha256=OTHER)
    )
    run = gathered(MADE, report)
    assert [each.conditions.model_sha256 for each in run.devices[0].report.results] == [INT8]
    assert run.devices[0].others == 1
    assert [each.reason for each in run.left_out] == [
        "left out in part: 1 result is of other files than this pair"
    ]


def test_nothing_but_latencies_tells_no_pair() -> None:
    with pytest.raises(InputFileError, match="no result that tells which float and int8 file"):
        gathered(host_result([1.0], model_sha256=INT8))
    with pytest.raises(InputFileError, match=r"no result of edge-mnv3"):
        gathered()


def test_the_comparison_on_most_images_is_shown_and_the_others_are_listed() -> None:
    few = dataclasses.replace(validated(), n=3, data="few.csv")
    run = gathered(MADE, few, validated())
    assert run.validation == validated()
    text = page(run)
    assert "All comparisons of this pair; the page shows the one on most images" in text
    assert "few.csv" in text
