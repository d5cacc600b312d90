"""The store of results: what is kept is found, and what was damaged is not taken."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.stages.results import exported_results
from edge_mnv3_quantization.evaluation.contents import hashed, looked
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.evaluation.store_rows import StoredShard
from recording_reporter import RecordingReporter

SHARDS = 40


def shard(number: int) -> StoredShard:
    return StoredShard((f" {number:064}",), bytes([number]) * 4000)


def filled(folder: Path) -> Path:
    """Fills a store, and returns its file."""
    with Store(folder, RecordingReporter()) as store:
        store.use_run("run", "{}")
        for number in range(SHARDS):
            store.keep_shard(f"key {number}", "run", shard(number))
    return folder / "results-1.sqlite"


def found(folder: Path, reporter: RecordingReporter) -> int:
    """Counts the shards that are found; none is another than was kept."""
    with Store(folder, reporter) as store:
        there = [store.shard(f"key {number}") for number in range(SHARDS)]
    assert all(each is None or each == shard(number) for number, each in enumerate(there))
    return sum(each is not None for each in there)


def test_what_is_kept_is_found_by_others_at_once(tmp_path: Path) -> None:
    reporter = RecordingReporter()
    with Store(tmp_path, reporter) as one, Store(tmp_path, reporter) as other:
        one.keep_shard("a", "run", shard(1))
        assert other.shard("a") == shard(1)
        other.keep_shard("a", "run", shard(2))
        assert one.shard("a") == shard(2)
        one.keep_files([("/a\udcff.jpg", "1:2", "ab")])
        assert other.file_hashes({"/a\udcff.jpg": "1:2", "/b.jpg": "1:2"}) == {"/a\udcff.jpg": "ab"}
        assert other.file_hashes({"/a\udcff.jpg": "1:3"}) == {}
        other.use_run("run", "{}")
        assert [run.key for run in one.runs()] == ["run"]
        one.drop_runs(["run"])
        assert (other.shard("a"), other.runs()) == (None, [])
    assert reporter.warnings == []


def test_a_row_that_was_altered_is_left_out(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE kept SET content = zeroblob(4000) WHERE key = 'key 7'")
    connection.close()
    reporter = RecordingReporter()
    assert found(tmp_path, reporter) == SHARDS - 1
    (warning,) = reporter.warnings
    assert warning.endswith("1 damaged rows were left out; their images are run again")


def test_of_a_damaged_file_the_rows_that_can_be_read_are_saved(tmp_path: Path) -> None:
    path = filled(tmp_path)
    content = path.read_bytes()
    # The page of the index, and some of the rows'.
    for start in (8192, len(content) // 2, len(content) - 8192):
        content = content[:start] + b"\xa5" * 4096 + content[start + 4096 :]
    path.write_bytes(content)
    reporter = RecordingReporter()
    assert SHARDS - 15 < found(tmp_path, reporter) < SHARDS
    assert reporter.warnings[0].startswith(f"store {path} is damaged: ")
    again = RecordingReporter()
    assert SHARDS - 15 < found(tmp_path, again) < SHARDS
    assert again.warnings == []


@pytest.mark.parametrize("content", [b"no database" * 1000, b""], ids=["other", "empty"])
def test_a_file_that_is_no_database_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "results-1.sqlite").write_bytes(content)
    with Store(tmp_path, RecordingReporter()) as store:
        assert store.shard("a") is None
        store.keep_shard("a", "run", shard(1))
        assert store.shard("a") == shard(1)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reporter = RecordingReporter()
    with Store(tmp_path / "file", reporter) as store:
        store.keep_shard("a", "run", shard(1))
        assert store.shard("a") is None
    (warning,) = reporter.warnings
    assert warning.endswith("use --store with a folder that can be written to, or --no-store")


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell when a file was changed")
def test_a_file_that_was_changed_has_another_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    first = hashed(path)
    assert first is not None
    # So soon after it was written another change may bear the same time.
    assert not first.settled
    now_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + 3_000_000_000)
    settled = hashed(path)
    assert settled is not None
    assert settled.settled
    assert looked(path) == settled[1:]
    facts = path.stat()
    while looked(path) == settled[1:]:
        # The same size, and the same time of change as far as programs can set it.
        path.write_bytes(b"two")
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_mtime_ns == facts.st_mtime_ns
    path.unlink()
    assert (looked(path), hashed(path)) == (None, None)


def test_a_pipe_holds_nothing_that_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert (looked(tmp_path / "a.jpg"), hashed(tmp_path / "a.jpg")) == (None, None)


def without_index_entries(path: Path) -> None:
    """Makes an index lack rows, as a lost page of it does: only a check of the file sees it."""
    with sqlite3.connect(path) as connection:
        number = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'kept_run'").fetchone()[
            0
        ]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    content = bytearray(path.read_bytes())
    start = (number - 1) * size
    assert content[start] == 10  # a leaf of an index
    cells = int.from_bytes(content[start + 3 : start + 5], "big")
    content[start + 3 : start + 5] = (cells // 2).to_bytes(2, "big")
    path.write_bytes(content)


def test_rows_that_an_index_lacks_are_found_where_all_are_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    without_index_entries(path)
    with Store(tmp_path, RecordingReporter()) as store:
        assert len(list(store.shards("run"))) < SHARDS
    reporter = RecordingReporter()
    with Store(tmp_path, reporter, reads_all=True) as store:
        assert len(list(store.shards("run"))) == SHARDS
    assert reporter.warnings == [
        f"store {path} is damaged: {SHARDS} of its shards could be saved; what is lost is run again"
    ]


def test_a_file_that_is_damaged_midway_is_read_again(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Store(tmp_path, RecordingReporter()) as store:
        content = path.read_bytes()
        start = len(content) // 8192 * 4096
        path.write_bytes(content[:start] + b"\xa5" * 4096 + content[start + 4096 :])
        assert SHARDS - 10 < len(list(store.shards("run"))) < SHARDS


@pytest.mark.parametrize("reads_all", [False, True])
def test_a_file_that_is_damaged_again_is_an_error_only_where_all_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads_all: bool
) -> None:
    filled(tmp_path)
    with Store(tmp_path, RecordingReporter(), reads_all=reads_all) as store:

        def fail(found: object) -> None:
            raise sqlite3.DatabaseError("malformed")

        monkeypatch.setattr(store, "_whole", lambda *_: fail(None))
        if reads_all:
            with pytest.raises(InputFileError, match="damaged again after it was mended"):
                store.shard("key 1")
        else:
            assert store.shard("key 1") is None


@pytest.mark.parametrize("column", ["facts", "key"])
def test_a_text_that_is_no_utf8_costs_its_row_alone(tmp_path: Path, column: str) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE kept SET {column} = CAST(X'61ff62' AS TEXT) WHERE key = 'key 7'")
    connection.close()
    with Store(tmp_path, RecordingReporter(), reads_all=True) as store:
        assert len(list(store.shards("run"))) == SHARDS - 1
    reporter = RecordingReporter()
    assert found(tmp_path, reporter) == SHARDS - 1
    assert not any("cannot" in warning for warning in reporter.warnings)


def test_a_damaged_row_that_cannot_be_named_is_left_out(tmp_path: Path) -> None:
    filled(tmp_path)
    with Store(tmp_path, RecordingReporter()) as store:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE kept (kind, key)")
        assert store._whole(connection, ("shard", "\udcff", "run", "[]", b"", "")) is None
        connection.close()


def test_a_store_that_cannot_be_used_is_an_error_where_all_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputFileError, match="a store that can be read and written"):
        Store(tmp_path / "file", RecordingReporter(), reads_all=True)


def test_an_export_of_no_image_is_an_error(tmp_path: Path) -> None:
    with Store(tmp_path / "store", RecordingReporter()) as store:
        store.use_run("run", "{}")
    with pytest.raises(InputFileError, match="no image in the store"):
        exported_results("run", tmp_path / "a.csv", store=tmp_path / "store", force=False)
    assert not (tmp_path / "a.csv").exists()
