"""What can be made again, kept between runs in the user's cache folder.

An entry is one file: a SHA-256 over its key and content, then the content. It is written beside its place and
renamed, so that processes that write the same entry at once do not meet, and a file that was cut, altered or
renamed is told from a whole one. Nothing here ever fails: an entry that cannot be read or written is one that
must be made again, and the reporter is warned.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from edge_mnv3.core.reporting import SILENT, Reporter

CACHE_VARIABLE = "EDGE_MNV3_CACHE"
NEXT_STEP = f"set {CACHE_VARIABLE} to a folder that can be written to, or use --no-cache"
_ENTRIES = "converted"
_SUFFIX = ".entry"
_DIGEST_BYTES = hashlib.sha256().digest_size
_LARGEST_BYTES = 1 << 30  # of all entries together
_ABANDONED_S = 24 * 3600  # nobody takes so long to write an entry: its process was killed


def cache_folder() -> Path:
    """Returns `$EDGE_MNV3_CACHE`, else the system's folder for the user's caches.

    Raises:
        RuntimeError: The user's home folder cannot be told.
    """
    import platformdirs

    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("edge-mnv3")).expanduser()


def cache_key(kind: str, parts: Mapping[str, object]) -> str:
    """Returns the key of an entry: a SHA-256, in hexadecimal, over all that its content depends on.

    Args:
        kind: What the entry is, such as `float file of a variant`.
        parts: Hashes of inputs and of source code, versions, options; values that JSON has.
    """
    text = json.dumps({"kind": kind, "parts": parts}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_sources(modules: Sequence[str]) -> str | None:
    """Returns a SHA-256, in hexadecimal, over the files of modules; None where they are no files.

    The modules are not imported. A checkout that is worked on keeps its version, but not its hash.
    """
    import importlib.util

    digest = hashlib.sha256()
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            return None
        try:
            content = Path(spec.origin).read_bytes()
        except OSError:
            return None
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def get(key: str, reporter: Reporter = SILENT) -> bytes | None:
    """Returns an entry's content; None if there is none that is whole.

    Args:
        key: What `cache_key` gave.
        reporter: Warned of an entry that is damaged, which is removed, or cannot be read.
    """
    try:
        path = _path(key)
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError) as error:
        reporter.warn(f"cache: {_reason(error)}: nothing is taken from it; {NEXT_STEP}")
        return None
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if digest != _digest(key, content):
        reporter.warn(f"{path} is damaged: its content is made again")
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):
        os.utime(path)  # the entries that have not been used for longest are the first to go
    return content


def put(key: str, content: bytes, reporter: Reporter = SILENT) -> None:
    """Keeps an entry, and drops old ones while all together are larger than a gigabyte.

    Args:
        key: What `cache_key` gave.
        content: Any bytes.
        reporter: Warned if the entry cannot be written.
    """
    try:
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _digest(key, content) + content)
        _drop_old(path)
    except (OSError, RuntimeError) as error:
        reporter.warn(f"cache: {_reason(error)}: what was converted is not kept; {NEXT_STEP}")


def _path(key: str) -> Path:
    return cache_folder() / _ENTRIES / f"{key}{_SUFFIX}"


def _digest(key: str, content: bytes) -> bytes:
    digest = hashlib.sha256(key.encode("ascii"))
    digest.update(content)
    return digest.digest()


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _drop_old(newest: Path) -> None:
    """Removes what killed processes left, and the entries that were not used for longest."""
    entries = []
    for path in newest.parent.iterdir():
        with suppress(FileNotFoundError):  # another process is faster
            facts = path.stat()
            if path.suffix == _SUFFIX and path != newest:
                entries.append((facts.st_mtime, facts.st_size, path))
            elif path.name.startswith(".") and time.time() - facts.st_mtime > _ABANDONED_S:
                path.unlink()
    left = _LARGEST_BYTES - newest.stat().st_size
    for _, size_bytes, path in sorted(entries, reverse=True):
        left -= size_bytes
        if left < 0:
            path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
