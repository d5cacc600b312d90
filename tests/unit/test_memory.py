"""Freed memory goes back to the system where the C library can give it back."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge_mnv3.core.memory import each_once, forget_pages, give_back_freed_memory


@pytest.mark.parametrize(("platform", "calls"), [("linux", [0]), ("darwin", []), ("win32", [])])
def test_only_linux_is_asked(platform: str, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=asked.append))
    give_back_freed_memory()
    assert asked == calls


def test_a_library_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    give_back_freed_memory()


def test_arrays_are_left_as_they_are(tmp_path: Path) -> None:
    """Those in memory, and those of a file that keep what is written to them."""
    numbers = np.arange(12).reshape(4, 3)
    path = tmp_path / "numbers.npy"
    np.save(path, numbers)
    for array in (numbers, numbers[1:], np.load(path, mmap_mode="r"), np.load(path, mmap_mode="r")[1:]):
        forget_pages(array)
        assert np.array_equal(array, numbers[-len(array) :])
        assert [row.tolist() for row in each_once(array)] == array.tolist()
    changed = np.load(path, mmap_mode="c")
    changed[:] = 7
    forget_pages(changed)
    assert (changed == 7).all()


STATUS = Path("/proc/self/status")


@pytest.mark.skipif(not STATUS.exists(), reason="memory is told by /proc")
def test_what_was_read_of_a_file_takes_no_memory_any_more(tmp_path: Path) -> None:
    def mapped_kb() -> int:
        told = re.search(r"RssFile:\s+(\d+)", STATUS.read_text())
        assert told
        return int(told[1])

    path = tmp_path / "numbers.npy"
    np.save(path, np.ones((8, 1 << 20), np.uint8))
    array = np.load(path, mmap_mode="r")
    before = mapped_kb()
    assert int(array.sum()) == 8 << 20
    assert mapped_kb() > before + 6000
    forget_pages(array[2:])
    assert mapped_kb() < before + 1000
