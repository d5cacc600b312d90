"""Work on several cores: threads, since NumPy and the runtimes let others run while they reckon."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
