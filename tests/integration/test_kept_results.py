"""Runs over images that the store knows, in part or all."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation import contents
from edge_mnv3_quantization.evaluation.evaluating import Outputs
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.validation.readings import TopClasses, top_classes
from edge_mnv3_quantization.validation.running import SHARD_IMAGES, Run, RunnableFile, RunSettings, run_files
from packaged_drinks import run
from recording_reporter import RecordingReporter
from tiny_models import SIZE, weights, write_classifier

COUNT, DAMAGED = 60, 5


@dataclass(frozen=True, slots=True)
class Counting(TopClasses):
    """Notes each image that is run."""

    seen: list[int]

    def read(self, outputs: Outputs) -> npt.NDArray[Any]:
        self.seen.append(1)
        return TopClasses.read(self, outputs)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file and images, which count as settled although they were just written."""
    monkeypatch.setattr(contents, "_SETTLED_NS", -1)
    write_classifier(tmp_path / "f.tflite", "float32")
    write_classifier(tmp_path / "q.tflite", "uint8")
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(tmp_path / f"{index}.png")
    (tmp_path / f"{DAMAGED}.png").write_bytes(b"no image")
    (tmp_path / "all.csv").write_text("file,label\n" + "".join(f"{index}.png,1\n" for index in range(COUNT)))
    return tmp_path


def evaluated(folder: Path, reporter: Reporter, *, preprocess: str = "resize") -> tuple[Run, int]:
    """Runs the float file with the store; returns what it answers, and how many images were run."""
    reading = Counting(0, [])
    with Store(folder / "store", reporter) as store:
        settings = RunSettings(preprocess=preprocess, store=store, workers=1)  # shards end in their order
        file = RunnableFile(folder / "f.tflite", "xnnpack")
        result = run_files([file], open_images(folder / "all.csv"), settings, reading, reporter)
    return result, len(reading.seen)


def test_what_is_known_is_not_run_again(folder: Path) -> None:
    reporter = RecordingReporter()
    first, count = evaluated(folder, reporter)
    assert (count, first.pace.stored) == (COUNT - 1, 0)
    again, count = evaluated(folder, reporter)
    assert (count, top_classes(again, class_offset=0), again.skipped) == (
        0,
        top_classes(first, class_offset=0),
        first.skipped,
    )
    assert again.pace.text == f"{COUNT} images from the store"
    # One image that becomes another costs its shard, and nothing else; the answer is the new one's.
    (folder / "20.png").write_bytes((folder / "0.png").read_bytes())
    changed, count = evaluated(folder, reporter)
    assert count == SHARD_IMAGES
    assert top_classes(changed, class_offset=0)[20] == top_classes(first, class_offset=0)[0]
    (folder / f"{DAMAGED}.png").unlink()
    assert evaluated(folder, reporter)[0].skipped[0].reason == "no such file or directory"
    # Another file, or other pixels, are not known.
    assert evaluated(folder, reporter, preprocess="slim")[1] == COUNT - 1
    write_classifier(folder / "f.tflite", "float32", output_scale=4.0, open_batch=True)
    assert evaluated(folder, reporter)[1] == COUNT - 1
    assert reporter.warnings == []


def test_what_was_interrupted_goes_on(folder: Path) -> None:
    class Interrupting(Reporter):
        def progress(self, done: int, total: int) -> None:
            if done >= 2 * SHARD_IMAGES:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluated(folder, Interrupting())
    assert evaluated(folder, RecordingReporter())[1] == COUNT - 2 * SHARD_IMAGES


KILLED = """
import os, signal
from pathlib import Path
import test_kept_results as tests
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_quantization.evaluation import contents

class Killing(Reporter):
    def progress(self, done, total):
        if done >= 2 * tests.SHARD_IMAGES:
            os.kill(os.getpid(), signal.SIGKILL)

contents._SETTLED_NS = -1
tests.evaluated(Path(os.environ["FOLDER"]), Killing())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_what_was_killed_goes_on_behind_the_last_whole_shard(folder: Path) -> None:
    paths = os.pathsep.join((str(Path(__file__).parent), str(Path(__file__).parents[1]), *sys.path))
    environment = {**os.environ, "PYTHONPATH": paths, "FOLDER": str(folder)}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environment, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert evaluated(folder, RecordingReporter())[1] == COUNT - 2 * SHARD_IMAGES


def test_a_folder_that_was_moved_is_known_by_its_bytes(folder: Path, tmp_path: Path) -> None:
    first, _ = evaluated(folder, RecordingReporter())
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in folder.glob("*.*"):
        path.rename(moved / path.name)
    (folder / "store").rename(moved / "store")
    again, count = evaluated(moved, RecordingReporter())
    assert (count, top_classes(again, class_offset=0), again.skipped) == (
        0,
        top_classes(first, class_offset=0),
        first.skipped,
    )


def test_the_commands_of_the_store(folder: Path) -> None:
    pair = ("--float", folder / "f.tflite", "--int8", folder / "q.tflite", "--input-range", "0..255")
    store = ("--store", folder / "store")
    arguments = (*pair, "--data", folder / "all.csv", "--preprocess", "resize", "--json")
    first, again = (run("validate", *arguments, *store) for _ in range(2))
    assert first.stdout == again.stdout == run("validate", *arguments, "--no-store").stdout
    assert f"{COUNT} images from the store" in again.stderr
    header, *lines = (folder / "all.csv").read_text().splitlines()
    (folder / "other.csv").write_text("\n".join([header, *reversed(lines)]) + "\n")
    other = (*pair, "--data", folder / "other.csv", "--preprocess", "resize")
    assert run("validate", *other, *store).exit_code == 0  # the same images, in other shards
    listed = json.loads(run("results", "list", *store, "--json").stdout)
    whole = next(each for each in listed["evaluations"] if len(each["models"]) == 2)
    assert (whole["images"], whole["preprocess"]) == (COUNT, "resize")
    assert whole["models"][0]["file"] == str(folder / "f.tflite")
    exported = run("results", "export", whole["key"][:8], "-o", folder / "images.csv", *store)
    assert exported.stdout == f"{COUNT} images in {folder / 'images.csv'}\n"
    rows = list(csv.DictReader((folder / "images.csv").read_text().splitlines()))
    damaged = next(row for row in rows if row["file"].endswith(f"/{DAMAGED}.png"))
    assert damaged["not_read"].startswith("not an image")
    assert {len(row["0.float_top5[0]"]) for row in rows if row is not damaged} == {1}
    run("results", "export", whole["key"], "-o", folder / "images.json", *store)
    assert len(json.loads((folder / "images.json").read_text())[0]["0.int8_scores"]) == 5
    assert run("results", "export", "nothing", "-o", folder / "no.csv", *store).exit_code == 1
    assert whole["key"][:12] not in run("results", "prune", whole["key"], *store).stdout
    left = json.loads(run("results", "list", *store, "--json").stdout)["evaluations"]
    assert left == [each for each in listed["evaluations"] if each != whole]
    assert run("results", "prune", "--unused-days", "0", *store).stdout.count("\n") == 1


def test_two_models_are_compared_when_images_and_files_are_gone(folder: Path) -> None:
    store = ("--store", folder / "store")
    write_classifier(folder / "other.tflite", "uint8", kernel=weights(5, seed=1))
    for int8 in ("q", "other"):
        pair = (
            "--float",
            folder / "f.tflite",
            "--int8",
            folder / f"{int8}.tflite",
            "--input-range",
            "0..255",
        )
        arguments = (*pair, "--data", folder / "all.csv", "--preprocess", "resize", *store, "--json")
        validated = json.loads(run("validate", *arguments).stdout)
    listed = run("results", "list", *store).stdout
    assert listed.count("  input range tried\n    f.tflite (") == listed.count("input range tried") > 0
    hashes = [sha256_file(folder / name) for name in ("f.tflite", "other.tflite", "q.tflite")]
    compared = ("results", "compare", *store)
    of_files = run(*compared, folder / "f.tflite", folder / "other.tflite", "--json")
    for path in (*folder.glob("*.png"), folder / "f.tflite", folder / "other.tflite"):
        path.unlink()
    of_hashes = run(*compared, hashes[0][:12], hashes[1][:12], "--data", folder / "all.csv", "--json")
    assert of_hashes.stdout == of_files.stdout
    result = json.loads(of_hashes.stdout)
    (statistics,) = validated["statistics"]
    # What the pair itself gave: the same files on the same images.
    assert (result["n"], result["a"]["not_read"]) == (COUNT - 1, 1)
    for one, other in (("a", "float"), ("b", "int8")):
        assert [result[one][top] for top in ("top1", "top5")] == [
            statistics[f"{other}_{top}"] for top in ("top1", "top5")
        ]
    assert result["difference"]["test"] == statistics["difference"]
    for key in ("agreement", "class_tests", "confusions", "confidence"):
        assert result[key] == statistics[key]
    shown = run(*compared, hashes[1][:12], hashes[2][:12], "--details").stdout
    assert f"{COUNT - 1} images of both" in shown
    assert "points of top-1, B less A" in shown
    assert "taken for" in shown
