"""What a worker process runs: the runtime, and neither TensorFlow nor the caller's script."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from edge_mnv3.core.parallel import share_large_image_lock
from edge_mnv3.core.runtime import LoadedModel
from edge_mnv3_quantization.evaluation.evaluating import Shard, ShardTask


class _Task(NamedTuple):
    task: ShardTask[Any]
    models: list[LoadedModel]
    stop: Any


_task: list[_Task] = []


def begin(task: ShardTask[Any], stop: Any, large_images: AbstractContextManager[Any]) -> None:
    """Loads the files, once a process.

    Args:
        task: What is done with shards.
        stop: Shared memory, whose `value` is not 0 once nothing more is wanted.
        large_images: The lock of all workers for large images.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    share_large_image_lock(large_images)
    _task.append(_Task(task, task.open_models(), stop))


def done_here(shard: Shard) -> Any:
    """Does the task with a shard, once `begin` was called."""
    begun = _task[-1]
    return begun.task.done(begun.models, shard, lambda: bool(begun.stop.value))


def _end_with_parent() -> None:
    """A killed parent cannot end its workers, which would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def starting_processes() -> Iterator[None]:
    """Where processes are started: they run no line of the caller's script, and do not get its Ctrl-C.

    `multiprocessing` has new processes import the main module, so that a script without the usual guard would
    start again in each of them. Here they need nothing of it. Ctrl-C goes to all processes of a terminal;
    this one ends the others.
    """
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {
        name: main.__dict__[name] for name in ("__file__", "__spec__") if name in main.__dict__
    }
    main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        with _without_interrupts():
            yield
    finally:
        main.__dict__.update(kept)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started here never get SIGINT; this one gets it afterwards."""
    import signal

    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
