"""What fails on the way to Dask's workers and back, with a scheduler and a clock that are played."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation import dask_engine, dask_parts
from edge_mnv3_quantization.evaluation.dask_engine import DaskEngine
from edge_mnv3_quantization.evaluation.dask_parts import Parts, Patience, SchedulerError
from edge_mnv3_quantization.evaluation.dask_worker import Answer
from edge_mnv3_quantization.evaluation.engine import WorkerLostError
from edge_mnv3_quantization.evaluation.environment import Environment
from edge_mnv3_quantization.evaluation.evaluating import Shard
from recording_reporter import RecordingReporter

HERE = Environment("litert 2", "2.0", "pillow 11", "program", "processor")
TIME, STEP = [0.0], [0.0]  # seconds: what the clock shows, and what each look at it takes
Result = Answer | BaseException | None  # None: nothing comes


class KilledWorker(Exception):  # noqa: N818
    """Dask's, played."""


class Timed(Patience):
    """A clock that the test turns."""

    def clock(self) -> float:
        TIME[0] += STEP[0]
        return TIME[0]


PATIENCE = Timed(answer_s=0.2, least_s=10.0, look_s=0.01)


def answer(worker: str, where: Environment = HERE) -> Answer:
    return Answer(worker, where, b"", 5.0)


class Client:
    """A scheduler of which the test says what becomes of each thing that is submitted."""

    def __init__(self, workers: list[str]) -> None:
        self.workers, self.status, self.id = workers, "running", "client"
        self.submitted: list[tuple[str, list[str]]] = []  # the key, and the workers that it may go to
        self.futures: list[Future[Any]] = []
        self.held: dict[str, list[str]] = {}
        self.cancelled: list[Future[Any]] = []
        self.metadata: dict[str, Any] = {}
        self.becomes: Callable[[int, list[str]], Result] = lambda number, allowed: answer(allowed[0])
        self.closed = False

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def processing(self) -> dict[str, list[str]]:
        return self.held

    def cancel(self, futures: list[Any], force: bool) -> None:
        self.cancelled += futures

    def wait_for_workers(self, count: int, timeout: float) -> None:
        if len(self.workers) < count:
            raise TimeoutError

    def set_metadata(self, place: list[str], content: Any) -> None:
        self.metadata[place[-1]] = content

    def close(self, timeout: float) -> None:
        self.closed = True

    def submit(
        self, _: Any, *given: Any, key: str, workers: list[str] | None = None, **__: Any
    ) -> Future[Any]:
        allowed = sorted(workers or self.workers)
        self.submitted.append((key, allowed))
        future: Future[Any] = Future()
        self.futures.append(future)
        self.held.setdefault(allowed[0], []).append(key)
        settle(future, self.becomes(len(self.futures), allowed))
        return future


def settle(future: Future[Any], result: Result) -> None:
    if isinstance(result, BaseException):
        future.set_exception(result)
    elif result is not None:
        future.set_result(result)


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("distributed")
    vars(module)["KilledWorker"] = KilledWorker
    monkeypatch.setitem(sys.modules, "distributed", module)
    for each in (dask_parts, dask_engine):
        monkeypatch.setattr(each, "pickled", list)
    TIME[0], STEP[0] = 0.0, 0.0
    return module


@pytest.fixture
def shards(tmp_path: Path) -> list[Shard]:
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 8, 8, 3), np.uint8))
    return [Shard(number, open_images(tmp_path / "a.npz"), (number,)) for number in range(4)]


class Run:
    """Answers as they come."""

    def __init__(self, client: Client, shards: list[Shard]) -> None:
        self.reporter = RecordingReporter()
        self.fetching = ThreadPoolExecutor(2)
        self.parts = Parts(client, "task", self.fetching, self.reporter, PATIENCE)
        self.coming = self.parts.answers(iter(shards))

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.parts.end()
        self.fetching.shutdown()

    def all(self) -> list[int]:
        return sorted(shard.number for done, _ in self.coming for shard in done)


def test_what_a_frozen_worker_has_is_done_by_another_and_its_late_answer_is_not_taken(
    shards: list[Shard],
) -> None:
    client = Client(["a", "b"])

    def becomes(number: int, allowed: list[str]) -> Result:
        if allowed[0] == "b":
            STEP[0] = 0.0
            settle(client.futures[0], answer("a"))  # it wakes up as the other one does its part
            return answer("b")
        return None

    client.becomes = becomes
    STEP[0] = 1.0
    with Run(client, shards[:1]) as run:
        assert run.all() == [0]
        assert [allowed for _, allowed in client.submitted] == [["a", "b"], ["b"]]
        assert run.reporter.warnings == ["Dask worker a does not answer: others do what it has"]
        assert run.parts.silent in (set(), {"a"})  # whether or not its answer was seen


def test_a_late_answer_is_not_a_second_one(shards: list[Shard]) -> None:
    client = Client(["a", "b"])
    with Run(client, shards[:1]) as run:
        client.becomes = lambda number, allowed: None
        run.parts._give(iter(shards[:1]))
        (part,) = run.parts._running
        run.parts._submit(part, {"a"})
        first, second = [key for key, _ in client.submitted]
        run.parts.silent.add("a")
        assert run.parts._taken(part, second, answer("b")) is not None
        assert client.cancelled == [client.futures[0]]
        assert run.parts._taken(part, first, answer("a")) is None
        assert run.parts.silent == set()  # it answers again
        assert run.parts._running == []


@pytest.mark.parametrize("failure", [CancelledError(), TimeoutError()])
def test_what_is_cancelled_or_does_not_arrive_is_tried_again(
    shards: list[Shard], failure: BaseException
) -> None:
    client = Client(["a"])
    client.becomes = lambda number, allowed: failure if number == 1 else answer("a")
    with Run(client, shards) as run:
        assert run.all() == [0, 1, 2, 3]
        assert len(client.submitted) == 5


def test_a_copy_that_is_cancelled_leaves_the_other_one_alone(shards: list[Shard]) -> None:
    client = Client(["a", "b"])
    client.becomes = lambda number, allowed: None
    with Run(client, shards[:1]) as run:
        run.parts._give(iter(shards[:1]))
        (part,) = run.parts._running
        run.parts._submit(part)
        assert run.parts._taken(part, client.submitted[0][0], CancelledError()) is None
        assert (len(part.copies), len(client.submitted)) == (1, 2)


def test_an_error_of_the_task_itself_ends_the_run(shards: list[Shard]) -> None:
    client = Client(["a"])
    client.becomes = lambda number, allowed: ModelFileError("model f.tflite", "damaged")
    with Run(client, shards) as run, pytest.raises(ModelFileError, match="model f.tflite: got damaged"):
        run.all()


def test_a_scheduler_that_has_gone_is_told(shards: list[Shard]) -> None:
    client = Client(["a"])

    def becomes(number: int, allowed: list[str]) -> Result:
        client.status = "closed"
        return CancelledError()

    client.becomes = becomes
    with Run(client, shards) as run, pytest.raises(SchedulerError, match="what was done is in the store"):
        run.all()
    assert client.cancelled == []


def test_what_ends_workers_again_is_named_and_the_rest_is_done(shards: list[Shard]) -> None:
    client = Client(["a"])
    client.becomes = lambda number, allowed: KilledWorker() if number == 1 else answer("a")
    with Run(client, shards) as run:
        assert run.all() == [0, 1, 2, 3]  # the first one alone, after the others
        assert run.reporter.warnings == ["Dask workers were killed or crashed: 1 image is done again, alone"]
    client = Client(["a"])
    client.becomes = lambda number, allowed: KilledWorker() if number in (1, 5) else answer("a")
    with Run(client, shards) as run, pytest.raises(WorkerLostError, match="several Dask workers"):
        run.all()


def test_a_worker_that_is_gone_is_told_and_no_longer_waited_for(shards: list[Shard]) -> None:
    client = Client(["a", "b"])
    client.becomes = lambda number, allowed: None
    with Run(client, shards[:1]) as run:
        run.parts._give(iter(shards[:1]))
        run.parts.silent.add("b")
        client.workers = ["a"]
        TIME[0] = 1.0
        run.parts._look()
        assert run.reporter.warnings == ["Dask worker b is gone: others do what it had"]
        assert run.parts.silent == set()
        TIME[0] = 20.0  # late, and nobody else is there
        run.parts._look()
        assert (len(client.submitted), run.parts.silent) == (1, set())


def test_a_worker_that_answers_other_parts_is_slow_and_not_silent(shards: list[Shard]) -> None:
    client = Client(["a", "b"])
    client.becomes = lambda number, allowed: None
    with Run(client, shards[:1]) as run:
        run.parts._give(iter(shards[:1]))
        TIME[0] = 11.0
        run.parts._last_answer["a"] = 10.5
        run.parts._look()
        assert run.parts.silent == set()
        assert [allowed for _, allowed in client.submitted] == [["a", "b"], ["b"]]
        run.parts._next_look = 0.0
        client.held = {}  # both are with the scheduler
        TIME[0] = 30.0
        run.parts._look()
        assert len(client.submitted) == 3


def test_answers_after_the_end_are_dropped(shards: list[Shard]) -> None:
    client = Client(["a"])
    client.becomes = lambda number, allowed: None
    with Run(client, shards[:1]) as run:
        run.parts._give(iter(shards[:1]))
    settle(client.futures[0], answer("a"))
    assert client.cancelled == client.futures


Connect = Callable[[Client], tuple[DaskEngine, RecordingReporter]]


class Task:
    """What the engine sends; it is never run here."""


@pytest.fixture
def connected(played: types.ModuleType) -> Connect:
    def connect(client: Client) -> tuple[DaskEngine, RecordingReporter]:
        vars(played)["Client"] = lambda address, **_: client
        reporter = RecordingReporter()
        return DaskEngine("tcp://host:8786", reporter, PATIENCE), reporter

    return connect


def asked(connect: Connect, client: Client, shards: list[Shard]) -> tuple[Environment, list[str]]:
    engine, reporter = connect(client)
    with engine:
        where = engine.environment(cast(Any, Task()), shards[0].images, HERE)
        assert engine.environment(cast(Any, Task()), shards[0].images, HERE) is where  # once
    assert client.closed
    assert set(client.metadata.values()) == {None}
    return where, reporter.warnings


def test_workers_are_asked_what_they_are(connected: Connect, shards: list[Shard]) -> None:
    client = Client(["a", "b", "c"])
    client.becomes = lambda number, allowed: (answer("a"), None, KilledWorker())[number - 1]
    where, warnings = asked(connected, client, shards)
    assert where == HERE
    assert warnings == [
        "Dask worker b does not answer: it gets no work",
        "Dask worker c was killed or crashed when it was asked what it is: it gets no work",
    ]


@pytest.mark.parametrize(
    ("workers", "second", "told"),
    [
        (2, answer("b", HERE._replace(numpy="1.0")), r"b might give other results: got numpy 1\.0, not 2\.0"),
        (2, answer("b", HERE._replace(program="x")), "got another version of edge-mnv3"),
        (2, answer("b", HERE._replace(processor="x")), "b: got another kind of processor than that of other"),
        (2, ImportError("no litert"), "b cannot run edge-mnv3: got ImportError no litert"),
        (2, ModelFileError("model f.tflite", "damaged"), "model f.tflite: got damaged"),
        (0, None, "got no workers, expected one at least"),
    ],
)
def test_workers_that_are_other_ones_are_refused(
    connected: Connect, shards: list[Shard], workers: int, second: Result, told: str
) -> None:
    client = Client(["a", "b"][:workers])
    client.becomes = lambda number, allowed: answer("a") if number == 1 else second
    engine, _ = connected(client)
    with engine, pytest.raises((SchedulerError, ModelFileError), match=told):
        engine.environment(cast(Any, Task()), shards[0].images, HERE)


def test_a_worker_that_is_another_one_later_is_refused(connected: Connect, shards: list[Shard]) -> None:
    client = Client(["a"])
    engine, _ = connected(client)
    with engine:
        with pytest.raises(ValueError, match="asked first"):
            next(engine.run(cast(Any, Task()), shards, cast(Any, None)))
        engine.environment(cast(Any, Task()), shards[0].images, HERE)
        assert engine.team(shards[0].images, shards).text == "1 Dask thread"
        client.becomes = lambda number, allowed: answer("new", HERE._replace(decoder="pillow 10"))
        with pytest.raises(SchedulerError, match="new might give other results: got decoder pillow 10, not"):
            list(engine.run(cast(Any, Task()), shards, cast(Any, None)))


def test_no_worker_answers_or_the_connection_is_lost(connected: Connect, shards: list[Shard]) -> None:
    client = Client(["a"])
    client.becomes = lambda number, allowed: None
    engine, _ = connected(client)
    with engine, pytest.raises(SchedulerError, match="got no worker that answers"):
        engine.environment(cast(Any, Task()), shards[0].images, HERE)
    client = Client(["a"])

    def lost(number: int, allowed: list[str]) -> Result:
        client.status = "closed"
        return CancelledError()

    client.becomes = lost
    engine, _ = connected(client)
    with engine, pytest.raises(SchedulerError, match="connection to the Dask scheduler was lost"):
        engine.environment(cast(Any, Task()), shards[0].images, HERE)


def test_what_cannot_be_sent_or_reached(
    played: types.ModuleType, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = connected(Client(["a"]))
    with pytest.raises(ArgumentError, match="got pixels that lie on this machine"):
        engine.environment(cast(Any, Task()), open_images("synthetic"), HERE)

    def refuse(address: str, **_: Any) -> Client:
        raise OSError("connection refused")

    vars(played)["Client"] = refuse
    with pytest.raises(SchedulerError, match=r"got no answer \(connection refused\)"):
        DaskEngine("tcp://host:1", RecordingReporter())
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SchedulerError, match=r"needs Dask: .*pip install 'edge-mnv3\[dask\]'"):
        DaskEngine("tcp://host:1", RecordingReporter())
