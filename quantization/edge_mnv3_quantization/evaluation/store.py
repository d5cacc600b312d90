"""Records of shards kept in SQLite, so that nothing is evaluated twice.

Every row has a hash over all of it, so that one that was altered is told from a whole one. A file that SQLite
cannot read any more is replaced by a new one with the rows that can still be read. Nothing here fails for who
evaluates: what cannot be read or written must be evaluated again, and the reporter is warned. Who only reads
is told by an error.

Names of files count up, `results-1.sqlite` and so on, and the highest is in use: SQLite must never take the
journal of a file that was replaced for that of its successor.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, TypeVar

from edge_mnv3.core.cache import cache_folder
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.reporting import Reporter
from edge_mnv3_quantization.evaluation.store_rows import (
    StoredImages,
    StoredRun,
    StoredShard,
    check_whole,
    read_text,
)

FOLDER = "results"
Kind = Literal["run", "shard", "file", "images"]
_Read = TypeVar("_Read")
_WAIT_S = 60.0  # for another process that writes
_SMALLEST_ROW_BYTES = 100
_NEXT_STEP = "use --store with a folder that can be written to, or --no-store"
_CREATE = (
    "CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY, kind TEXT, key TEXT, run TEXT, facts TEXT, "
    "content BLOB, digest TEXT, UNIQUE (kind, key))"
)
_COUNT_RUNS = "CREATE INDEX IF NOT EXISTS kept_run ON kept (run)"
_SELECT = "SELECT kind, key, run, facts, content, digest FROM kept WHERE kind = ? AND key = ?"
_SELECT_ID = "SELECT kind, key, run, facts, content, digest FROM kept WHERE id = ?"
_SELECT_KIND = "SELECT kind, key, run, facts, content, digest FROM kept WHERE kind = ? ORDER BY id"
_SELECT_RUN = "SELECT kind, key, run, facts, content, digest FROM kept WHERE run = ? AND kind = ? ORDER BY id"
_SELECT_ANY = "SELECT 1 FROM kept WHERE run = ? AND kind = 'shard' LIMIT 1"
_AT_ONCE = 16
_SELECT_FILES = (
    "SELECT kind, key, run, facts, content, digest FROM kept WHERE kind = 'file' AND key IN "
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT = "INSERT OR REPLACE INTO kept (kind, key, run, facts, content, digest) VALUES (?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM kept WHERE kind = ? AND key = ?"
_DELETE_RUN = "DELETE FROM kept WHERE run = ?"
_LAST = "SELECT coalesce(max(id), 0) FROM kept"


def store_folder() -> Path:
    """Returns the folder of the store where none is given: `results` in the cache folder.

    Raises:
        RuntimeError: The user's home folder cannot be told.
    """
    return cache_folder() / FOLDER


class _Row(NamedTuple):
    """A row without its hash."""

    kind: str
    key: str
    run: str
    facts: str
    content: bytes

    @property
    def digest(self) -> str:
        texts = self[:4]
        lengths = " ".join(str(len(each)) for each in texts)
        head = "".join((lengths, ";", *texts)).encode("utf-8", "surrogateescape")
        return hashlib.sha256(head + self.content).hexdigest()


class Store:
    """The store in a folder; several processes may use it at once, and one thread of each.

    Args:
        folder: The folder.
        reporter: Warned of damage.
        reads_all: What is there is all that is wanted: the file is checked at once, and mended where it is
            damaged, and what cannot be used is an error.

    Raises:
        InputFileError: The store cannot be used; with `reads_all` only, here or in any method.
    """

    def __init__(self, folder: Path, reporter: Reporter, *, reads_all: bool = False) -> None:
        self.folder = folder
        self._reads_all = reads_all
        self._reporter = reporter
        self._connection: sqlite3.Connection | None = None
        self._path = folder
        self._altered = 0
        self._open()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if self._altered:
            then = "validate runs their images again" if self._reads_all else "their images are run again"
            self._reporter.warn(f"store {self._path}: {self._altered} damaged rows were left out; {then}")

    def shard(self, key: str) -> StoredShard | None:
        """Returns a shard by its key; None where there is none that is whole."""
        row = self._row("shard", key)
        return None if row is None else StoredShard(tuple(json.loads(row.facts)), row.content)

    def has_shards(self, run: str) -> bool:
        """Whether there is any shard of a run."""
        with self._guarded() as connection:
            return connection is not None and connection.execute(_SELECT_ANY, (run,)).fetchone() is not None
        return False

    def keep_shard(
        self, key: str, run: str, shard: StoredShard, files: Sequence[tuple[str, str, str]] = ()
    ) -> None:
        """Keeps a shard; it is there once this has returned, whatever then happens to the process.

        Args:
            key: What it is found by.
            run: The run's key.
            shard: The shard.
            files: As in `keep_files`, kept with it.
        """
        row = _Row("shard", key, run, json.dumps(shard.contents), shard.records)
        self._write([*_file_rows(files), row])

    def file_hashes(self, signatures: Mapping[str, str]) -> dict[str, str]:
        """Returns the hashes of files that had these signatures.

        Args:
            signatures: Path of a file to its signature.

        Returns:
            Path to hash, of those of which it is known.
        """
        paths = {_text(path): path for path in signatures}
        names, hashes = list(paths), {}
        for start in range(0, len(names), _AT_ONCE):
            asked = names[start : start + _AT_ONCE]
            with self._guarded() as connection:
                if connection is None:
                    break
                asked += [""] * (_AT_ONCE - len(asked))
                for found in connection.execute(_SELECT_FILES, asked).fetchall():
                    row = self._whole(connection, found)
                    if row is not None and row.facts == signatures[paths[row.key]]:
                        hashes[paths[row.key]] = row.content.decode()
        return hashes

    def keep_files(self, files: Sequence[tuple[str, str, str]]) -> None:
        """Keeps paths of files, each with its signature and hash."""
        self._write(_file_rows(files))

    def use_run(self, run: str, description: str) -> None:
        """Notes that a run is used now.

        Args:
            run: Its key.
            description: What it is, as JSON.
        """
        self._write([_Row("run", run, run, description, str(int(time.time())).encode())])

    def runs(self) -> list[StoredRun]:
        """All runs that are whole, in the order of their last use."""
        runs = [StoredRun(row.key, row.facts, int(row.content)) for row in self._rows("run")]
        return sorted(runs, key=lambda run: run.used_s)

    def shards(self, run: str) -> Iterator[StoredShard]:
        """The shards of a run that are whole, in the order in which they were written."""
        for row in self._rows("shard", run):
            yield StoredShard(tuple(json.loads(row.facts)), row.content)

    def keep_images(self, images: StoredImages, run: str) -> None:
        """Keeps which images an evaluation was made of, in place of what was kept under its key.

        Args:
            images: The images.
            run: The run's key.
        """
        self._write([_Row("images", images.key, run, images.description, images.content)])

    def images(self, run: str) -> list[StoredImages]:
        """All lists of images of a run that are whole, in the order in which they were written."""
        return [StoredImages(row.key, row.facts, row.content) for row in self._rows("images", run)]

    def known_files(self) -> dict[str, str]:
        """Hash of a file's bytes to a path that had them."""
        return {row.content.decode(): row.key for row in self._rows("file")}

    def drop_runs(self, runs: Sequence[str]) -> None:
        """Removes runs with their shards, and gives their space back to the system."""

        def drop(connection: sqlite3.Connection) -> None:
            connection.executemany(_DELETE_RUN, [(run,) for run in runs])
            connection.execute("VACUUM")

        self._twice(drop, None)

    @property
    def size_bytes(self) -> int:
        """Size of the file; 0 where there is none."""
        return self._path.stat().st_size if self._path.is_file() else 0

    def _row(self, kind: Kind, key: str) -> _Row | None:
        def read(connection: sqlite3.Connection) -> _Row | None:
            return self._whole(connection, connection.execute(_SELECT, (kind, key)).fetchone())

        return self._twice(read, None)

    def _rows(self, kind: Kind, run: str | None = None) -> list[_Row]:
        """All whole rows of a kind, or those of one run."""
        query = (_SELECT_KIND, (kind,)) if run is None else (_SELECT_RUN, (run, kind))
        # All at once: a file that turns out to be damaged midway must not look like one that ends there.
        nothing: list[tuple[object, ...]] = []
        found = self._twice(lambda connection: connection.execute(*query).fetchall(), nothing)
        rows = [row for each in found if (row := _checked(each)) is not None]
        self._altered += len(found) - len(rows)
        return rows

    def _twice(self, action: Callable[[sqlite3.Connection], _Read], otherwise: _Read) -> _Read:
        """Does it, and once more if the file had to be mended; `otherwise` where that is of no use."""
        for _ in range(2):
            with self._guarded() as connection:
                return otherwise if connection is None else action(connection)
        if self._reads_all:
            raise InputFileError(
                f"store {self.folder}", "damaged again after it was mended", "a store on a disk that is whole"
            )
        return otherwise

    def _whole(self, connection: sqlite3.Connection, found: tuple[object, ...] | None) -> _Row | None:
        """Returns a row, or drops it where it is not what was written."""
        if found is None:
            return None
        row = _checked(found)
        if row is None:
            self._altered += 1
            with suppress(UnicodeEncodeError):  # such a row cannot be named
                connection.execute(_DELETE, found[:2])
        return row

    def _write(self, rows: Sequence[_Row]) -> None:
        with self._guarded() as connection:
            if connection is not None:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_INSERT, [(*row, row.digest) for row in rows])
                connection.execute("COMMIT")

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection | None]:
        """Gives the connection; what fails is told, and raised only where all is to be read."""
        try:
            yield self._connection
        except sqlite3.OperationalError as error:
            self._give_up(error)
        except sqlite3.DatabaseError:
            self._mend()

    def _open(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path = self.folder / f"results-{max(1, _newest(self.folder))}.sqlite"
        except OSError as error:
            self._give_up(error)
            return
        with self._guarded():
            self._connection = _connected(self._path)
        if self._reads_all:
            with self._guarded() as connection:
                check_whole(connection)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _give_up(self, error: Exception) -> None:
        self._close()
        if self._reads_all:
            raise InputFileError(
                f"store {self.folder}", str(error), "a store that can be read and written"
            ) from error
        self._reporter.warn(f"store {self.folder}: {error}: nothing is taken from it or kept; {_NEXT_STEP}")

    def _mend(self) -> None:
        """Begins a new file with what can be read of the damaged one."""
        self._close()
        damaged = self._path
        fresh = self.folder / f".new-{os.getpid()}.sqlite"
        target = self.folder / f"results-{_newest(self.folder) + 1}.sqlite"
        try:
            fresh.unlink(missing_ok=True)
            words = f"{_rescued(damaged, fresh)} of its shards could be saved; what is lost is run again"
            os.link(fresh, target)
            damaged.unlink(missing_ok=True)
        except FileExistsError:
            words = "another process has saved what could be"
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
        self._reporter.warn(f"store {damaged} is damaged: {words}")
        self._path = target
        try:
            self._connection = _connected(target)
        except sqlite3.Error as error:
            self._give_up(error)


def _newest(folder: Path) -> int:
    names = [path.stem.partition("-")[2] for path in folder.glob("results-*.sqlite")]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _file_rows(files: Sequence[tuple[str, str, str]]) -> list[_Row]:
    return [_Row("file", _text(path), "", signature, sha.encode()) for path, signature, sha in files]


def _text(path: str) -> str:
    """A path as a text that SQLite takes: names of files may be no UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    connection.text_factory = read_text
    try:
        # A killed process loses nothing by it, and what a loss of power leaves is told by its hashes.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_CREATE)
        connection.execute(_COUNT_RUNS)
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _checked(found: Sequence[object]) -> _Row | None:
    """A row as it was read, with its hash last; None where it is another than was written."""
    *texts, content, digest = found
    if not all(isinstance(text, str) for text in texts) or not isinstance(content, bytes):
        return None
    kind, key, run, facts = map(str, texts)
    row = _Row(kind, key, run, facts, content)
    return row if row.digest == digest else None


def _rescued(damaged: Path, fresh: Path) -> int:
    """Copies the rows that are whole, one by one; returns how many shards they are."""
    shards = 0
    with closing(_connected(fresh)) as target, closing(sqlite3.connect(damaged, timeout=_WAIT_S)) as source:
        source.text_factory = read_text
        target.execute("BEGIN")
        for number in range(1, _bound(source, damaged) + 1):
            try:
                found = source.execute(_SELECT_ID, (number,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            row = None if found is None else _checked(found)
            if row is not None:
                target.execute(_INSERT, (*row, row.digest))
                shards += row.kind == "shard"
        target.execute("COMMIT")
    return shards


def _bound(source: sqlite3.Connection, path: Path) -> int:
    """The highest number that a row may have."""
    try:
        return int(source.execute(_LAST).fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # there is no table
    except sqlite3.DatabaseError:
        return path.stat().st_size // _SMALLEST_ROW_BYTES
