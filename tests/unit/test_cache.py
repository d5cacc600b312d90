"""The cache of what can be made again: whole entries or none, and never a failure."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_mnv3.core import cache
from edge_mnv3.core.cache import CACHE_VARIABLE, cache_folder, cache_key, get, put, sha256_sources
from recording_reporter import RecordingReporter

KEY = cache_key("test", {"weights": "abc"})
CONTENT = b"TFL3" * 100


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "converted"


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, "~/cache")
    assert cache_folder() == Path.home() / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache_folder().name == "edge-mnv3"


def test_what_was_put_is_got(folder: Path) -> None:
    reporter = RecordingReporter()
    assert get(KEY, reporter) is None
    put(KEY, CONTENT, reporter)
    assert get(KEY, reporter) == CONTENT
    assert get(cache_key("test", {"weights": "abd"}), reporter) is None
    put(KEY, b"", reporter)
    assert get(KEY, reporter) == b""
    assert reporter.warnings == []
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.entry"]


def test_keys_differ_in_every_part() -> None:
    parts: tuple[dict[str, object], ...] = (
        {"a": 1.0},
        {"a": 1},
        {"a": True},
        {"a": "1"},
        {"b": 1},
        {"a": {"b": "1"}},
        {"a": 1, "b": ""},
        {},
    )
    keys = {cache_key(kind, part) for kind in ("one", "other") for part in parts}
    assert len(keys) == 2 * len(parts)
    assert cache_key("one", {"a": 1, "b": 2}) == cache_key("one", {"b": 2, "a": 1})


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "longer", "renamed"])
def test_damaged_entries_are_told_and_removed(folder: Path, damage: str) -> None:
    put(KEY, CONTENT)
    path = folder / f"{KEY}.entry"
    whole = path.read_bytes()
    if damage == "renamed":
        other = cache_key("test", {"weights": "other"})
        put(other, b"another file")
        (folder / f"{other}.entry").replace(path)
    else:
        flipped = whole[:-1] + bytes([whole[-1] ^ 1])
        path.write_bytes(
            {"cut": whole[:-1], "empty": b"", "flipped": flipped, "longer": whole + b"x"}[damage]
        )
    reporter = RecordingReporter()
    assert get(KEY, reporter) is None
    assert reporter.warnings == [f"{path} is damaged: its content is made again"]
    assert not path.exists()


def test_a_folder_that_cannot_be_used_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    reporter = RecordingReporter()
    put(KEY, CONTENT, reporter)
    assert get(KEY, reporter) is None
    kept, read = reporter.warnings
    assert kept.startswith(f"cache: {tmp_path / 'file'}")
    assert kept.endswith(
        ": what was converted is not kept; set EDGE_MNV3_CACHE to a folder that can be written to, "
        "or use --no-cache"
    )
    assert ": nothing is taken from it; " in read


def test_an_entry_that_cannot_be_written_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "replace", full)
    reporter = RecordingReporter()
    put(KEY, CONTENT, reporter)
    (warning,) = reporter.warnings
    assert "No space left on device" in warning
    assert list(folder.iterdir()) == []


def test_the_oldest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_LARGEST_BYTES", 3 * (len(CONTENT) + 32))
    keys = [cache_key("test", {"number": number}) for number in range(4)]
    now = time.time()
    for age, key in enumerate(keys[:3]):
        put(key, CONTENT)
        os.utime(folder / f"{key}.entry", (now - 300 + age, now - 300 + age))
    assert get(keys[0]) == CONTENT  # used again, so that the second is the oldest
    put(keys[3], CONTENT)
    assert [get(key) is not None for key in keys] == [True, False, True, True]


def test_what_killed_processes_left_is_removed(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, new = folder / ".killed", folder / ".writing"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    put(KEY, CONTENT)
    assert not old.exists()
    assert new.exists()


def test_writers_of_the_same_entry_do_not_meet() -> None:
    def write_then_read(_: int) -> bytes | None:
        put(KEY, CONTENT * 1000)
        return get(KEY)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write_then_read, range(64))) == {CONTENT * 1000}


def test_sources_are_told_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "a_builder_of_tests.py"
    module.write_text("raise RuntimeError('is not imported')\n")
    first = sha256_sources([module.stem])
    module.write_text("raise RuntimeError('was changed')\n")
    second = sha256_sources([module.stem])
    assert first is not None
    assert second is not None
    assert first != second
    assert module.stem not in sys.modules
    assert sha256_sources([module.stem, "no_such_module_of_tests"]) is None
    assert sha256_sources(["sys"]) is None  # built into the interpreter
