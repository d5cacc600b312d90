"""A sweep over a trained network of 64 px: made, killed, resumed, with points that fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.sweep import SweepPlan, SweepPoint, SweepResult
from edge_mnv3.stages.demo import DEMO, demo_weights
from edge_mnv3.stages.done_file import DONE_FILE
from edge_mnv3_calibration_data.sources.digits import load_digits

NETWORK = [
    "--variants", "small_minimalistic", "--alphas", str(DEMO.variant.alpha), "--weights", str(demo_weights()),
    "--input-size", str(DEMO.input_size_px), "--preprocess", DEMO.preprocess, "--calibration", "digits",
    "--samples", "24", "--cost", "modelled",
]  # fmt: skip
GRID = [*NETWORK, "--recipes", "fast,stock", "--budgets", "0", "--seeds", "0,1"]


def run(folder: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments), "-o", str(folder), "--json"])


def states(result: SweepResult) -> dict[str, str]:
    return {point.name.removeprefix("small_minimalistic_0.5_"): point.state for point in result.points}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that was killed while its second point was made."""
    folder = tmp_path_factory.mktemp("sweep") / "out"
    # The program under test runs whole; it only waits where the second point is quantized.
    script = (
        "import sys, time; import edge_mnv3.stages.sweep_measure as m; original = m.quantize\n"
        "def waiting(request, reporter):\n"
        "    if request.seed == 1:\n"
        "        request.output_dir.mkdir()\n"
        "        (request.output_dir / '.edge-mnv3-left').mkdir()\n"
        "        time.sleep(300)\n"
        "    return original(request, reporter)\n"
        "m.quantize = waiting\n"
        "from edge_mnv3.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "sweep", *GRID, "-o", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 240
        while not (folder / "small_minimalistic_0.5_fast_budget0_seed1" / ".edge-mnv3-left").exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    return folder


@pytest.fixture(scope="module")
def resumed(killed: Path) -> SweepResult:
    done = run(killed, *GRID)
    assert done.exit_code == 0, done.stderr
    return from_json(SweepResult, done.stdout)


def test_a_killed_sweep_goes_on_where_it_was(killed: Path, resumed: SweepResult) -> None:
    assert states(resumed) == {
        "fast_budget0_seed0": "kept", "fast_budget0_seed1": "made",
        "stock_budget0_seed0": "made", "stock_budget0_seed1": "made",
    }  # fmt: skip
    assert list(killed.rglob(".edge-mnv3-*")) == []
    assert {path.name for path in killed.iterdir() if path.is_dir()} == {
        point.name for point in resumed.points
    }


def test_rows_join_seeds_and_the_best_is_recommended(resumed: SweepResult) -> None:
    fast, stock = resumed.rows
    assert [len(row.points) for row in resumed.rows] == [2, 2]
    assert fast.snr_db is not None
    assert stock.snr_db is not None
    # `fast` chooses scales by measured costs; the network is easy, and both keep nearly all of it.
    assert fast.snr_db.mean > stock.snr_db.mean > 30
    assert fast.cost is not None
    assert fast.cost.sd == 0
    assert (fast.on_front, stock.on_front) == (True, False)  # the converter scales pixels by operators
    assert resumed.recommendation.row == fast.name
    assert resumed.recommendation.point == fast.points[0]


def test_what_is_done_is_not_made_again(killed: Path, resumed: SweepResult) -> None:
    times = {path: path.stat().st_mtime_ns for path in killed.rglob("*.tflite")}
    listed = run(killed, *GRID, "--dry-run")
    assert [point.done for point in from_json(SweepPlan, listed.stdout).points] == [True] * 4
    again = from_json(SweepResult, run(killed, *GRID).stdout)
    assert {*states(again).values()} == {"kept"}
    assert again.rows == resumed.rows
    assert again.recommendation == resumed.recommendation
    assert again.warnings == resumed.warnings
    assert {path: path.stat().st_mtime_ns for path in killed.rglob("*.tflite")} == times


def test_an_altered_file_and_another_request_are_not_taken(killed: Path, resumed: SweepResult) -> None:
    first: SweepPoint = resumed.points[0]
    assert first.int8_path is not None
    with Path(first.int8_path).open("ab") as file:
        file.write(b"x")
    plan = from_json(SweepPlan, run(killed, *GRID, "--dry-run").stdout)
    assert [point.done for point in plan.points] == [False, True, True, True]
    other = [*GRID, "--io", "int8"]
    plan = from_json(SweepPlan, run(killed, *other, "--dry-run").stdout)
    assert not any(point.done for point in plan.points)


def test_files_are_those_of_quantize(killed: Path, resumed: SweepResult, tmp_path: Path) -> None:
    """The table's command for one of its points gives the same bytes."""
    second = resumed.points[1]
    done = CliRunner().invoke(
        main,
        [
            "quantize", "--variant", "small_minimalistic", "--alpha", str(DEMO.variant.alpha),
            "--weights", str(demo_weights()), "--input-size", str(DEMO.input_size_px),
            "--preprocess", DEMO.preprocess, "--calibration", "digits", "--samples", "24", "--recipe", "fast",
            "--seed", "1", "-o", str(tmp_path / "out"), "--json",
        ],
    )  # fmt: skip
    assert json.loads(done.stdout)["int8_sha256"] == second.int8_sha256
    assert read_quantize_result(killed / second.name / QUANTIZE_FILE).int8_sha256 == second.int8_sha256


def test_a_point_that_fails_is_told_and_the_others_are_made(tmp_path: Path) -> None:
    drawings, labels = load_digits()
    np.savez(tmp_path / "val.npz", images=np.array(drawings[:40]), labels=labels[:40])
    arguments = [*NETWORK, "--recipes", "fast", "--budgets", "0,20", "--data", str(tmp_path / "val.npz")]
    arguments[arguments.index("--alphas") + 1] = f"{DEMO.variant.alpha},0.35"  # which has other weights
    done = run(tmp_path / "out", *arguments)
    assert done.exit_code == 1
    result = from_json(SweepResult, done.stdout)
    assert [point.state for point in result.points] == ["made", "made", "failed", "failed"]
    assert "do not fit" in (result.points[2].failure or "")
    assert not (tmp_path / "out" / result.points[2].name / DONE_FILE).exists()
    assert result.quality == "int8_percent"
    assert result.recommendation.row in ("small_minimalistic_0.5 fast 0", "small_minimalistic_0.5 fast 20")
    budget = result.points[1]
    made = read_quantize_result(tmp_path / "out" / budget.name / QUANTIZE_FILE)
    assert made.recipe_report is not None
    # The cost that is modelled of the file is what the recipe has spent.
    costs = [point.cost or 0.0 for point in result.points[:2]]
    assert 100 * (costs[1] / costs[0] - 1) == pytest.approx(made.recipe_report.copies_cost_percent)
    assert "0 of 2" not in done.stderr
    assert done.stderr.count("failed: ") == 2


def test_one_line_of_what_cannot_be_swept(tmp_path: Path) -> None:
    for arguments, says in (
        (["none.keras"], "model none.keras"),
        (["--variants", "small", "--weights", "none.h5"], "weights none.h5"),
        ([*NETWORK, "--alphas", "0.5,0.35"], "--data"),
        ([*NETWORK, "--data", "none.csv"], "none.csv"),
        ([*NETWORK, "--plot", "front.txt"], ".png or .svg"),
    ):
        done = run(tmp_path / "out", *arguments)
        assert done.exit_code == 1
        assert says in done.stderr.splitlines()[-1]
        assert not (tmp_path / "out").exists()
