"""The page: what it says, that texts stay texts, and that it is whole."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_records import changed_conditions, device_result, host_result
from edge_mnv3.core.input_range import InputRange, parse_input_range
from edge_mnv3.core.results.calibration_statistics import UsedStatistics
from edge_mnv3.core.results.cost import CostResult, CycleRange
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.models import InspectResult
from edge_mnv3.core.results.recipe import RecipeReport, TensorRange
from edge_mnv3.core.results.validate import Noticed, ValidateResult
from edge_mnv3.html_report.blocks import Cell, Commands, Section, Table, Text, columns, row
from edge_mnv3.html_report.gathered import gather
from edge_mnv3.html_report.names import ClassNames
from edge_mnv3.html_report.page import PRINTED_ROWS, render
from edge_mnv3.html_report.pictures import Pictures
from edge_mnv3.html_report.recognition import recognize
from edge_mnv3.html_report.sections.every import Told, sections_of
from edge_mnv3.html_report.sections.repeat import repeat
from edge_mnv3.html_report.sections.verdict import verdict
from edge_mnv3.html_report.words import axis, signed, ticks
from html_outline import Outline
from report_runs import (
    FORMATS,
    RUN,
    device_report,
    diagnosed,
    gathered,
    page,
    quantized,
    swept,
    validated,
    with_interval,
)

MADE = quantized()
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{ 7*7 }}"


def test_a_run_of_earlier_releases_is_a_whole_page() -> None:
    results = [recognize(FORMATS / name, named=False) for name in RUN]
    text = page(gather([each for each in results if each]))
    outline = Outline(text)
    assert outline.problems == []
    assert [attributes["id"] for attributes in outline.of("section")] == [
        "summary",
        "accuracy",
        "changed-answers",
        "error-along-the-graph",
        "ranges",
        "operators",
        "latency",
        "published",
        "calibration",
        "repeat",
    ]
    assert len(outline.of("table")) == len(outline.of("caption"))
    assert {"html", "main", "nav", "header", "footer", "h1"} <= {tag for tag, _ in outline.tags}
    assert all(attributes["alt"] for attributes in outline.of("img"))
    # Nothing comes from outside.
    addresses = [each.get("src", each.get("href", "")) for _, each in outline.tags]
    assert [each for each in addresses if each and not each.startswith(("#", "data:"))] == []


def test_texts_of_others_stay_texts() -> None:
    result = dataclasses.replace(
        validated(),
        data=HOSTILE,
        warnings=(HOSTILE,),
        worst=tuple(dataclasses.replace(each, file=HOSTILE) for each in validated().worst),
    )
    made = quantized(name=HOSTILE, int8_path=HOSTILE, versions={HOSTILE: HOSTILE})
    names = ClassNames(names=(HOSTILE,) * 2000, source=HOSTILE)
    text = page(gathered(made, result, diagnosed(images=HOSTILE)), names=names)
    outline = Outline(text)
    assert outline.problems == []
    assert outline.of("script") == [{}]  # the page's own
    assert outline.of("img") == []
    assert {name for _, each in outline.tags for name in each if name.startswith("on")} == set()
    assert sum(HOSTILE in each for each in outline.texts) > 10
    assert "49" not in [each.strip("\"'<>") for each in outline.texts]


def test_characters_that_cannot_be_seen_are_written_out() -> None:
    text = page(gathered(quantized(name="a\x00b\udcffc\u202ed"), validated()))
    assert r"<h1>a\x00b\udcffc\u202ed</h1>" in text
    assert text.encode("utf-8")


def test_the_command_repeats_what_the_result_records() -> None:
    stated = dataclasses.replace(MADE.model.input, range_source="stated", mean=(127.5,), std=(127 / 3,))
    variant = MADE.variant
    assert variant is not None
    made = quantized(
        model=dataclasses.replace(MADE.model, input=stated),
        variant=dataclasses.replace(variant, include_softmax=False),
        budget_percent=15.0,
        statistics=UsedStatistics(paths=("1.npz", "2.npz"), sha256="s", images=9, data=()),
    )
    (command,) = [
        text for text in Outline(page(gathered(made))).texts if "edge-mnv3 quantize --variant" in text
    ]
    words = command.split()
    assert {"--no-softmax", "--recipe", "--hard-swish", "--io", "--calibration"} <= {*words}
    assert words[words.index("--budget") + 1] == "15"
    assert "--statistics 1.npz --statistics 2.npz" in command
    (stated_range,) = [word.partition("=")[2] for word in words if word.startswith("--input-range=")]
    assert parse_input_range(stated_range) == InputRange((127.5,), (127 / 3,))
    assert "--no-softmax" not in page(gathered(MADE))


def test_that_no_answer_changed_is_a_result() -> None:
    run = gathered(MADE, dataclasses.replace(validated(), worst=()))
    changed = next(each for each in sections_of(run, Told(ClassNames(), Pictures())) if "changed" in each.key)
    assert changed.present
    assert "the same answer" in page(run)


def test_the_script_is_the_one_that_the_policy_allows() -> None:
    import base64
    import hashlib

    text = page(gathered(MADE))
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text.replace("&#39;", "'").replace("&#x27;", "'")


def test_the_same_results_give_the_same_page() -> None:
    run = gathered(MADE, validated(), diagnosed())
    assert page(run) == page(run)


def test_what_is_missing_is_said_with_the_command_that_makes_it() -> None:
    sections = sections_of(gathered(MADE), Told(ClassNames(), Pictures()))
    missing = [section.key for section in sections if not section.present]
    assert missing == [
        *("accuracy", "changed-answers", "error-along-the-graph"),
        *("ranges", "latency", "published"),
    ]
    text = page(gathered(MADE))
    for command in ("validate --float", "diagnose --float", "bench --host", "inspect", "published"):
        assert f"edge-mnv3 {command}" in "".join(Outline(text).texts)


GRAVE = Noticed(kind="files_disagree", text="they disagree", fails_gate=True)


@pytest.mark.parametrize(
    ("result", "tone", "begins"),
    [
        (None, "unsure", "Nothing is known of the int8 file's accuracy"),
        (with_interval(-0.2, -0.9, 0.5), "good", "Good: the int8 file keeps what the float file knows"),
        (with_interval(-0.9, -1.0, -0.8), "good", "Good: the int8 file keeps"),
        (
            with_interval(-2.0, -4.0, 0.1),
            "unsure",
            "No loss is proven, but a loss of up to 4.00 points is possible",
        ),
        (with_interval(-2.0, -5.1, 1.0), "unsure", "Not decided: too few images"),
        (with_interval(-2.0, -3.0, -0.1), "bad", "The int8 file loses accuracy, more than chance explains"),
        (
            with_interval(0.0, -0.1, 0.1, findings=(GRAVE,)),
            "bad",
            "Do not ship the int8 file on this comparison",
        ),
    ],
)
def test_the_verdict(result: ValidateResult | None, tone: str, begins: str) -> None:
    told = verdict(gathered(MADE, *([] if result is None else [result])))
    assert (told.tone, told.text[: len(begins)]) == (tone, begins)


def test_a_file_that_fails_a_check_is_not_to_be_shipped_whatever_its_accuracy() -> None:
    checks = dataclasses.replace(MADE.checks, passed=False, problems=("it holds floats",))
    told = verdict(gathered(quantized(checks=checks), with_interval(0.0, -0.1, 0.1)))
    assert told.text == "Do not ship the int8 file: it fails a check. it holds floats."


def test_a_loss_is_told_with_what_to_do() -> None:
    costs = tuple(dataclasses.replace(each, suggestion="try this") for each in diagnosed().costs)
    lost = with_interval(-2.0, -3.0, -1.5)
    assert verdict(gathered(MADE, lost, diagnosed(costs=costs, xnnpack_problem=None))).text.endswith(
        "To try first: try this."
    )
    assert "edge-mnv3 diagnose" in verdict(gathered(MADE, lost)).command


def test_an_emulated_device_is_in_no_headline() -> None:
    device = dataclasses.replace(changed_conditions().device, emulated=True)
    measured = device_result([1234.0] * 3, model_sha256=MADE.int8_sha256, device=device)
    text = page(gathered(MADE, device_report(measured)))
    summary = text.partition('id="accuracy"')[0]
    assert "not measured" in summary
    assert "emulated device, not a phone" in summary
    assert "1.234" not in summary


def test_launches_have_clocks_temperature_and_what_speaks_against_them() -> None:
    measured = device_result([1000.0, 1100.0], model_sha256=MADE.int8_sha256)
    text = page(gathered(MADE, device_report(measured)))
    assert Outline(text).problems == []
    assert "Launches of the int8 file" in text
    assert "30.0" in text


def test_a_computer_is_called_one() -> None:
    text = page(gathered(MADE, host_result([1500.0], model_sha256=MADE.int8_sha256, device="EPYC")))
    assert "on EPYC, not a phone" in text
    assert "no phone was measured" in text
    noisy = host_result([1500.0], model_sha256=MADE.int8_sha256)
    noisy = dataclasses.replace(noisy, warnings=("unstable: 90 %",))
    assert "<p>int8: unstable: 90\N{NO-BREAK SPACE}%.</p>" in page(gathered(MADE, noisy))


def counted(cycles: CycleRange | None = None) -> CostResult:
    """A cost of the int8 file, and of a float file of the pair."""
    result = from_json(CostResult, (FORMATS / "cost-v1.json").read_text(encoding="utf-8"))
    (file, *_) = result.files
    (cpu, *_) = file.cpus
    cpus = (dataclasses.replace(cpu, cycles=cycles or cpu.cycles),)
    pair = (("m f.tflite", MADE.float_sha256), ("i.tflite", MADE.int8_sha256))
    files = tuple(dataclasses.replace(file, path=path, sha256=sha256, cpus=cpus) for path, sha256 in pair)
    return dataclasses.replace(result, files=files)


def test_without_a_phone_the_summary_has_the_cycles_of_one() -> None:
    host = host_result([1500.0], model_sha256=MADE.int8_sha256)
    cycles = dataclasses.replace(counted().files[0].cpus[0].cycles, low=7_640_000, high=9_300_000)
    text = page(gathered(MADE, host, counted(cycles)))
    summary = text.partition('id="accuracy"')[0]
    assert "<strong>7.6 to 9.3 M cycles</strong>" in summary
    assert "float 7.6 to 9.3 M; on a phone&#39;s processor" in summary
    assert "1.500" not in summary
    unknown = dataclasses.replace(cycles, low=None, high=None)
    summary = page(gathered(MADE, host, counted(unknown))).partition('id="accuracy"')[0]
    assert "1.500" in summary
    summary = page(gathered(MADE, counted(unknown))).partition('id="accuracy"')[0]
    assert "M instructions</strong>" in summary
    phone = device_report(device_result([2000.0] * 5, model_sha256=MADE.int8_sha256))
    assert "cycles" not in page(gathered(MADE, phone, counted(cycles))).partition('id="accuracy"')[0]


def test_costs_and_inspections_are_repeated() -> None:
    inspected = from_json(InspectResult, (FORMATS / "inspect-v1.json").read_text(encoding="utf-8"))
    inspected = dataclasses.replace(inspected, path="my q.tflite", sha256=MADE.int8_sha256)
    result = counted()
    first = dataclasses.replace(result.files[0].cpus[0], kernels="builtin")
    both = (first, dataclasses.replace(first, cpu="another"))
    builtin = tuple(dataclasses.replace(file, cpus=both) for file in result.files)
    pair = gathered(MADE, inspected, result, dataclasses.replace(inspected, path="my f.tflite"))
    (commands,) = [block for block in repeat(pair).blocks if isinstance(block, Commands)]
    cpu = result.files[0].cpus[0].cpu
    assert f"edge-mnv3 cost 'm f.tflite' i.tflite --cpu {cpu} --json > cost.json" in commands.lines
    assert "edge-mnv3 inspect 'my q.tflite' --json > inspect.json" in commands.lines
    assert "edge-mnv3 inspect 'my f.tflite' --json > inspect_2.json" in commands.lines
    pair = gathered(MADE, dataclasses.replace(result, files=builtin))
    (commands,) = [block for block in repeat(pair).blocks if isinstance(block, Commands)]
    assert commands.lines[-1] == (
        "edge-mnv3 cost 'm f.tflite' i.tflite --cpu all --kernels builtin --json > cost.json"
    )


@pytest.mark.parametrize("rows", [PRINTED_ROWS, PRINTED_ROWS + 1])
def test_paper_has_the_first_rows_of_long_tables(rows: int) -> None:
    ranges = tuple(dataclasses.replace(NARROW, tensor=f"t{place}") for place in range(rows))
    text = page(gathered(quantized(recipe_report=dataclasses.replace(REPORT, ranges=ranges))))
    assert Outline(text).problems == []
    told = f"{PRINTED_ROWS} of {rows} rows; the page on a screen has all."
    assert (told in text) == (rows > PRINTED_ROWS)
    assert f"nth-child(n+{PRINTED_ROWS + 1})" in text
    assert f"nth-child(n+{PRINTED_ROWS + 1} of :not([hidden]))" in text


def test_options_stay_whole() -> None:
    table = Table(caption="c", columns=columns("a"), rows=(row("bench --host x_y"), row("step-down -o")))
    section = Section(key="k", title="t", blocks=(Text(text="Give them with --labels A_B, or -x<1."), table))
    text = render("title", [section])
    assert (
        '<p>Give them with <span class="option">--labels</span> A_B, or <span class="option">-x</span>&lt;1.'
        in text
    )
    assert 'bench <span class="option">--host</span> x_<wbr>y' in text
    assert 'step-down <span class="option">-o</span>' in text


NARROW = TensorRange(layer="l", tensor="t", low=-1.0, high=1.0, scale=0.1, zero_point=0)
WIDE = dataclasses.replace(NARROW, low=0.0, high=10.0)
REPORT = RecipeReport(
    recipe="accurate",
    engine="equalized",
    images=4,
    measured_images=4,
    equalization_exponent=1.0,
    exponent_trials=(),
    hard_swishes=(),
    target="x86",
    forms_cost_percent=None,
    divided_channels={},
    channel_groups={},
    copied_layers=(),
    copies_cost_percent=0.0,
    folded_excitations=(),
    refitted_layers=(),
    ranges=(NARROW, WIDE),
    phases_s={},
)


def test_ranges_are_bars_between_their_ends() -> None:
    text = page(gathered(quantized(recipe_report=REPORT)))
    assert 'style="left:35.3%;right:35.3%"' in text  # asinh(1) / asinh(10) = 0.294
    assert 'style="left:50.0%;right:0.0%"' in text


def test_a_sweep_is_shown_where_the_file_is_one_of_its_points() -> None:
    sweep = swept(MADE.int8_sha256)
    text = page(gathered(MADE, sweep))
    assert Outline(text).problems == []
    assert 'id="sweep"' in text
    assert f"This page is of {sweep.points[0].name}, one of {len(sweep.points)} points" in text
    assert all(row.name in text for row in sweep.rows)
    drawn = text.partition('class="curve scatter"')[2].partition("</figure>")[0]
    assert drawn.count('class="point ') == sum(row.cost is not None for row in sweep.rows)
    assert ('class="point chosen"' in drawn) == (sweep.recommendation.row is not None)
    other = gathered(MADE, swept("e" * 64))
    assert 'id="sweep"' not in page(other)
    assert [each.path.name for each in other.left_out] == ["1.json"]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 9))
def test_ticks_lie_within_and_are_few(low: float, width: float, most: int) -> None:
    high = low + width
    if high <= low or width < abs(low) * 1e-9:
        return
    made = ticks(low, high, most=most)
    assert len(made) <= most
    assert all(low - width * 1e-6 <= each <= high + width * 1e-6 for each in made)
    assert all(0 <= tick.at_percent <= 100 for tick in axis(low, high, most=most))


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00"), (-0.001, "0.00"), (-1.234, "−1.23"), (2.0, "+2.00")]
)
def test_signs(value: float, text: str) -> None:
    assert signed(value) == text


def test_short_words_are_not_broken_in_a_narrow_column() -> None:
    assert Cell(text="quotable, by 3 launches").whole
    assert Cell(text="").whole
    assert not Cell(text="of mobilenet_v3_small_1.0_224_int8.tflite").whole
