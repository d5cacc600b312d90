"""Shards done by the workers of a real Dask scheduler: the same bytes, whatever happens to the workers."""

from __future__ import annotations

import dataclasses
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dask_cluster import Cluster, stopped
from dask_readings import Harming, KillingTask
from edge_mnv3.core.choices import DEFAULT_RUNTIME
from edge_mnv3.core.errors import ArgumentError, EdgeMnv3Error, InputFileError
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation.dask_engine import DaskEngine
from edge_mnv3_quantization.evaluation.dask_parts import Patience, SchedulerError
from edge_mnv3_quantization.evaluation.engine import WorkerLostError, in_threads
from edge_mnv3_quantization.evaluation.environment import Environment, environment
from edge_mnv3_quantization.evaluation.evaluating import Evaluation, ModelContent, Shard
from edge_mnv3_quantization.evaluation.records import to_bytes
from edge_mnv3_quantization.validation.readings import TopClasses
from packaged_drinks import run
from recording_reporter import RecordingReporter
from tiny_models import SIZE, write_classifier

distributed = pytest.importorskip("distributed", reason="needs the extra: pip install -e '.[dask]'")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

COUNT, SHARD = 44, 4
DAMAGED = (3, 40)
SOON = Patience(connect_s=5, least_s=1.0, times=3.0, look_s=0.2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, images of which two are damaged, and their lists."""
    folder = tmp_path_factory.mktemp("dask")
    write_classifier(folder / "f.tflite", "float32")
    write_classifier(folder / "q.tflite", "uint8")
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        if index in DAMAGED:
            (folder / f"{index}.png").write_bytes(b"no image")
            continue
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(folder / f"{index}.png")
    (folder / "all.txt").write_text("".join(f"{index}.png\n" for index in range(COUNT)))
    return folder


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder)
    yield cluster
    cluster.end()


def task(folder: Path, reading: TopClasses) -> Evaluation:
    path = folder / "f.tflite"
    model = ModelContent(path, path.read_bytes(), "xnnpack", DEFAULT_RUNTIME, None)
    return Evaluation(models=(model,), shape=ImageShape.square(SIZE), preprocess="resize", reading=reading)


def shards_of(images: ImageSource) -> list[Shard]:
    starts = enumerate(range(0, images.available or 0, SHARD))
    return [Shard(number, images, range(start, start + SHARD)) for number, start in starts]


def here(made: Evaluation, images: ImageSource) -> Environment:
    return environment(made.open_models(), images)


def content(evaluated: Any) -> list[bytes]:
    return [to_bytes(records) for _, records in sorted(evaluated, key=lambda each: each[0].number)]


def with_dask(cluster: Cluster, made: Evaluation, images: ImageSource) -> tuple[list[bytes], list[str]]:
    """The records of all shards, and what was warned of."""
    reporter, shards = RecordingReporter(), shards_of(images)
    with DaskEngine(cluster.address, reporter, SOON) as engine:
        engine.environment(made, images, here(made, images))
        return content(engine.run(made, shards, engine.team(images, shards))), reporter.warnings


@pytest.fixture
def expected(folder: Path) -> list[bytes]:
    return content(in_threads(task(folder, TopClasses(0)), shards_of(open_images(folder / "all.txt")), 2))


@pytest.fixture
def highest(folder: Path) -> int:
    """The highest output to one of the images, which no other one has."""
    model = task(folder, TopClasses(0)).open_models()[0]
    images = open_images(folder / "all.txt")
    loaded = {
        index: images.load(index, shape=ImageShape.square(SIZE), preprocess="resize")
        for index in range(COUNT)
        if index not in DAMAGED
    }
    tops = {index: round(float(model.run(pixels).max())) for index, pixels in loaded.items()}
    assert list(tops.values()).count(tops[20]) == 1
    return tops[20]


def test_the_same_bytes_and_no_tensorflow(cluster: Cluster, folder: Path, expected: list[bytes]) -> None:
    cluster.have(folder, folder)
    images = open_images(folder / "all.txt")
    made = task(folder, TopClasses(0))
    assert with_dask(cluster, made, images) == (expected, [])
    with distributed.Client(cluster.address, set_as_default=False) as client:
        modules = client.run(lambda: sorted(sys.modules))
        left = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        kept = client.get_metadata(["edge-mnv3"])
    assert len(modules) == 2
    for names in modules.values():
        assert "ai_edge_litert.interpreter" in names
        assert not {"tensorflow", "keras", "scipy"} & set(names)
    assert left == 0
    assert set(kept.values()) == {None}
    other = here(made, images)._replace(numpy="1.0")
    with (
        DaskEngine(cluster.address, RecordingReporter(), SOON) as engine,
        pytest.raises(SchedulerError, match=r"might give other results: got numpy .*, not 1\.0; install"),
    ):
        engine.environment(made, images, other)


def test_an_interrupted_run_leaves_nothing(cluster: Cluster, folder: Path) -> None:
    cluster.have(folder, folder)
    images, made = open_images(folder / "all.txt"), task(folder, TopClasses(0))
    shards = shards_of(images)
    with DaskEngine(cluster.address, RecordingReporter(), SOON) as engine:
        engine.environment(made, images, here(made, images))
        running = engine.run(made, shards, engine.team(images, shards))
        next(running)
        running.close()
        with distributed.Client(cluster.address, set_as_default=False) as client:
            while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
                pass  # the message is on its way; without it this would go on until the test's time is up


@pytest.mark.parametrize("harm", ["kill", "stop", "wait"])
def test_a_worker_that_is_lost_costs_no_result(
    cluster: Cluster, folder: Path, expected: list[bytes], highest: int, tmp_path: Path, harm: Any
) -> None:
    cluster.have(folder, folder)
    reading = Harming(0, highest, tmp_path / "fuse", harm)
    reading.fuse.touch()
    records, warnings = with_dask(cluster, task(folder, reading), open_images(folder / "all.txt"))
    assert records == expected
    assert reading.held.exists()
    told = " ".join(warnings)
    if harm == "kill":
        assert [each.poll() for each in cluster.processes].count(-signal.SIGKILL) == 1
        assert re.search(r"Dask workers were killed or crashed: \d+ images are done again, alone", told)
    else:
        # The scheduler itself would have waited for five minutes.
        assert [stopped(each) for each in cluster.processes].count(True) == (harm == "stop")
        assert "does not answer: others do what it has" in told
    reading.held.unlink()


def test_images_that_end_workers_are_named(
    cluster: Cluster, folder: Path, highest: int, tmp_path: Path
) -> None:
    cluster.have(folder, folder)
    reading = Harming(0, highest, tmp_path / "fuse", "kill", lasts=True)
    reading.fuse.touch()
    with pytest.raises(WorkerLostError, match=r"images 20\.png to 23\.png: got several Dask workers"):
        with_dask(cluster, task(folder, reading), open_images(folder / "all.txt"))


def test_a_worker_that_does_not_see_the_images(
    cluster: Cluster, folder: Path, expected: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    images, made = open_images("all.txt"), task(folder, TopClasses(0))
    cluster.have(folder, tmp_path)
    records, warnings = with_dask(cluster, made, images)
    assert records == expected
    assert warnings
    for warning in warnings:
        tried = "png (no such file or directory): another one tries" in warning
        assert tried or "cannot open what others can: it gets no more work" in warning
    cluster.have(tmp_path)
    with pytest.raises(InputFileError, match=r"image \d+\.png on Dask worker tcp://.*: got no such file"):
        with_dask(cluster, made, images)
    # What is not here either is left out, as by this machine alone.
    (folder / "gone.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "gone.txt").write_text("0.png\ngone.png\n")
    gone = open_images(folder / "gone.txt")
    (folder / "gone.png").unlink()
    shards = [Shard(0, gone, range(2))]
    with DaskEngine(cluster.address, RecordingReporter(), SOON) as engine:
        engine.environment(made, gone, here(made, gone))
        assert content(engine.run(made, shards, engine.team(gone, shards))) == content(
            in_threads(made, shards, 1)
        )


def test_a_worker_that_ends_when_it_is_asked_gets_no_work(
    cluster: Cluster, folder: Path, expected: list[bytes], tmp_path: Path
) -> None:
    cluster.have(folder, tmp_path)
    images, plain = open_images(folder / "all.txt"), task(folder, TopClasses(0))
    made = KillingTask(**{name: getattr(plain, name) for name in Evaluation.__slots__}, folder=tmp_path)
    reporter, shards = RecordingReporter(), shards_of(images)
    with DaskEngine(cluster.address, reporter, SOON) as engine:
        engine.environment(made, images, here(plain, images))
        assert content(engine.run(made, shards, engine.team(images, shards))) == expected
    assert any(
        "killed or crashed when it was asked what it is: it gets no work" in each
        for each in reporter.warnings
    )
    cluster.have(tmp_path)
    with (
        DaskEngine(cluster.address, RecordingReporter(), SOON) as engine,
        pytest.raises(SchedulerError, match="got no worker that answers"),
    ):
        engine.environment(made, images, here(plain, images))


def test_pixels_that_lie_here_are_not_sent(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    cluster.have(folder)
    images = dataclasses.replace(open_images(folder / "all.txt"), location="here")
    with (
        DaskEngine(cluster.address, RecordingReporter(), SOON) as engine,
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(
            ArgumentError, match=r"--engine dask with images here: got pixels that lie on this mach"
        ),
    ):
        patch.setattr(type(images), "part", lambda self, indices: None)
        engine.environment(task(folder, TopClasses(0)), images, here(task(folder, TopClasses(0)), images))


def test_validate_by_dask(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    cluster.have(folder, folder)
    (folder / "all.csv").write_text("file,label\n" + "".join(f"{index}.png,1\n" for index in range(COUNT)))
    files = ("--float", folder / "f.tflite", "--int8", folder / "q.tflite", "--data", folder / "all.csv")
    how = ("--preprocess", "resize", "--input-range", "0..255", "--store", tmp_path / "store", "--json")
    arguments = ("validate", *files, *how)
    dask = ("--engine", "dask", "--scheduler", cluster.address)
    first = run(*arguments, *dask)
    assert f"{COUNT} images, " in first.stderr
    assert "in 2 Dask threads" in first.stderr
    local = run(*arguments)
    assert local.stdout == first.stdout == run(*arguments, "--no-store").stdout
    # What other machines answered is taken for what this one would, if its processor is of the same kind.
    assert f"{COUNT} images from the store" in local.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--engine", "dask"), "--engine dask: got no --scheduler"),
        (("--scheduler", "tcp://127.0.0.1:1"), "--scheduler: got --engine local, expected --engine dask"),
        (("--engine", "dask", "--scheduler", "x", "--workers", "2"), "--workers: got --engine dask"),
    ],
)
def test_half_an_engine_is_refused(folder: Path, options: tuple[str, ...], told: str) -> None:
    files = ("--float", folder / "f.tflite", "--int8", folder / "q.tflite", "--data", folder / "all.txt")
    result = run("validate", *files, *options)
    assert (result.exit_code, told in result.stderr) == (1, True)


def test_no_scheduler_is_an_error_of_one_line() -> None:
    with pytest.raises(EdgeMnv3Error, match=r"Dask scheduler tcp://127\.0\.0\.1:1: got no answer"):
        DaskEngine("tcp://127.0.0.1:1", RecordingReporter(), Patience(connect_s=0.5))
