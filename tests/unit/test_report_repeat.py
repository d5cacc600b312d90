"""What a page says of how to repeat it, and of the file's size where no result tells it."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
from pathlib import Path

import pytest

from edge_mnv3.commands.report import told
from edge_mnv3.core.result_files import read_quantize_result
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.report import ReportResult, ReportSection
from edge_mnv3.core.results.run import RunOutput, RunResult, RunStage
from edge_mnv3.html_report.blocks import Commands, Table
from edge_mnv3.html_report.sections.ranges import ranges
from edge_mnv3.html_report.sections.repeat import repeat
from edge_mnv3.html_report.words import megabytes
from edge_mnv3.stages.report import ReportRequest, report
from html_outline import Outline
from report_runs import FORMATS, diagnosed, gathered, quantized, validated


def commands(*results: object, **changes: object) -> list[str]:
    pair = dataclasses.replace(gathered(*results), **changes)  # type: ignore[arg-type]
    (block,) = [each for each in repeat(pair).blocks if isinstance(each, Commands)]
    return list(block.lines)


def test_a_diagnosis_is_repeated_on_its_images_and_on_as_many() -> None:
    every = commands(diagnosed(images="my photos", n=40), diagnosed(images="synthetic", n=2))
    assert [shlex.split(line)[6:] for line in every] == [
        ["--images", "my photos", "--samples", "40", "-o", "diagnose.json"],
        ["--images", "synthetic", "--samples", "2", "-o", "diagnose.json"],
    ]


def test_older_diagnoses_without_histograms_are_made_again_on_the_same_images() -> None:
    told_recipe = read_quantize_result(FORMATS / "quantize-v7.json").recipe_report
    pair = gathered(quantized(recipe_report=told_recipe), diagnosed(images="photos", n=40))
    told = [str(getattr(block, "command", "")) for block in ranges(pair).blocks]
    assert any("--images photos --samples 40 " in command for command in told)


def test_the_config_of_a_run_repeats_it() -> None:
    config = (Path("an out", "run.toml"), "ab" * 32)
    first, *_ = commands(quantized(), run_config=config)
    assert shlex.split(first) == ["edge-mnv3", "run", str(config[0])]
    pair = dataclasses.replace(gathered(quantized()), run_config=config)
    (hashes, *_) = [each for each in repeat(pair).blocks if isinstance(each, Table)]
    assert ["config of the run", str(config[0]), "ab" * 32] in [
        [cell.text for cell in row] for row in hashes.rows
    ]


def run_of(result: Path) -> RunResult:
    output = RunOutput(path=result.name, sha256=hashlib.sha256(result.read_bytes()).hexdigest())
    stage = RunStage(name="validate", status="ran", seconds=1.0, reason="", outputs=(output,), warnings=())
    return RunResult(
        folder="out",
        config="c.toml",
        finished=True,
        passed=True,
        stages=(stage,),
        gates=(),
        versions={},
    )


def test_titles_with_commas_are_told_apart() -> None:
    def section(title: str, present: bool) -> ReportSection:
        return ReportSection(key=title.lower(), title=title, present=present)

    result = ReportResult(
        path="report.html",
        size_bytes=1_190_000,
        sha256="ab" * 32,
        float_sha256="cd" * 32,
        int8_sha256="ef" * 32,
        verdict="Good.",
        sections=(
            section("Summary", True),
            section("Operators, partitions, profile", True),
            section("Latency", False),
        ),
        sources=(),
        left_out=(),
        pictures=1,
    )
    assert told(result).split("\n") == [
        "Good.",
        "shows    Summary; Operators, partitions, profile",
        "without  Latency (the page says how to get them)",
        "page     report.html (1.19 MB, 1 picture)",
    ]


@pytest.mark.parametrize("is_the_file", [True, False])
def test_a_run_without_quantize(is_the_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is that of the file at its path, where its hash is the one that was measured."""
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    out.mkdir()
    content = b"int8" * 500_000
    Path("q.tflite").write_bytes(content if is_the_file else b"other")
    result = validated()
    int8 = dataclasses.replace(result.int8, path="q.tflite", sha256=hashlib.sha256(content).hexdigest())
    (out / "validate.json").write_text(to_json(dataclasses.replace(result, int8=int8)))
    (out / "run.json").write_text(to_json(run_of(out / "validate.json")))
    (out / "run.toml").write_text("[validate]\n")
    made = report(ReportRequest(run=[out]))
    outline = Outline(Path(made.path).read_text(encoding="utf-8"))
    assert outline.problems == []
    assert (megabytes(len(content)) in outline.texts) == is_the_file
    assert ("size not told" in outline.texts) != is_the_file
    assert any(f"edge-mnv3 run {out / 'run.toml'}" in text for text in outline.texts)
    assert hashlib.sha256(b"[validate]\n").hexdigest() in outline.texts
    assert bool(made.left_out) != is_the_file
