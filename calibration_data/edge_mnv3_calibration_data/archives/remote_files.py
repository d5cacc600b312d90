"""Files behind URLs, by fsspec: `https://`, `s3://`, `gs://` and others."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import url2pathname

from edge_mnv3.core.errors import EdgeMnv3Error, InputFileError, MissingExtraError

REMOTE_EXTRA = "edge-mnv3[remote]"
T = TypeVar("T")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+")
# What systems call that which changes with a file, and when it did: HTTP, S3, Google, others.
_TAGS = ("ETag", "etag", "generation")
_TIMES = ("Last-Modified", "LastModified", "last_modified", "mtime", "updated", "created")
_WEAK = "W/"  # a tag that may stay while bytes change (RFC 9110, section 8.8.1)
_SENT_TO = "sent-to"  # hash of the URL to which a server sends who asks for another
# What stores of objects add to such a URL, another text each time: signatures, and until when they count.
_SIGNATURE = re.compile(r"(x-(amz|goog)-)?signature|sig", re.IGNORECASE)
_SIGNED = re.compile(
    r"x-(amz|goog)-.*|expires|signature|key-pair-id|policy|awsaccesskeyid|googleaccessid|sig|se|st|ske|skt|jwt",
    re.IGNORECASE,
)
# Servers note times in seconds, by clocks of their own: what changed less long ago may change again unseen.
_SETTLED_S = 3600.0
_ATTEMPTS = 3
_PAUSE_S = 0.5
_RANGES = "a server that sends parts of files (range requests)"


def is_url(location: str | Path) -> bool:
    """Whether a location is a URL; a `Path` never is one."""
    return isinstance(location, str) and _URL.fullmatch(location) is not None


def local_path(location: str | Path) -> str | Path:
    """Takes `file:///a.tar` to the path of the file; leaves other locations as they are."""
    if isinstance(location, str) and location.startswith("file://"):
        return url2pathname(urlsplit(location).path)
    return location


def url_name(url: str) -> str:
    """The last part of a URL's path, without what is asked of the server behind it."""
    return url.partition("://")[2].partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2]


class Looked(NamedTuple):
    """A file as its server tells it.

    Attributes:
        size_bytes: Its size.
        facts: What changes with it, in words, and where the server sends to; empty where it tells nothing.
        settled: The facts surely change with the bytes: a strong ETag or a generation is among them, or a
            time of more than an hour ago.
    """

    size_bytes: int
    facts: str
    settled: bool


def look(url: str) -> Looked:
    """Asks for the size of a file, and for what changes with it.

    Raises:
        InputFileError: It cannot be reached, or has no size.
        MissingExtraError: A package is not installed.
    """
    system, path = _system(url)
    system.invalidate_cache()  # some keep what they were told
    info: dict[str, Any] = _asked(url, lambda: system.info(path))
    size = info.get("size")
    if not isinstance(size, int) or info.get("type") == "directory":
        raise InputFileError(f"file {url}", "no size", "a file whose size the server tells")
    facts = {name: info[name] for name in (*_TAGS, *_TIMES) if info.get(name) is not None}
    settled = _settled(facts, time.time())
    answered = info.get("url", path)
    if answered != path:
        facts[_SENT_TO] = hashlib.sha256(_unsigned(str(answered)).encode()).hexdigest()
    return Looked(size, "; ".join(f"{name} {value}" for name, value in facts.items()), settled)


def tagged(facts: Mapping[str, Any] | str) -> bool:
    """Whether a strong ETag or a generation is among what a server tells, which no two contents have."""
    told = _told(facts) if isinstance(facts, str) else facts
    tags = (str(told[name]) for name in _TAGS if name in told)
    return any(tag and not tag.startswith(_WEAK) for tag in tags)


def still_same(before: str, now: str) -> bool | None:
    """Compares what a server told of a file of one size at two times.

    Args:
        before: The facts of the first time.
        now: Those of the second.

    Returns:
        False for another tag, whatever else is the same, for another time where no strong tag is the same,
        and where nothing can be compared that the server told before or tells now; None where the server
        does not tell.
    """
    old, new = _told(before), _told(now)
    both = old.keys() & new.keys()
    if before == now:
        return True if tagged(old) or both & {*_TIMES} else None
    if not both or any(
        old[name].removeprefix(_WEAK) != new[name].removeprefix(_WEAK) for name in both & {*_TAGS}
    ):
        return False
    as_old = tagged({name: old[name] for name in both})
    return False if not as_old and any(old[name] != new[name] for name in both & {*_TIMES}) else None


def _told(facts: str) -> dict[str, str]:
    """Facts by their names."""
    parts = (fact.partition(" ") for fact in facts.split("; ") if fact)
    return {name: value for name, _, value in parts}


def _unsigned(url: str) -> str:
    """A URL without what is another text each time that it is given out."""
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, True)
    if any(_SIGNATURE.fullmatch(name) for name, _ in asked):
        asked = [pair for pair in asked if not _SIGNED.fullmatch(pair[0])]
    return parts._replace(query=urlencode(asked)).geturl()


def _settled(facts: Mapping[str, Any], now_s: float) -> bool:
    if tagged(facts):
        return True
    changed_s = [_seconds(facts[name]) for name in _TIMES if name in facts]
    return any(moment is not None and now_s - moment > _SETTLED_S for moment in changed_s)


def _seconds(moment: Any) -> float | None:
    """Seconds since 1970 of a time as systems tell it; None of anything else."""
    if isinstance(moment, str):
        try:
            moment = parsedate_to_datetime(moment)
        except ValueError:
            return None
    if isinstance(moment, datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    return float(moment) if isinstance(moment, int | float) else None


def open_url(url: str) -> BinaryIO:
    """Opens a file, to be read from anywhere in it.

    Raises:
        InputFileError: It cannot be reached, or only as a whole.
        MissingExtraError: A package is not installed.
    """
    system, path = _system(url)
    opened = _asked(url, lambda: system.open(path, "rb"))
    if not opened.seekable():
        opened.close()
        raise InputFileError(f"file {url}", "one that is sent as a whole only", _RANGES, "download it first")
    return cast(BinaryIO, _Told(url, opened))


def read_url(url: str, offset: int, length: int) -> bytes:
    """Reads a part of a file.

    Raises:
        InputFileError: It cannot be reached, or something else is sent.
        MissingExtraError: A package is not installed.
    """
    system, path = _system(url)
    data: bytes = _asked(url, lambda: system.cat_file(path, start=offset, end=offset + length))
    if len(data) > length:
        raise InputFileError(f"file {url}", "all of it instead of a part", _RANGES, "download it first")
    return data


def list_url(url: str) -> list[str]:
    """The URLs of what lies in a folder, or of what a pattern with `*` finds.

    Raises:
        InputFileError: It cannot be reached or listed.
        MissingExtraError: A package is not installed.
    """
    system, path = _system(url)
    found: list[str] = _asked(
        url, lambda: system.glob(path) if "*" in path or "[" in path else system.ls(path, detail=False)
    )
    return sorted(system.unstrip_protocol(each) for each in found)


class _Told:
    """An open file whose errors tell which file it is."""

    def __init__(self, url: str, opened: Any) -> None:
        self._url, self._opened = url, opened

    def read(self, size: int = -1) -> bytes:
        return bytes(_asked(self._url, lambda: self._opened.read(size), attempts=1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def _system(url: str) -> tuple[Any, str]:
    try:
        import fsspec.core
    except ImportError as error:
        raise MissingExtraError(
            "URLs are read by fsspec, which is not installed", next_step=f"pip install '{REMOTE_EXTRA}'"
        ) from error
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingExtraError(f"{url}: {error}", next_step=f"'{REMOTE_EXTRA}' brings https") from error
    except ValueError as error:
        raise InputFileError(f"file {url}", str(error), "a URL that fsspec knows") from error
    return system, path


def _asked(url: str, ask: Callable[[], T], *, attempts: int = _ATTEMPTS) -> T:
    """Asks a server, some times if it fails."""
    for attempt in range(attempts):
        try:
            return ask()
        except (EdgeMnv3Error, KeyboardInterrupt):
            raise
        except FileNotFoundError as error:
            raise InputFileError(f"file {url}", "no such file") from error
        # Each system has errors of its own, which have nothing in common.
        except Exception as error:
            if attempt + 1 < attempts and not isinstance(error, ValueError):
                time.sleep(_PAUSE_S * (attempt + 1))
                continue
            ranges = isinstance(error, ValueError) and "range requests" in str(error)
            got = "one that is sent as a whole only" if ranges else f"{type(error).__name__} {error}".strip()
            expected, next_step = (_RANGES, "download it first") if ranges else ("", "")
            raise InputFileError(f"file {url}", got, expected, next_step) from error
    raise AssertionError(url)
