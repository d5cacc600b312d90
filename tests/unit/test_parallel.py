"""Work in threads gives what work in a loop gives."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edge_mnv3.core.parallel import available_cores, map_in_threads, results_in_order, results_of_stream


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert map_in_threads(lambda item: item * item, range(20), workers) == [item * item for item in range(20)]
    assert map_in_threads(str, [], workers) == []
    squares = results_in_order(lambda tool, item: item * item, list(range(workers)), range(20))
    assert list(squares) == [item * item for item in range(20)]


def test_no_tool_is_used_twice_at_once() -> None:
    in_use: set[str] = set()
    both_work = threading.Barrier(2, timeout=30)

    def work(tool: str, item: int) -> str:
        assert tool not in in_use
        in_use.add(tool)
        both_work.wait()
        in_use.remove(tool)
        return tool

    used = list(results_in_order(work, ["a", "b"], range(20)))
    assert len(used) == 20
    assert set(used) == {"a", "b"}


def test_errors_reach_the_caller() -> None:
    def work(item: int) -> float:
        return 1 / item

    for workers in (1, 3):
        with pytest.raises(ZeroDivisionError):
            map_in_threads(work, [2, 1, 0], workers)


def test_there_is_at_least_one_core() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_stream_is_not_read_far_ahead(workers: int) -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    for place, square in enumerate(results_of_stream(lambda item: item * item, items(), workers)):
        assert square == place * place
        assert len(taken) <= place + workers + 1
    assert len(taken) == 20


def test_an_error_in_a_stream_reaches_the_caller() -> None:
    for workers in (1, 3):
        with pytest.raises(ZeroDivisionError):
            list(results_of_stream(lambda item: 1 / item, iter([2, 1, 0, 4, 5]), workers))
