"""Freed memory goes back to the system where the C library can give it back."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from edge_mnv3.core.memory import give_back_freed_memory


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
