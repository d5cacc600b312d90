"""Histograms of activations: counted by hand, drawn on the page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.diagnose import DiagnoseResult, ValueHistogram
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.html_report.blocks import Histograms, Table, Text
from edge_mnv3.html_report.sections.histograms import histograms
from edge_mnv3.stages.report import ReportRequest, report
from edge_mnv3_quantization.diagnosis.histograms import BINS, StepCounts
from html_outline import Outline
from report_runs import diagnosed, gathered, page, quantized

SCALE, ZERO_POINT = 0.5, -28  # a range of -50 to 77.5


def counted(
    *images: np.ndarray, scales: tuple[float, ...] = (1.0,), moved: float | None = None, swish: bool = False
) -> ValueHistogram | None:
    """The histogram of images of (positions, C) numbers."""
    counts = StepCounts(
        scale=SCALE,
        zero_point=ZERO_POINT,
        equalization_scales=np.array(scales),
        movement=None if moved is None else np.full(len(scales), moved),
        before_hard_swish=swish,
    )
    for image in images:
        counts.add(counts.of(np.asarray(image, np.float32)))
    every = np.concatenate(images).astype(np.float64)
    return counts.histogram(every.min(axis=0), every.max(axis=0))


def column(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float64)[:, np.newaxis]


def test_the_range_alone_is_64_bins_of_4_steps() -> None:
    found = counted(column(-50, 0, 0.9), column(77.5))
    assert found is not None
    assert (found.range_low, found.range_high) == (-50, 77.5)
    assert (found.bin_low, found.bin_width, len(found.counts)) == (-50.25, 2.0, 64)
    assert {place: n for place, n in enumerate(found.counts) if n} == {0: 1, 25: 2, 63: 1}
    assert (found.smallest, found.largest) == (-50, 77.5)
    assert (found.clipped_percent, found.below, found.above) == (0, 0, 0)


def test_what_lies_beyond_is_clipped_and_has_bins() -> None:
    found = counted(column(-50.2, -50.3, 77.7, 77.8, *[0] * 6))
    assert found is not None
    assert found.clipped_percent == 20  # half a step beyond an end is still stored as that end
    assert found.bin_width == 8 * SCALE
    assert (found.counts[0], found.counts[-1], sum(found.counts)) == (1, 1, 10)
    assert (found.range_low - SCALE / 2 - found.bin_low) / found.bin_width == 1


@pytest.mark.parametrize(
    ("numbers", "below", "above"),
    [((-1e6, 0), 1, 0), ((1e6, 0), 0, 1), ((-1e6, 1e6, 3e38, 0), 1, 2), ((-200, 1e6, 0), 0, 1)],
)
def test_what_lies_far_out_is_counted_at_its_side(numbers: tuple[float, ...], below: int, above: int) -> None:
    found = counted(column(*numbers))
    assert found is not None
    assert (found.below, found.above) == (below, above)
    assert sum(found.counts) + below + above == len(numbers)
    assert found.smallest == min(numbers)
    assert found.largest == pytest.approx(max(numbers))
    assert found.clipped_percent == pytest.approx(100 * (len(numbers) - 1) / len(numbers))


def test_below_minus_3_is_harmless_in_front_of_a_hard_swish() -> None:
    numbers = np.array([[-60.0, -60.0], [0.0, 0.0]])
    # The second channel is divided by 100: its -60 is far inside.
    plain, before = (counted(numbers, scales=(1, 100), swish=swish) for swish in (False, True))
    assert plain is not None
    assert plain.clipped_percent == 25
    assert before == dataclasses.replace(plain, harmless_percent=25.0)
    found = counted(column(-60, 90, 0, 0), swish=True)
    assert found is not None
    assert (found.clipped_percent, found.harmless_percent) == (50, 25)


def test_channels_that_are_moved() -> None:
    found = counted(column(77.5), moved=1.0)
    assert found is not None
    assert (found.largest, found.clipped_percent) == (78.5, 100)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_give_none(wrong: float) -> None:
    assert counted(column(0, wrong)) is None


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50))
def test_every_number_is_in_one_place(numbers: list[float]) -> None:
    found = counted(column(*numbers))
    assert found is not None
    assert sum(found.counts) + found.below + found.above == len(numbers)
    assert len(found.counts) <= BINS
    inside = [-50.25 <= np.float32(number) <= 77.75 for number in numbers]
    clear = [min(abs(number + 50.25), abs(number - 77.75)) > 1e-3 for number in numbers]
    if all(clear):
        assert found.clipped_percent == pytest.approx(100 * (1 - np.mean(inside)))


def with_histograms(*, only: int | None = None) -> DiagnoseResult:
    """A diagnosis whose values have histograms, each more clipped than the one before."""
    old = diagnosed()
    more = [dataclasses.replace(old.layers[0], tensor=f"t{n}", layer=f"layer_{n}") for n in range(12)]
    layers = []
    for place, layer in enumerate([*old.layers, *more][:only]):
        found = counted(
            column(*[90.0] * place, *[-60.0] * (place == 2), 1e5 if place == 3 else 0.0), swish=True
        )
        layers.append(dataclasses.replace(layer, histogram=found))
    return dataclasses.replace(old, layers=tuple(layers))


DAMAGED = [
    ("bin_width", 0.0, "bin_width is 0, and must"),
    ("bin_width", -1.0, "bin_width is -1"),
    ("bin_width", 1e400, "a finite number was expected, got inf"),
    ("smallest", float("nan"), "a finite number was expected, got nan"),
    ("largest", 10**400, "a finite number was expected, got inf"),
    ("largest", -60.0, "smallest is more than largest"),
    ("counts", [], "0 counts, of 1 to 64"),
    ("counts", [1] * 65, "65 counts"),
    ("counts", [1, -1], "a count is negative"),
    ("above", 10**400, "a count is negative or too large"),
    ("below", -1, "a count is negative"),
    ("range_low", 100.0, "range_low is not less than range_high"),
    ("range_high", 1e9, "the range is not within the bins"),
    ("range_low", -1.7e308, "the range is not within the bins"),
    ("bin_low", 0.0, "the range is not within the bins"),
    ("clipped_percent", 101.0, "clipped_percent is not from"),
    ("harmless_percent", -0.5, "harmless_percent is not from"),
]


@pytest.mark.parametrize(("key", "value", "said"), DAMAGED)
def test_a_damaged_histogram_is_refused_with_its_place(
    key: str, value: object, said: str, tmp_path: Path
) -> None:
    data = json.loads(to_json(with_histograms(only=2)))
    data["layers"][1]["histogram"][key] = value
    (tmp_path / "diagnose.json").write_text(json.dumps(data))
    with pytest.raises(InputFileError) as error:
        report(ReportRequest(run=[tmp_path]))
    assert "layers[1].histogram" in str(error.value)
    assert said in str(error.value)
    assert not (tmp_path / "report.html").exists()


def test_a_histogram_whose_numbers_overflow_is_none() -> None:
    found = counted(column(0))
    assert found is not None
    with pytest.raises(ValueError, match="a number is not finite"):
        dataclasses.replace(found, range_low=-1.7e308, range_high=1.7e308)


def test_the_page_shows_what_matters_most_and_all() -> None:
    result = with_histograms()
    text, chosen, every, table = histograms(result)
    assert isinstance(text, Text)
    assert isinstance(chosen, Histograms)
    assert isinstance(every, Histograms)
    assert isinstance(table, Table)
    expensive = [cost.layer for cost in result.costs if cost.kind == "value"]
    assert [each.title for each in chosen.histograms][: len(expensive)] == expensive[:9]
    assert len(chosen.histograms) == min(9, len(result.layers))
    assert [each.title for each in every.histograms] == [layer.layer for layer in result.layers]
    assert (every.folded, len(table.rows)) == (True, len(result.layers))
    said = {line for each in every.histograms for line in each.lines}
    assert "nothing clipped" in said
    assert "50.00\N{NO-BREAK SPACE}% clipped" in said
    assert "75.00\N{NO-BREAK SPACE}% clipped, 25.00\N{NO-BREAK SPACE}% without harm" in said
    outline = Outline(page(gathered(quantized(), result)))
    assert outline.problems == []
    drawn = len(chosen.histograms) + len(every.histograms)
    assert sum("Histogram of" in each for each in outline.texts) == drawn
    # Those that matter most are all of few, and results of older releases have none.
    assert [type(each) for each in histograms(with_histograms(only=3))] == [Text, Histograms, Table]
    assert list(histograms(diagnosed())) == []


def test_little_is_not_nothing() -> None:
    few = counted(column(*[0] * 100_000, -60), swish=True)
    layer = dataclasses.replace(diagnosed().layers[0], histogram=few)
    _, chosen, _ = histograms(diagnosed(layers=(layer,)))
    assert isinstance(chosen, Histograms)
    assert chosen.histograms[0].lines[-1].endswith("less than 0.01\N{NO-BREAK SPACE}% clipped, without harm")
