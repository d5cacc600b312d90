"""Shards evaluated by threads and by processes: the same records, whatever happens to the processes."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edge_mnv3.core.choices import DEFAULT_RUNTIME
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import LoadedModel
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation import evaluating
from edge_mnv3_quantization.evaluation.contents import ImagesState, hashed, same_here
from edge_mnv3_quantization.evaluation.engine import Evaluated, WorkerLostError, in_processes, in_threads
from edge_mnv3_quantization.evaluation.evaluating import (
    Evaluation,
    ModelContent,
    Outputs,
    Shard,
    StoppedError,
)
from edge_mnv3_quantization.evaluation.records import ShardRecords, to_bytes
from edge_mnv3_quantization.validation.readings import TopClasses, top_classes
from edge_mnv3_quantization.validation.running import SHARD_IMAGES, RunnableFile, RunSettings, run_files
from recording_reporter import RecordingReporter
from tiny_models import SIZE, write_classifier

COUNT = 70
DAMAGED = (3, 40)


@dataclass(frozen=True, slots=True)
class Killed(TopClasses):
    """A reading whose process is killed at the image whose first pixel is this, as long as a file is there.

    Attributes:
        pixel: The sum over all outputs, rounded, of the image.
        fuse: The file; it is removed before the process is killed, unless it is to last.
        lasts: Whether the file stays.
    """

    pixel: int
    fuse: Path
    lasts: bool

    def read(self, outputs: Outputs) -> npt.NDArray[Any]:
        if round(float(outputs[0][0].max())) == self.pixel and self.fuse.exists():
            if not self.lasts:
                self.fuse.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return TopClasses.read(self, outputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, images of which two are damaged, and their list."""
    folder = tmp_path_factory.mktemp("engine")
    write_classifier(folder / "f.tflite", "float32")
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        if index in DAMAGED:
            (folder / f"{index}.png").write_bytes(b"no image")
            continue
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(folder / f"{index}.png")
    (folder / "all.txt").write_text("".join(f"{index}.png\n" for index in range(COUNT)))
    return folder


def evaluation(folder: Path, reading: Any) -> tuple[Evaluation, list[Shard]]:
    path = folder / "f.tflite"
    images = open_images(folder / "all.txt")
    model = ModelContent(path, path.read_bytes(), "xnnpack", DEFAULT_RUNTIME, None)
    shards = [
        Shard(number, images, range(start, min(start + SHARD_IMAGES, COUNT)))
        for number, start in enumerate(range(0, COUNT, SHARD_IMAGES))
    ]
    made = Evaluation(models=(model,), shape=ImageShape.square(SIZE), preprocess="resize", reading=reading)
    return made, shards


def content(evaluated: Iterable[Evaluated[ShardRecords]]) -> list[bytes]:
    return [to_bytes(records) for _, records in sorted(evaluated, key=lambda each: each[0].number)]


def test_threads_and_processes_give_the_same_bytes(folder: Path) -> None:
    made, shards = evaluation(folder, TopClasses(0))
    reporter = RecordingReporter()
    one, three = (content(in_threads(made, shards, workers)) for workers in (1, 3))
    two = content(in_processes(made, reversed(shards), 2, reporter))
    models = made.open_models()
    ahead, inline = (
        [to_bytes(made.done(models, shard._replace(decode_ahead=known))) for shard in shards]
        for known in (True, False)
    )
    assert one == three == two == ahead == inline
    assert reporter.warnings == []
    settings = RunSettings(preprocess="resize")
    run = run_files([RunnableFile(folder / "f.tflite", "xnnpack")], shards[0].images, settings, made.reading)
    assert [int(image.file.removesuffix(".png")) for image in run.skipped] == list(DAMAGED)
    assert list(top_classes(run, class_offset=0)) == [index for index in range(COUNT) if index not in DAMAGED]


class Recorded:
    """A loaded file that notes each run of it."""

    def __init__(self, name: str, model: LoadedModel, runs: list[str]) -> None:
        self.name, self.outputs, self._model, self._runs = name, model.outputs, model, runs

    def run_all(self, pixels: Pixels) -> list[npt.NDArray[Any]]:
        self._runs.append(self.name)
        return self._model.run_all(pixels)


@pytest.mark.parametrize(("group", "ahead"), [(16, False), (5, False), (1, False), (1, True)])
def test_a_file_runs_over_a_group_of_images_before_the_next_file_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch, group: int, ahead: bool
) -> None:
    made, (shard, *_) = evaluation(folder, TopClasses(0))
    (model,) = made.models
    made = dataclasses.replace(made, models=(model, model))
    (one,) = dataclasses.replace(made, models=(model,)).open_models()
    expected = to_bytes(made.done([one, one], shard))
    read = SHARD_IMAGES - sum(place < SHARD_IMAGES for place in DAMAGED)
    runs: list[str] = []
    if not ahead:
        outputs = 2 * sum(math.prod(output.shape) for output in one.outputs)
        monkeypatch.setattr(evaluating, "_GROUP_BYTES", (SIZE * SIZE * 3 + 4 * outputs) * group + 1)
    files: Any = [Recorded(name, one, runs) for name in "fq"]
    assert to_bytes(made.done(files, shard._replace(decode_ahead=ahead))) == expected
    groups = ["".join(same) for _, same in itertools.groupby(runs)]
    assert runs.count("f") == runs.count("q") == read
    assert max(map(len, groups)) == (read if group >= SHARD_IMAGES else group)
    # At the fourth place of the shard is an image that cannot be read.
    assert groups[:2] == ["f" * min(group - (group > 3), read), "q" * min(group - (group > 3), read)]


@pytest.mark.parametrize("wanted", [0, 7, SHARD_IMAGES + 3])
def test_whoever_wants_no_records_any_more_waits_for_one_image_at_most(folder: Path, wanted: int) -> None:
    made, (shard, *_) = evaluation(folder, TopClasses(0))
    (one,) = made.open_models()
    runs: list[str] = []
    files: Any = [Recorded("f", one, runs)]
    answers = iter([False] * wanted)
    with pytest.raises(StoppedError):
        made.done(files, shard, lambda: next(answers, True))
    assert len(runs) == max(0, wanted - SHARD_IMAGES)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_shard_whose_process_is_killed_is_evaluated_again(folder: Path, tmp_path: Path) -> None:
    made, shards = evaluation(folder, TopClasses(0))
    expected = content(in_threads(made, shards, 2))
    path = folder / "f.tflite"
    seen: list[int] = []

    one = RunSettings(preprocess="resize", workers=1)

    @dataclass(frozen=True)
    class Seeing(TopClasses):
        def read(self, outputs: Outputs) -> npt.NDArray[Any]:
            seen.append(round(float(outputs[0][0].max())))
            return TopClasses.read(self, outputs)

    run_files([RunnableFile(path, "xnnpack")], shards[0].images, one, Seeing(0))
    fuse = tmp_path / "fuse"
    fuse.touch()
    reporter = RecordingReporter()
    made, shards = evaluation(folder, Killed(0, seen[20], fuse, lasts=False))
    # A generator of shards, as the store's, goes on behind the process that ended.
    assert content(in_processes(made, (shard for shard in shards), 2, reporter)) == expected
    assert not fuse.exists()
    (warning,) = reporter.warnings
    assert warning.startswith("a worker process was killed or crashed: ")
    fuse.touch()
    made, shards = evaluation(folder, Killed(0, seen[20], fuse, lasts=True))
    with pytest.raises(WorkerLostError, match=r"images 16\.png to 31\.png: got 3 processes"):
        content(in_processes(made, shards, 1, RecordingReporter()))


def test_a_model_that_is_built_anew_meanwhile_has_no_figures(folder: Path, tmp_path: Path) -> None:
    """Results are known by the hash of the file: that of another one would be told with these."""
    path = tmp_path / "f.tflite"
    path.write_bytes((folder / "f.tflite").read_bytes())

    class Building(Reporter):
        def progress(self, done: int, total: int) -> None:
            if done:
                write_classifier(path, "uint8")

    images, settings = open_images(folder / "all.txt"), RunSettings(preprocess="resize")
    with pytest.raises(ModelFileError, match="got a file that changed while it was run"):
        run_files([RunnableFile(path, "xnnpack")], images, settings, TopClasses(0), Building())


def test_files_that_other_machines_read_are_those_here(tmp_path: Path) -> None:
    """A copy is; another version of the image, under the same path, is not."""
    here, copy, other = (tmp_path / name for name in ("here", "copy", "other"))
    for path, content in ((here, b"pixels"), (copy, b"pixels"), (other, b"later!")):
        path.write_bytes(content)
    elsewhere = {path: hashed(path) for path in (here, copy, other)}
    answers = {path.name: read is not None and same_here(here, read) for path, read in elsewhere.items()}
    assert answers == {"here": True, "copy": True, "other": False}
    read = elsewhere[other]
    assert read is not None
    assert same_here(tmp_path / "only-there", read)


def test_the_state_of_images_is_that_of_their_files(folder: Path, tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / f"{index}.png").write_bytes((folder / f"{index}.png").read_bytes())
    images = open_images(tmp_path)
    every, some = np.ones(3, bool), np.array([True, False, True])
    before = ImagesState(images, range(3)).sha256(every)
    without = ImagesState(images, range(3)).sha256(some)
    assert ImagesState(open_images(tmp_path), range(3)).sha256(every) == before != without
    assert ImagesState(images, range(2)).sha256(every[:2]) != before
    (tmp_path / "1.png").write_bytes((folder / "2.png").read_bytes())
    assert ImagesState(images, range(3)).sha256(every) != before
    assert ImagesState(images, range(3)).sha256(some) == without
