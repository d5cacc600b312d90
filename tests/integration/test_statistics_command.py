"""Statistics from parts: the same ranges and int8 bytes whatever the parts, and after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.results.calibration_statistics import StatisticsResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.stages import calibration_statistics
from edge_mnv3_quantization.calibration import collecting, counted_files
from edge_mnv3_quantization.recipes.notes import STATISTICS
from file_server import Handler, Tagged, TaggedAndTimed, WeaklyTagged, serving
from image_archives import jpeg, write_tar
from small_graph_commands import GRAPH, built_graph, error, made_photos, quantize, run

pytestmark = pytest.mark.xdist_group("statistics")  # fixtures made once
IMAGES, SAMPLES = 40, 10


def collect(*arguments: object) -> StatisticsResult:
    result = run("statistics", "collect", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return from_json(StatisticsResult, result.stdout)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of a small graph with random weights, the same for all tests."""
    return built_graph(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_photos(tmp_path_factory.mktemp("photos"), IMAGES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, graph: list[str], photos: Path) -> StatisticsResult:
    return collect(*graph, "--calibration", photos, "-o", tmp_path_factory.mktemp("whole") / "all.npz")


def test_one_two_and_seven_shards_give_the_same_int8_file(
    graph: list[str], photos: Path, whole: StatisticsResult, tmp_path: Path
) -> None:
    options = [*graph, "--calibration", photos, "--samples", SAMPLES]
    made = {1: quantize(*options, "--statistics", whole.path, "-o", tmp_path / "1")}
    for of in (2, 7):
        parts = tmp_path / f"parts-{of}"
        for number in range(of, 0, -1):  # of the number of workers nothing depends
            place = parts / f"{of - number}.npz"
            shard = ("--shard", f"{number}/{of}", "--workers", number % 3 + 1)
            collect(*graph, "--calibration", photos, *shard, "-o", place)
        merged = tmp_path / f"{of}.npz"
        assert run("statistics", "merge", parts, "-o", merged).exit_code == 0
        assert merged.read_bytes() == Path(whole.path).read_bytes()
        made[of] = quantize(*options, "--statistics", parts, "-o", tmp_path / str(of))
    assert len({each.int8_sha256 for each in made.values()}) == 1
    assert len({each.recipe_report and each.recipe_report.ranges for each in made.values()}) == 1
    used = made[7].statistics
    assert used is not None
    assert (used.images, used.sha256, len(used.paths)) == (IMAGES, whole.facts.sha256, 7)
    assert [(data.shards, data.of) for data in used.data] == [((1,), 1)]
    noted = read_model(Path(made[7].int8_path).read_bytes(), "int8").metadata[STATISTICS]
    assert json.loads(noted) == {"images": IMAGES, "sha256": whole.facts.sha256}


def test_ranges_come_from_the_statistics(
    graph: list[str], photos: Path, whole: StatisticsResult, tmp_path: Path
) -> None:
    options = [*graph, "--recipe", "fast", "--calibration", photos, "--samples", SAMPLES]
    own = collect(*graph, "--calibration", photos, "--samples", SAMPLES, "-o", tmp_path / "own.npz")
    assert own.facts.images == SAMPLES
    plain = quantize(*options, "-o", tmp_path / "plain")
    same = quantize(*options, "--statistics", own.path, "-o", tmp_path / "same")
    more = quantize(*options, "--statistics", whole.path, "-o", tmp_path / "more")
    ranges = [each.recipe_report.ranges for each in (plain, same, more) if each.recipe_report]
    assert ranges[0] == ranges[1] != ranges[2]
    assert plain.statistics is None
    assert STATISTICS not in read_model(Path(plain.int8_path).read_bytes(), "int8").metadata


def test_killed_in_the_middle_and_run_again(
    graph: list[str], photos: Path, whole: StatisticsResult, tmp_path: Path
) -> None:
    script = (
        "import os, signal; import edge_mnv3.stages.calibration_statistics as m\n"
        "from edge_mnv3_quantization.calibration import collecting\n"
        "collecting.CHECKPOINT_S = 0.0\n"
        "original = m.save_unfinished\n"
        "def save(*given):\n"
        "    original(*given)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "m.save_unfinished = save\n"
        "from edge_mnv3.cli import main\n"
        "main()\n"
    )
    out = tmp_path / "a.npz"
    arguments = [*graph, "--calibration", photos, "-o", out]
    whole_image = (photos / "05.png").read_bytes()
    (photos / "05.png").write_bytes(b"not there yet")
    killed = subprocess.run(
        [sys.executable, "-c", script, "statistics", "collect", *map(str, arguments), "--workers", "1"],
        capture_output=True,
        timeout=120,
    )
    (photos / "05.png").write_bytes(whole_image)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    unfinished = tmp_path / "a.npz.unfinished"
    assert not out.exists()
    assert "got statistics that are not finished" in error("statistics", "show", tmp_path)
    # What was counted of other images, or in another way, is not gone on with.
    kept = unfinished.read_bytes()
    message = error("statistics", "collect", *arguments, "--shard", "1/2")
    assert "unfinished: got other data, expected those of this call; use --force" in message
    assert unfinished.read_bytes() == kept
    copies = tmp_path / "copies"
    shutil.copytree(photos, copies)
    other = [*graph, "--calibration", copies, "-o", tmp_path / "b.npz"]
    (tmp_path / "b.npz.unfinished").write_bytes(kept)
    message = error("statistics", "collect", *other)
    assert "expected those of this call; use --force" in message
    again = collect(*arguments)
    assert (again.observed, again.reused) == (IMAGES - 15, 15)
    assert again.facts.skipped == ()  # it was mended meanwhile
    assert out.read_bytes() == Path(whole.path).read_bytes()
    assert not unfinished.exists()


def test_statistics_that_do_not_fit_are_refused_in_one_line(
    graph: list[str], photos: Path, whole: StatisticsResult, tmp_path: Path
) -> None:
    given = ["--calibration", photos, "--samples", SAMPLES, "-o", tmp_path / "out"]
    twice = ["--statistics", whole.path] * 2
    other = [*GRAPH, "--weights", "none", "--classes", 4]
    for arguments, words in (
        ([*other, "--statistics", whole.path], "expected those of"),
        ([*graph, "--statistics", whole.path, "--preprocess", "resize"], "by slim, expected resize"),
        (
            [*graph, "--statistics", whole.path, "--recipe", "stock"],
            "expected none: TensorFlow's converter needs the range of each tensor of its own graph",
        ),
        ([*graph, *twice], "which are the same source: all of it twice, expected each image once"),
        ([*graph, "--statistics", photos], "got a folder without .npz files"),
        ([*graph, "--statistics", photos / "00.png"], "got a damaged file"),
    ):
        assert words in error("quantize", *arguments, *given)
    assert not (tmp_path / "out").exists()


def test_images_that_cannot_be_read_are_told_and_empty_shards_refused(
    graph: list[str], photos: Path, tmp_path: Path
) -> None:
    some = tmp_path / "some"
    shutil.copytree(photos, some)
    (some / "07.png").write_bytes(b"no image")
    result = collect(*graph, "--calibration", some, "-o", tmp_path / "a.npz")
    assert (result.facts.images, [image.file for image in result.facts.skipped]) == (39, ["07.png"])
    assert any(warning.startswith("07.png was left out: ") for warning in result.warnings)
    assert "exists already" in error(
        "statistics", "collect", *graph, "--calibration", some, "-o", tmp_path / "a.npz"
    )
    for arguments, words in (
        (["--calibration", some, "--shard", "41/41"], "got 41/41 of 40 images"),
        (["--calibration", some, "--shard", "3/2"], "got '3/2', expected K/N"),
        (["--calibration", "synthetic"], "got synthetic, expected images"),
    ):
        assert words in error("statistics", "collect", *graph, *arguments, "-o", tmp_path / "b.npz")
    assert "expected a .npz file" in error(
        "statistics", "collect", *graph, "--calibration", some, "-o", tmp_path / "b.txt"
    )


@pytest.mark.parametrize("handler", [TaggedAndTimed, WeaklyTagged])
def test_shards_of_a_url_whose_file_changed_between_them_are_of_two_sources(
    graph: list[str], tmp_path: Path, handler: type[Handler]
) -> None:
    pytest.importorskip("fsspec", reason="the extra remote is not installed")
    pytest.importorskip("aiohttp", reason="the extra remote is not installed")
    (tmp_path / "served").mkdir()
    for url in serving(tmp_path / "served", handler):
        for number in (1, 2):
            images = [jpeg(10 * number + index).ljust(4000, b"\0") for index in range(2)]
            members = [(f"{index}.jpg", data) for index, data in enumerate(images)]
            path = write_tar(tmp_path / "served" / "v.tar", members)
            os.utime(path, times=(0, 1_700_000_000))
            made = run(
                *("statistics", "collect", *graph, "--calibration", f"{url}/v.tar"),
                *("--shard", f"{number}/2", "-o", tmp_path / f"{number}.npz"),
            )
            assert made.exit_code == 0, made.output
            untold = f"the server does not tell whether {url}/v.tar changed" in made.stderr
            assert untold is (handler is WeaklyTagged)
    merged = run("statistics", "merge", tmp_path / "1.npz", tmp_path / "2.npz", "-o", tmp_path / "m.npz")
    shown = run("statistics", "show", tmp_path / "m.npz", "--json")
    assert len(from_json(StatisticsResult, shown.stdout).facts.data) == 2, merged.output


@pytest.mark.parametrize(
    ("handler", "words"), [(Tagged, "images whose files were changed"), (WeaklyTagged, "other data")]
)
def test_a_url_whose_file_changed_is_not_gone_on_with(
    graph: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: type[Handler], words: str
) -> None:
    pytest.importorskip("fsspec", reason="the extra remote is not installed")
    pytest.importorskip("aiohttp", reason="the extra remote is not installed")
    (tmp_path / "served").mkdir()
    save = counted_files.save_unfinished

    def save_and_end(*given: Any) -> None:
        save(*given)
        raise KeyboardInterrupt

    def served(first: int) -> None:
        images = [jpeg(first + index).ljust(4000, b"\0") for index in range(18)]
        write_tar(tmp_path / "served" / "v.tar", [(f"{n:02}.jpg", data) for n, data in enumerate(images)])

    monkeypatch.setattr(collecting, "CHECKPOINT_S", 0.0)
    for url in serving(tmp_path / "served", handler):
        arguments = (*graph, "--calibration", f"{url}/v.tar", "--workers", 1, "-o", tmp_path / "a.npz")
        with monkeypatch.context() as ended:
            ended.setattr(calibration_statistics, "save_unfinished", save_and_end)
            served(0)
            assert run("statistics", "collect", *arguments).exit_code != 0
        served(20)
        assert f"unfinished: got {words}" in error("statistics", "collect", *arguments)
        served(0)
        again = collect(*arguments)
        assert (again.observed, again.reused) == (2, 16)
