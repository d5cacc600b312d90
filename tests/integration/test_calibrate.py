"""Stored calibrations end to end: no image is read or run twice, and the int8 bytes stay the same."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_mnv3.core.results.calibrate import CalibrateResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3_calibration_data.sources.stored import read_stored
from edge_mnv3_quantization.calibration import statistics
from small_graph_commands import GRAPH, built_graph, error, made_photos, quantize, run

pytestmark = pytest.mark.xdist_group("calibrate")  # fixtures made once
IMAGES = 14


def calibrate(*arguments: object) -> CalibrateResult:
    result = run("calibrate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return from_json(CalibrateResult, result.stdout)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of a small graph with random weights, the same for all tests."""
    return built_graph(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_photos(tmp_path_factory.mktemp("photos"), IMAGES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, graph: list[str], photos: Path) -> CalibrateResult:
    out = tmp_path_factory.mktemp("whole") / "whole.calibration"
    return calibrate(*graph, "--calibration", photos, "--samples", IMAGES, "-o", out)


@pytest.mark.parametrize("recipe", ["stock", "accurate"])
def test_quantize_needs_neither_the_images_nor_the_observation_again(
    graph: list[str],
    photos: Path,
    whole: CalibrateResult,
    tmp_path: Path,
    recipe: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (whole.observed, whole.reused) == (IMAGES, 0)
    options = [*graph, "--recipe", recipe, "--samples", IMAGES]
    direct = quantize(*options, "--calibration", photos, "-o", tmp_path / "direct")
    hidden = photos.rename(tmp_path / "elsewhere")
    try:
        monkeypatch.setattr(statistics, "add_images", None)
        again = quantize(*options, "--calibration", whole.path, "-o", tmp_path / "again")
    finally:
        hidden.rename(photos)
    assert again.int8_sha256 == direct.int8_sha256
    assert again.float_sha256 == direct.float_sha256
    assert again.calibration == direct.calibration == whole.calibration


def test_killed_in_the_middle_and_run_again(
    graph: list[str], photos: Path, whole: CalibrateResult, tmp_path: Path
) -> None:
    # Killed, not interrupted, when the file of the sixth checkpoint is half written.
    script = (
        "import os, signal; import edge_mnv3.stages.calibrate as m\n"
        "from edge_mnv3_quantization.calibration import statistics\n"
        "statistics.CHECKPOINT_S = 0.0\n"
        "original = m.save_statistics\n"
        "def save(statistics, path):\n"
        "    if len(statistics.images) == 6:\n"
        "        path.write_bytes(b'half')\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    original(statistics, path)\n"
        "m.save_statistics = save\n"
        "from edge_mnv3.cli import main\n"
        "main()\n"
    )
    out = tmp_path / "a.calibration"
    out.mkdir()
    (out / "pixels-0123456789abcdef.npy").touch()  # of a run that was killed before its images were complete
    arguments = [*graph, "--calibration", photos, "--samples", IMAGES, "-o", out]
    killed = subprocess.run(
        [sys.executable, "-c", script, "calibrate", *map(str, arguments)], capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = calibrate(*arguments)
    assert (resumed.observed, resumed.reused) == (IMAGES - 5, 5)
    assert contents(out) == contents(Path(whole.path))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_halves_merged_are_the_whole(
    graph: list[str], photos: Path, whole: CalibrateResult, tmp_path: Path
) -> None:
    for name, numbers in (("day", range(9)), ("night", range(9, IMAGES))):
        (tmp_path / name).mkdir()
        for number in numbers:
            shutil.copy(photos / f"{number:02}.png", tmp_path / name)
    day, night = tmp_path / "day.calibration", tmp_path / "night.calibration"
    calibrate(*graph, "--calibration", tmp_path / "day", "-o", day)
    calibrate(*graph, "--calibration", tmp_path / "night", "-o", night)
    shutil.rmtree(tmp_path / "night")
    merged = calibrate(*graph, "--merge", night, "-o", day)
    assert (merged.observed, merged.reused) == (0, IMAGES)
    assert merged.statistics_path == str(day / Path(whole.statistics_path).name)
    assert Path(merged.statistics_path).read_bytes() == Path(whole.statistics_path).read_bytes()
    names = [record.file for record in merged.calibration.images]
    assert sorted(names) == [
        f"{'day' if number < 9 else 'night'}/{number:02}.png" for number in range(IMAGES)
    ]
    assert len(merged.merged) == 2
    assert merged.calibration.sha256 not in merged.merged
    assert read_stored(day).pixels.shape == (IMAGES, 64, 64, 3)
    # Once more, as after an interruption, it has nothing to do.
    before = contents(day)
    assert calibrate(*graph, "--merge", night, "-o", day).reused == IMAGES
    assert contents(day) == before
    assert error("calibrate", *graph, "--merge", night, "-o", whole.path).endswith(
        f"got {IMAGES - 9} images that are in both, expected different images"
    )


def test_another_float_model_has_statistics_of_its_own(whole: CalibrateResult, tmp_path: Path) -> None:
    folder = shutil.copytree(whole.path, tmp_path / "a.calibration")
    result = run("calibrate", *GRAPH, "--weights", "none", "--classes", 4, "-o", folder)
    assert result.exit_code == 0, result.output
    assert f"this run         {IMAGES} images run, 0 done before" in result.stdout
    assert len(list(folder.glob("statistics-*.npz"))) == 2
    assert Path(whole.statistics_path).read_bytes() == contents(folder)[Path(whole.statistics_path).name]


def test_softmax_or_not_makes_no_difference(
    graph: list[str], whole: CalibrateResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "add_images", None)
    logits = quantize(
        *graph, "--no-softmax", "--recipe", "accurate", "--calibration", whole.path, "-o", tmp_path
    )
    assert logits.float_sha256 != whole.float_sha256


def test_what_does_not_fit_is_refused(
    graph: list[str], photos: Path, whole: CalibrateResult, tmp_path: Path
) -> None:
    message = error("calibrate", *graph, "--calibration", photos, "--samples", 5, "-o", whole.path)
    assert f"images of {photos}, {IMAGES} samples, seed 0, preprocessing slim" in message
    assert f"expected {photos}, 5 samples, seed 0, preprocessing slim; use --force" in message
    other_size = [*graph[:5], "96", *graph[6:]]
    message = error("quantize", *other_size, "--calibration", whole.path, "-o", tmp_path / "out")
    assert "got 96 px, expected 64 px, as the file says; leave --input-size out" in message
    untrained = [*other_size[:-2], "--weights", "none", "--classes", "4"]
    message = error("quantize", *untrained, "--calibration", whole.path, "-o", tmp_path / "out")
    assert "got images of 64 px, expected 96 px; use --input-size 64 where the network is" in message
    message = error("calibrate", *untrained, "--merge", whole.path, "-o", tmp_path / "new")
    assert "got images of 64 px, expected 96 px; use --input-size 64 where the network is" in message
    assert error("calibrate", *graph, "-o", tmp_path / "new").endswith(
        "got none, expected --calibration PATH or --merge PATH"
    )
    assert "a folder with other files" in error("calibrate", *graph, "--calibration", photos, "-o", photos)
    assert "use --merge for it" in error(
        "calibrate", *graph, "--calibration", whole.path, "-o", tmp_path / "new"
    )
    assert "got a file, expected a folder" in error("calibrate", *graph, "-o", photos / "00.png")
    assert not (tmp_path / "new").exists()


def test_force_makes_it_anew(graph: list[str], whole: CalibrateResult, tmp_path: Path) -> None:
    folder = shutil.copytree(whole.path, tmp_path / "a.calibration")
    (folder / "statistics-0000000000000000.npz").touch()
    (folder / "calibration.json").write_text("{}")
    anew = calibrate(*graph, "--calibration", "synthetic", "--samples", 3, "-o", folder, "--force")
    assert (anew.observed, anew.reused, len(anew.calibration.images)) == (3, 0, 3)
    assert sorted(contents(folder)) == [
        "calibration.json",
        read_stored(folder).contents.pixels_file,
        Path(anew.statistics_path).name,
    ]
    # What synthetic images do to a recipe is told of stored ones, too.
    arguments = [*graph, "--calibration", folder, "-o", tmp_path / "out"]
    assert "warning: calibrating on synthetic images" in run("quantize", *arguments).stderr
