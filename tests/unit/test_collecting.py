"""Statistics that go on where they were: images that could not be read are tried again, and counted once."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import ImageSource, RemoteContent
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.calibration_statistics import CountedImages, StatisticsFacts
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.calibration import collecting
from edge_mnv3_quantization.calibration.channel_totals import no_totals
from edge_mnv3_quantization.calibration.collecting import ImagesToCount, collect
from edge_mnv3_quantization.calibration.counted_files import Unfinished, save_counted
from edge_mnv3_quantization.calibration.shard_totals import DIGEST_BYTES, Observation, ShardTotals
from edge_mnv3_quantization.evaluation.contents import hashed
from edge_mnv3_quantization.evaluation.engines import Team
from edge_mnv3_quantization.evaluation.evaluating import Shard
from edge_mnv3_quantization.evaluation.records import Skipped

COUNT, CHANNELS = 40, 2
TASK = Observation(
    content=b"",
    channels=(CHANNELS,),
    input_scale=1.0,
    input_offset=0.0,
    shape=ImageShape.square(4),
    preprocess="resize",
)


class Engine:
    """Counts without any model; some images cannot be read, and it may end early."""

    def __init__(self, broken: Iterable[int] = (), *, shards: int = 99, remote: bool = False) -> None:
        self.broken, self.shards, self.remote = set(broken), shards, remote
        self.ran: list[int] = []

    def team(self, images: ImageSource, shards: Sequence[Shard]) -> Team:
        return Team(1, "thread")

    def run(self, task: Any, shards: Iterable[Shard], team: Team) -> Generator[Any, None, None]:
        for number, shard in enumerate(shards):
            if number == self.shards:
                raise KeyboardInterrupt
            self.ran += shard.indices
            yield shard, self._totals(shard)

    def _totals(self, shard: Shard) -> ShardTotals:
        totals, digests, skipped, files = no_totals(CHANNELS), b"", [], []
        for place, index in enumerate(shard.indices):
            content = shard.images.content(index)
            files.append(None if content is None or content.path is None else hashed(content.path))
            if index in self.broken:
                skipped.append(Skipped(place, "input/output error"))
                continue
            totals.add([np.full((1, CHANNELS), index, np.float32)])
            digests += hashlib.sha256(bytes([index])).digest()[:DIGEST_BYTES]
        return ShardTotals(totals, digests, tuple(skipped), tuple(files))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr(collecting, "_SHARE", 0)


@pytest.fixture
def images(tmp_path: Path) -> ImageSource:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:02}.png").write_bytes(bytes([number]))
    return open_images(folder)


def facts() -> StatisticsFacts:
    return StatisticsFacts(
        network_sha256="n" * 64,
        models_sha256=("m" * 64,),
        input_shape=TASK.shape,
        preprocess="resize",
        data=(CountedImages(sha256="d", location="photos"),),
        images=0,
        repeated=0,
        skipped=(),
        channels=TASK.channels,
        environments=("here",),
        sha256="",
    )


def run(
    images: ImageSource, engine: Engine, start: Unfinished | None = None, kept: list[Unfinished] | None = None
) -> bytes:
    """The bytes of the statistics."""
    counting = ImagesToCount(source=images, indices=range(COUNT), engine=engine)  # type: ignore[arg-type]
    notes = [] if kept is None else kept
    made = collect(TASK, counting, facts(), start=start, on_checkpoint=notes.append)
    path = Path(images.location) / "all.npz"
    save_counted(made, path)
    return path.read_bytes()


def interrupted(images: ImageSource, engine: Engine, start: Unfinished | None = None) -> Unfinished:
    """What was kept last."""
    kept: list[Unfinished] = []
    with pytest.raises(KeyboardInterrupt):
        run(images, engine, start, kept)
    return kept[-1]


def test_an_image_that_was_mended_is_counted(images: ImageSource) -> None:
    start = interrupted(images, Engine(broken={3, 7, 20}, shards=2))
    assert start.done == {0, 1}
    assert dict(start.left_out) == dict.fromkeys((3, 7, 20), "input/output error")
    counting = ImagesToCount(source=images, indices=range(COUNT))
    expected = [index < 32 and index not in (3, 7, 20) for index in range(COUNT)]
    assert counting.counted_by(start).tolist() == expected
    again = Engine(broken={7})
    made = run(images, again, start)
    assert sorted(again.ran) == [3, 7, 20, *range(32, 40)]
    assert made == run(images, Engine(broken={7}))


def test_what_is_still_broken_stays_left_out_over_several_interruptions(images: ImageSource) -> None:
    first = interrupted(images, Engine(broken={3, 20}, shards=2))
    # The second run ends before it comes to image 20 again.
    second = interrupted(images, Engine(broken={3, 20}, shards=1), first)
    assert second.left_out == first.left_out
    third = Engine(broken={3, 20})
    assert run(images, third, second) == run(images, Engine(broken={3, 20}))
    assert sorted(third.ran) == [3, 20, *range(32, 40)]


def test_nothing_is_left_to_do(images: ImageSource) -> None:
    kept: list[Unfinished] = []
    whole = run(images, Engine(), kept=kept)
    start = kept[-1]
    last = Engine()
    assert run(images, last, start) == whole
    done = start._replace(done=frozenset({0, 1, 2}), counted=start.counted)
    nobody = Engine()
    assert run(images, nobody, done)
    assert nobody.ran == []


def test_other_files_on_workers_are_refused(images: ImageSource, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(images, Engine(remote=True)) == run(images, Engine())
    engine = Engine(remote=True)
    original = engine._totals

    def other(shard: Shard) -> ShardTotals:
        totals = original(shard)
        files = [
            None if file is None else file._replace(sha256="x", signature="1:2") for file in totals.files
        ]
        return totals._replace(files=tuple(files))

    monkeypatch.setattr(engine, "_totals", other)
    with pytest.raises(InputFileError, match=r"image 00\.png: got other bytes on a worker than here"):
        run(images, engine)


class Served:
    """Images of one file behind a URL."""

    def __init__(self, answers: Sequence[bool | None]) -> None:
        self.answers = list(answers)

    def content(self, index: int) -> None:
        return None

    def name(self, index: int) -> str:
        return f"{index}.png"

    def remote(self, index: int) -> RemoteContent:
        return RemoteContent("https://host/a.tar", str(index), "9 bytes", settled=False, tagged=False)

    def still_served(self, indices: Sequence[int]) -> list[bool | None]:
        return [self.answers.pop(0)]


class Warned(Reporter):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.mark.parametrize(("answers", "kept"), [([False], 0), ([True, True, False], 2)])
def test_a_file_behind_a_url_that_changes_is_refused(answers: list[bool], kept: int) -> None:
    counting = ImagesToCount(source=cast(ImageSource, Served(answers)), indices=range(COUNT), engine=Engine())  # type: ignore[arg-type]
    notes: list[Unfinished] = []
    with pytest.raises(InputFileError, match=r"a\.tar: got changed while its images were read"):
        collect(TASK, counting, facts(), on_checkpoint=notes.append)
    assert len(notes) == kept


def test_a_file_whose_server_tells_nothing_is_named_once() -> None:
    served, reporter = Served([True, None, None]), Warned()
    counting = ImagesToCount(source=cast(ImageSource, served), indices=range(COUNT), engine=Engine())  # type: ignore[arg-type]
    collect(TASK, counting, facts(), reporter=reporter, on_checkpoint=lambda so_far: None)
    assert served.answers == []
    (warning,) = reporter.warnings
    assert warning.startswith("the server does not tell whether https://host/a.tar changed")
