"""Work on several cores: threads, since NumPy and the runtimes let others run while they reckon."""

from __future__ import annotations

import collections
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Tool = TypeVar("Tool")

_EACH = 4  # items a worker that are worked on before their results are taken


_large_images: list[AbstractContextManager[Any]] = [threading.Lock()]


def large_image_lock() -> AbstractContextManager[Any]:
    """Returns the lock under which one image of many megapixels at a time is decoded, for its memory."""
    return _large_images[0]


def share_large_image_lock(lock: AbstractContextManager[Any]) -> None:
    """Takes another lock for large images: one that this process shares with others."""
    _large_images[0] = lock


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """Calls a function with each item, in up to so many threads at once.

    Returns:
        The results, in the items' order.

    Raises:
        Exception: What the function raised for the first item for which it raised anything.
    """
    listed = list(items)
    if min(workers, len(listed)) <= 1:
        return [function(item) for item in listed]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, listed))


def results_of_stream(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Calls a function with each item, in up to so many threads at once, and takes few items ahead.

    Args:
        function: Called in any thread.
        items: Taken in this thread, one after the other, as they are needed.
        workers: Threads.

    Yields:
        The results, in the items' order.

    Raises:
        Exception: What the function raised.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        running = collections.deque[Future[Result]]()
        for item in items:
            running.append(pool.submit(function, item))
            del item  # or it would be kept until the next one is there
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def results_in_order(
    function: Callable[[Tool, Item], Result], tools: Sequence[Tool], items: Sequence[Item]
) -> Iterator[Result]:
    """Calls a function with each item and some tool, in as many threads as there are tools.

    Args:
        function: The result must not depend on which tool it is given.
        tools: What no two threads can use at once.
        items: The items.

    Yields:
        The results, in the items' order. Few are kept before they are taken.

    Raises:
        Exception: What the function raised.
    """
    free: queue.SimpleQueue[Tool] = queue.SimpleQueue()
    for tool in tools:
        free.put(tool)

    def call(item: Item) -> Result:
        tool = free.get()
        try:
            return function(tool, item)
        finally:
            free.put(tool)

    block = _EACH * len(tools)
    for start in range(0, len(items), block):
        yield from map_in_threads(call, items[start : start + block], len(tools))
