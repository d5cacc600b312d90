"""The benchmark of whole processes, with stand-ins for what they take."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks import quantize_time
from benchmarks.quantize_time import Cost, Setting, cores, settings
from edge_mnv3.core.parallel import available_cores


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Arguments of the processes, none of which is started; the n-th takes n seconds."""
    seen: list[list[str]] = []

    def stand_in(argv: Sequence[str], allowed: tuple[int, ...], folder: Path) -> Cost:
        seen.append(list(argv))
        return Cost(wall_s=float(len(seen)), cpu_s=2.0 * len(seen), peak_mb=500.0)

    monkeypatch.setattr(quantize_time, "cost", stand_in)
    return seen


def test_tools_take_turns_and_are_compared_within_a_round(ran: list[list[str]], tmp_path: Path) -> None:
    json_path = tmp_path / "times.json"
    done = CliRunner().invoke(
        quantize_time.main,
        [
            *("--calibration", "synthetic", "--images", "3", "--rounds", "2", "--workers", "1"),
            *("--tool", "stock", "--tool", "cached", "--tool", "bare", "--json", str(json_path)),
            *("--weights", "small=w.h5", "--weights", "other.h5"),
        ],
    )
    assert done.exit_code == 0, done.output
    # The first run prepares; then stock, cached, bare, and cached, bare, stock.
    kinds = ["bare" if "bare_converter" in argv[1] else argv[argv.index("--recipe") + 1] for argv in ran]
    assert kinds == ["stock", "stock", "accurate", "bare", "accurate", "bare", "stock"]
    assert ["--no-cache" in argv for argv in ran] == [False, True, False, False, False, False, True]
    assert ran[1][ran[1].index("--weights") + 1] == "w.h5"
    rows = {row["tool"]: row for row in json.loads(json_path.read_text())["rows"]}
    assert [cost["wall_s"] for cost in rows["stock"]["costs"]] == [2.0, 7.0]
    # 2/4 and 7/6, of which the median is their mean.
    assert rows["stock"]["wall_ratio"] == pytest.approx((2 / 4 + 7 / 6) / 2)
    assert rows["bare"]["cpu_ratio"] == 1
    assert done.stdout.splitlines()[2].startswith(
        "| small | own | 3 | 1 | stock | 4.5 | 9.0 | 500 | 0.83 | 0.83 |"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tool", "ai-edge-quantizer"], "--tool ai-edge-quantizer needs --ai-edge-quantizer PYTHON"),
        (["--tool", "fast", "--compared", "bare"], "--compared bare is none of the tools: fast"),
        (
            ["--ai-edge-quantizer", "/nowhere/python"],
            "got 'No such file or directory', expected a Python of an",
        ),
        (
            ["--ai-edge-quantizer", sys.executable],
            "got 'ModuleNotFoundError: No module named 'gone'', expected a Python of an",
        ),
        (["--workers", "9999"], f"--workers 9999: this process may use {available_cores()} cores"),
    ],
)
def test_what_cannot_be_measured(
    ran: list[list[str]], arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize_time, "EDGE_NEEDS", "import gone")
    done = CliRunner().invoke(quantize_time.main, ["--calibration", "synthetic", "--images", "1", *arguments])
    assert done.exit_code != 0
    assert message in done.stderr


def test_every_combination() -> None:
    made = settings(
        {
            "variant": ["small", "large"],
            "alpha": ["0.5", "1"],
            "images": ["50", "200"],
            "workers": ["1"],
            "weights": ["large=l=1.h5"],
        }
    )
    assert len(made) == 8
    assert made[0] == Setting(variant="small", alpha=0.5, weights="none", images=50, workers=1)
    assert {setting.weights for setting in made if setting.variant == "large"} == {"l=1.h5"}


def test_a_process_is_measured_with_its_children(tmp_path: Path) -> None:
    child = "x = bytearray(60_000_000)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}]); sys.exit(3)"
    took = quantize_time.cost([sys.executable, "-S", "-c", parent], (3,), tmp_path)
    assert took.peak_mb > 60
    assert took.cpu_s > 0
    with pytest.raises(click.ClickException, match="ended with 3"):
        quantize_time.cost([sys.executable, "-S", "-c", parent], (0,), tmp_path)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen on this system")
def test_cores_are_given_back() -> None:
    before = os.sched_getaffinity(0)
    with cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_more_photos_than_there_are(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for index in range(2):
        Image.linear_gradient("L").convert("RGB").rotate(90 * index).save(source / f"{index}.png")
    made = tmp_path / "made"
    made.mkdir()
    quantize_time.write_photos(str(source), 7, made)
    contents = [path.read_bytes() for path in sorted(made.iterdir())]
    assert len(contents) == 7
    assert len(set(contents)) >= 6  # a gradient from top to bottom is its own mirror image
    with pytest.raises(click.ClickException, match="2 images are too few to make 200"):
        quantize_time.write_photos(str(source), 200, made)
