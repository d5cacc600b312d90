"""The published figures as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.core.published import Published, parse_published, read_published
from edge_mnv3.core.results.json_format import from_json

HEADER = '[sources.s]\ntitle = "t"\naddress = "a"\nconditions = "c"\n'
ROW = '[[figures]]\nsource = "s"\nvariant = "small"\nalpha = 1.0\nprecision = "float"\n'


def latencies(source: str, variant: str, alpha: float, precision: str) -> list[float | None]:
    return [
        figure.latency_ms
        for figure in read_published().figures
        if (figure.source, figure.variant, figure.alpha, figure.precision)
        == (source, variant, alpha, precision)
        and figure.device
    ]


def test_rows_are_those_of_the_sources() -> None:
    assert latencies("tf_slim", "large", 1.0, "float") == [51.2, 61.0, 44.0]
    assert latencies("tf_slim", "small", 1.0, "int8") == [15.5, 15.0, 10.7]
    assert latencies("tf_slim", "small_minimalistic", 1.0, "float") == [12.2, 15.1, 11.0]
    assert latencies("tf_slim", "small_minimalistic", 1.0, "int8") == []
    figures = read_published().figures
    assert sum(f.source == "tf_slim" and f.device is None for f in figures) == 9
    assert sum(f.source == "keras" and f.device is None for f in figures) == 6


def test_sources_that_contradict_stay_apart() -> None:
    assert latencies("tf_slim", "large", 0.75, "float")[0] == 39.8
    assert latencies("paper", "large", 0.75, "float")[0] == 39.0
    top1 = {
        f.source: f.top1_percent
        for f in read_published().figures
        if (f.variant, f.alpha, f.precision) == ("small", 1.0, "float") and f.top1_percent
    }
    assert top1 == {"tf_slim": 67.5, "paper": 67.4, "keras": 68.1}


def test_each_row_has_its_source_and_no_row_comes_twice() -> None:
    published = read_published()
    assert {figure.source for figure in published.figures} == set(published.sources)
    keys = [(f.source, f.variant, f.alpha, f.precision, f.device, f.conditions) for f in published.figures]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROW + "latency = 3\n", r"figure 1: unknown keys .'latency'."),
        (HEADER + ROW + "latency_ms = 3.0\n", "figure 1: a latency needs a device"),
        (HEADER + ROW + 'device = "Pixel 1"\n', "figure 1: a latency needs a device"),
        (HEADER + ROW.replace('"s"', '"x"'), "figure 1: source 'x' is not declared"),
        (HEADER + ROW.replace('"float"', '"fp16"'), "figure 1: precision 'fp16' is none of"),
        (HEADER + ROW.replace("alpha = 1.0\n", ""), "figure 1: .*alpha"),
        (HEADER.replace('title = "t"\n', "") + ROW, "source s: .*title"),
        (HEADER + 'threads = "2"\n' + ROW, "source s: threads '2' is none of"),
        (HEADER + 'cores = "all"\n' + ROW, "source s: cores 'all' is none of"),
        (HEADER + 'kernels = "gpu"\n' + ROW, "source s: kernels 'gpu' is none of"),
        (HEADER + '[phones]\n"P" = "Phone"\n' + ROW, "phone 'P': 'Phone' is the device of no figure"),
    ],
)
def test_wrong_data_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_published(text)


@pytest.mark.parametrize(("version", "phones"), [(1, 0), (2, 4)])
def test_earlier_versions_are_read(version: int, phones: int) -> None:
    written = Path(__file__).parent.parent / "golden" / "formats" / f"published-v{version}.json"
    published = from_json(Published, written.read_text())
    now = read_published().of_variant("large", 0.75)
    assert published.figures == tuple(f for f in now.figures if f.source in published.sources)
    assert len(published.phones) == phones
    assert all(source == now.sources[name] for name, source in published.sources.items())
    assert all(source.is_of_first_figures for source in published.sources.values())


def test_later_sources_say_how_they_differ() -> None:
    sources = read_published().sources
    later = {name for name, source in sources.items() if not source.is_of_first_figures}
    assert later == sources.keys() - {"tf_slim", "paper", "keras"}
    assert {name for name in later if sources[name].graph} == {"mobile_ml_benchmark", "litert_leaderboard"}
    assert latencies("xnnpack_2020", "small", 1.0, "float") == [12.0, 14.0, 14.0]
    assert latencies("xnnpack_2020_large_cores", "large", 1.0, "float") == [22.0, 16.0, 24.0]
    assert latencies("xnnpack_2020_raspberry_pi", "large", 1.0, "float") == [165.0, 67.0, 41.0]
    assert latencies("label_image_2020", "small", 1.0, "float") == [14.23, 5.58]
    assert latencies("mobile_ml_benchmark", "small", 1.0, "int8") == [5.89]
    assert latencies("litert_leaderboard", "large", 1.0, "float") == [7.741, 5.933]


def test_command() -> None:
    result = CliRunner().invoke(main, ["published", "--variant", "large_0.75", "--json"])
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert {row["variant"] for row in data["figures"]} == {"large"}
    assert {row["alpha"] for row in data["figures"]} == {0.75}
    assert len(data["figures"]) == 4 + 3 + 2 + 2
    table = CliRunner().invoke(main, ["published"]).stdout
    lines = [line.split() for line in table.splitlines()]
    assert lines[1] == ["large", "1.0", "float", "75.2", "217.0", "5.4", "tf_slim"]
    place = lines.index(["large,", "alpha", "1.0,", "float"])
    assert lines[place + 1] == ["Pixel", "1", "51.2", "tf_slim"]
    assert "without the fused h-swish" in table
