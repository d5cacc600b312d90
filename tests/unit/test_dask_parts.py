"""Which worker gets a part whose images not every worker can have, with a scheduler that is played."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.errors import InputFileError
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation import dask_parts
from edge_mnv3_quantization.evaluation.dask_part import Part
from edge_mnv3_quantization.evaluation.dask_parts import Parts, Patience, SchedulerError
from edge_mnv3_quantization.evaluation.dask_worker import Answer, Place, Unopened, closed_images
from edge_mnv3_quantization.evaluation.engine import WorkerLostError
from edge_mnv3_quantization.evaluation.evaluating import Shard
from recording_reporter import RecordingReporter

NAMES = [f"{number}.png" for number in range(8)]
SHARD = 4
PATIENCE = Patience(answer_s=20, least_s=20, look_s=0.05)


class KilledWorker(Exception):  # noqa: N818
    """Dask's, played."""


@dataclass
class Worker:
    """Sees some of the images; some of these it cannot read."""

    sees: set[str] = field(default_factory=lambda: set(NAMES))
    fails: set[str] = field(default_factory=set)
    does: list[str] = field(default_factory=list)
    answers: bool = True


class Client:
    """Gives work to the first worker that it is allowed for, and does it at once."""

    def __init__(self, workers: dict[str, Worker]) -> None:
        self.workers, self.status, self.id = workers, "running", "client"
        self.cancelled: list[Any] = []
        self.turn = 0
        self.killing: Callable[[Sequence[str]], bool] = lambda names: False

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def processing(self) -> dict[str, list[str]]:
        return {}

    def cancel(self, futures: list[Any], force: bool) -> None:
        self.cancelled += futures

    def submit(self, function: Any, *given: Any, workers: list[str] | None = None, **_: Any) -> Future[Any]:
        allowed = workers or sorted(self.workers)
        self.turn += 1
        worker = allowed[self.turn % len(allowed)]
        future: Future[Any] = Future()
        shards: list[Shard] = given[-1]
        if function is closed_images:
            played = self.workers[worker]
            if played.answers:
                future.set_result(
                    frozenset(place for place, name in named(shards) if name not in played.sees)
                )
            else:
                future.set_exception(CancelledError())
        elif self.killing([name for _, name in named(shards)]):
            future.set_exception(KilledWorker())
        else:
            future.set_result(self._answer(worker, shards))
        return future

    def _answer(self, worker: str, shards: list[Shard]) -> Answer:
        played = self.workers[worker]
        for place, name in named(shards):
            missing = name not in played.sees or name in played.fails
            if missing and place.image not in shards[place.shard].absent:
                return Answer(worker, None, None, 0.1, Unopened(place, name, "refused"))  # type: ignore[arg-type]
        played.does += [name for _, name in named(shards)]
        return Answer(worker, None, b"", 0.1)  # type: ignore[arg-type]


def named(shards: list[Shard]) -> list[tuple[Place, str]]:
    return [
        (Place(number, place), shard.images.name(index))
        for number, shard in enumerate(shards)
        for place, index in enumerate(shard.indices)
    ]


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("distributed")
    vars(module)["KilledWorker"] = KilledWorker
    monkeypatch.setitem(sys.modules, "distributed", module)
    monkeypatch.setattr(dask_parts, "pickled", lambda shards: list(shards))


@pytest.fixture
def shards(tmp_path: Path) -> list[Shard]:
    for number, name in enumerate(NAMES):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / name)
    images = open_images(tmp_path)
    return [Shard(number, images, range(start, start + SHARD)) for number, start in enumerate((0, SHARD))]


def gone(shards: list[Shard], *names: str) -> None:
    root = shards[0].images.root
    assert root is not None
    for name in names:
        (root / name).unlink()


def done(client: Client, shards: list[Shard]) -> tuple[list[Shard], list[str]]:
    reporter, found = RecordingReporter(), list[Shard]()
    with ThreadPoolExecutor(2) as fetching:
        parts = Parts(client, "task", fetching, reporter, PATIENCE)
        for made, _ in parts.answers(iter(shards)):
            found += made
        parts.end()
    return sorted(found), reporter.warnings


def absent(found: list[Shard]) -> set[str]:
    return {each.images.name(each.indices[place]) for each in found for place in each.absent}


def test_a_part_is_done_by_the_one_worker_that_can(shards: list[Shard]) -> None:
    blind = {f"w{number}": Worker(sees=set()) for number in range(6)}
    client = Client({**blind, "w6": Worker()})
    found, warnings = done(client, shards)
    assert absent(found) == set()
    assert sorted(client.workers["w6"].does) == NAMES
    assert any(warning.endswith("(refused): another one tries") for warning in warnings)


def test_an_image_that_is_missing_here_is_done_where_it_is_not(shards: list[Shard]) -> None:
    gone(shards, "2.png")
    client = Client({"a": Worker(sees={*NAMES} - {"2.png"}), "b": Worker()})
    found, _ = done(client, shards)
    assert absent(found) == set()
    assert {"0.png", "1.png", "2.png", "3.png"} <= {*client.workers["b"].does}


def test_what_nobody_can_have_is_left_out_alone(shards: list[Shard]) -> None:
    """The other images of the part still must be had: a worker that sees none of them does nothing."""
    gone(shards, "2.png")
    client = Client({"blind": Worker(sees=set()), "b": Worker(sees={*NAMES} - {"2.png"})})
    found, _ = done(client, shards)
    assert absent(found) == {"2.png"}
    assert client.workers["blind"].does == []
    assert sorted(client.workers["b"].does) == NAMES  # the last one without its pixels


def test_a_disk_that_fails_on_one_worker(shards: list[Shard]) -> None:
    client = Client({"a": Worker(fails={"1.png"}), "b": Worker()})
    found, _ = done(client, shards)
    assert absent(found) == set()
    assert "1.png" in client.workers["b"].does


def test_what_is_here_and_on_no_worker_is_an_error(shards: list[Shard]) -> None:
    client = Client({"a": Worker(sees={*NAMES} - {"1.png"}), "b": Worker(sees={*NAMES} - {"1.png", "0.png"})})
    with pytest.raises(InputFileError, match=r"image 1\.png on Dask worker .: got .*, expected a file that"):
        done(client, shards)


def test_images_that_are_spread_over_workers_are_an_error(shards: list[Shard]) -> None:
    client = Client({"a": Worker(sees={*NAMES[::2]}), "b": Worker(sees={*NAMES[1::2]})})
    with pytest.raises(InputFileError, match=r"got some images on one worker, and some on another"):
        done(client, shards)


def test_who_does_not_say_what_it_sees_is_tried(shards: list[Shard]) -> None:
    gone(shards, "5.png")
    client = Client({"a": Worker(sees=set(), answers=False), "b": Worker(answers=False)})
    found, _ = done(client, shards)
    assert absent(found) == set()
    assert sorted(client.workers["b"].does) == NAMES


def test_a_worker_that_sees_nothing_gets_no_more(shards: list[Shard]) -> None:
    images = shards[0].images
    client = Client({"a": Worker(sees=set()), "b": Worker()})
    found, warnings = done(client, [Shard(number, images, (number % 8,)) for number in range(40)])
    assert len(found) == 40
    assert [
        each for each in warnings if each == "Dask worker a cannot open what others can: it gets no more work"
    ]
    assert len([each for each in warnings if "another one tries" in each]) < 10


def test_what_ended_workers_is_done_alone_with_what_is_known(shards: list[Shard]) -> None:
    part = Part(shards, closed={"a": {Place(0, 1), Place(1, 2)}}, last=("a", Unopened(Place(0, 1), "x", "y")))
    gone(shards, "1.png")
    part.leave_out({Place(0, 1)})
    assert part.text == "0.png to 7.png"
    one, other = part.each_alone()
    assert (one.unable, other.unable) == (set(), {"a"})
    assert (one.absent, other.absent, one.shards[0].absent) == ({Place(0, 1)}, set(), frozenset({1}))
    client = Client({"a": Worker()})
    client.killing = lambda names: "6.png" in names
    with pytest.raises(WorkerLostError, match=r"images 4\.png to 7\.png"):
        done(client, shards)


def test_a_scheduler_that_goes_while_workers_are_asked(shards: list[Shard]) -> None:
    client = Client({"a": Worker(sees=set()), "b": Worker(sees=set())})

    def cut(*_: Any, **how: Any) -> Future[Any]:
        client.status = "closed"
        raise RuntimeError("no connection")

    original = client.submit
    client.submit = lambda function, *given, **how: (  # type: ignore[method-assign]
        cut() if function is closed_images else original(function, *given, **how)
    )
    with pytest.raises(SchedulerError, match="connection to the Dask scheduler was lost"):
        done(client, shards)
