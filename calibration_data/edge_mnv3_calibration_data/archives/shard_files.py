"""The files of a data set that lies in several: a folder of them, a pattern, or one."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.results.images import UnreadFiles
from edge_mnv3_calibration_data.archives.remote_files import is_url, list_url, url_name
from edge_mnv3_calibration_data.archives.stored_files import StoredFile, stored_file, stored_urls
from edge_mnv3_calibration_data.image_files import is_companion, is_image_name, list_folder

SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "eval", "dev"))
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
_NUMBERED = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>(?:\.\w+)*)")
_MOST_FILES = 1_000_000
_NAMED = 3
Named = Callable[[str], bool]  # whether a file of this name is one of a kind


_TAR = re.compile(r".+\.(tar|tar\.(gz|bz2|xz|zst)|tgz|tbz2|txz)", re.IGNORECASE)
_TFRECORD = re.compile(
    r".+\.(tfrecords?|tfrec)(\.gz)?(-\d{5}-of-\d{5})?|.+-\d{5}-of-\d{5}(\.(tfrecords?|tfrec|gz))*",
    re.IGNORECASE,
)


def is_tar_name(name: str) -> bool:
    """Whether a file is a tar by its name, plain or packed."""
    return _TAR.fullmatch(name) is not None


def is_tfrecord_name(name: str) -> bool:
    """Whether a file is a TFRecord by its name, which may have no ending: `validation-00000-of-00128`."""
    return _TFRECORD.fullmatch(name) is not None


def is_parquet_name(name: str) -> bool:
    """Whether a file is a Parquet file by its name."""
    return name.lower().endswith(".parquet")


def is_shard_name(name: str) -> bool:
    """Whether a file holds many images, by its name."""
    return is_tar_name(name) or is_tfrecord_name(name) or is_parquet_name(name)


class ShardFiles(NamedTuple):
    """The files of a data set.

    Attributes:
        files: In the order of their names.
        root: What they lie in; None for URLs.
        remarks: What the user must know of them.
        unread: What else lies there.
    """

    files: tuple[StoredFile, ...]
    root: Path | None
    remarks: tuple[str, ...]
    unread: tuple[UnreadFiles, ...] = ()


def are_shards(location: str | Path, named: Named) -> bool:
    """Whether a location is a file of a kind, a pattern of such files, or a folder of nothing else.

    Args:
        location: What the user gives.
        named: Tells by its name whether a file is of the kind.
    """
    if is_url(location):
        return bool(_of_url(str(location), named))
    path = Path(location)
    if path.is_dir():
        return bool(_of_folder(path, named))
    if path.is_file():
        return named(path.name)
    return _is_pattern(path.name) and _first_of_pattern(path, named)


def shard_files(location: str | Path, named: Named) -> ShardFiles:
    """Finds the files of a location that `are_shards`.

    Raises:
        InputFileError: A file of a pattern is not there.
        CalibrationDataError: They are the parts of a data set, `train` and `val` for example, or some of a
            numbered set are missing in a folder.
    """
    if is_url(location):
        urls = _of_url(str(location), named)
        names = [url_name(url) for url in urls]
        if len(urls) > 1:
            _refuse_splits(str(location), str(location).rpartition("/")[0], names)
        remarks = _incomplete(str(location), names, refuse=False) if len(urls) > 1 else ()
        unread = _beside([*map(url_name, _all_of_url(str(location)))], set(names))
        return ShardFiles(stored_urls(urls), None, remarks, unread)
    path = Path(location)
    if path.is_file():
        return ShardFiles((stored_file(path),), path.parent, ())
    names = _of_folder(path, named) if path.is_dir() else _of_pattern(path)
    folder = path if path.is_dir() else path.parent
    _refuse_splits(str(location), folder.as_posix(), names)
    remarks = _incomplete(str(location), names, refuse=path.is_dir())
    unread = _beside(_all_of_folder(path), set(names)) if path.is_dir() else ()
    return ShardFiles(tuple(stored_file(folder / name) for name in names), folder, remarks, unread)


def _all_of_folder(folder: Path) -> list[str]:
    """Paths of all files at any depth, in order, without companions."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not any(is_companion(part) for part in path.relative_to(folder).parts)
    )


def _all_of_url(url: str) -> list[str]:
    """What a URL of a folder holds; nothing for a file or a pattern, which say what is meant."""
    if "*" in url or _RANGE.search(url) or re.search(r"\.\w{1,12}$", url_name(url)):
        return []
    return [each for each in list_url(url) if not is_companion(url_name(each))]


def _beside(there: Sequence[str], read: Collection[str]) -> tuple[UnreadFiles, ...]:
    """Counts the files that are not read, by their endings."""
    others: dict[str, list[str]] = defaultdict(list)
    for name in there:
        if name not in read:
            others[Path(name).suffix.lower()].append(name)
    return tuple(
        UnreadFiles(
            kind=f"{ending} file".strip(),
            count=len(names),
            reason="they lie beside the files of images; give them on their own if they hold some",
            files=tuple(names[:_NAMED]),
        )
        for ending, names in sorted(others.items())
    )


def _of_folder(folder: Path, named: Named) -> list[str]:
    """Names of the files of a kind in a folder; none where it has images of its own, at any depth."""
    try:
        with os.scandir(folder) as entries:
            there = [entry for entry in entries if not is_companion(entry.name) and entry.name[0] != "."]
            names = sorted(entry.name for entry in there if named(entry.name) and not entry.is_dir())
            if not names or any(is_image_name(entry.name) for entry in there):
                return []
            inside = any(entry.is_dir() for entry in there) and list_folder(folder).images
            return [] if inside else names
    except OSError:
        return []


def _of_url(url: str, named: Named) -> list[str]:
    """The URLs of the files of a kind that a URL, a pattern or a folder leads to."""
    if named(url_name(url)) and "*" not in url and not _RANGE.search(url):
        return [url]
    urls = [url] if "*" in url or not _RANGE.search(url) else expanded(url)
    if "*" not in url and len(urls) > 1:
        return urls if named(url_name(urls[0])) else []
    if "*" not in url and re.search(r"\.\w{1,12}$", url_name(url)):
        return []  # a file of another kind
    return [each for each in list_url(url) if named(url_name(each)) and not is_companion(url_name(each))]


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[") or _RANGE.search(name) is not None


def _first_of_pattern(path: Path, named: Named) -> bool:
    """Whether the first file of a pattern is of a kind, be it there or not."""
    first = expanded(path.name)[0]
    if any(sign in first for sign in "*?["):
        found = sorted(each.name for each in path.parent.glob(first) if not is_companion(each.name))
        first = found[0] if found else first
    return named(first)


def _of_pattern(path: Path) -> list[str]:
    names: list[str] = []
    for name in expanded(path.name):
        if any(sign in name for sign in "*?["):
            found = sorted(each.name for each in path.parent.glob(name) if not is_companion(each.name))
            if not found:
                raise InputFileError(f"files {path.parent / name}", "none", "at least one")
            names += found
        else:
            names.append(name)
    again = next((name for name in names if names.count(name) > 1), None) if len(names) < 1000 else None
    if again is not None:
        raise InputFileError(f"files {path}", f"{again} twice", "each file once")
    return names


def expanded(pattern: str) -> list[str]:
    """Names that a pattern with braces stands for: `{000..049}` counts, `{a,b}` lists.

    Raises:
        InputFileError: They are more than a million, or a range that goes down.
    """
    parts: list[list[str]] = []
    place = 0
    for found in _RANGE.finditer(pattern):
        parts.append([pattern[place : found.start()]])
        place = found.end()
        if found[3] is not None:
            parts.append(found[3].split(","))
            continue
        first, last = int(found[1]), int(found[2])
        if not first <= last < first + _MOST_FILES:
            raise InputFileError(
                f"files {pattern}", f"the range {found[0]}", "one that goes up, such as {000..049}"
            )
        width = len(found[1]) if found[1].startswith("0") else 0
        parts.append([f"{number:0{width}}" for number in range(first, last + 1)])
    parts.append([pattern[place:]])
    return ["".join(each) for each in itertools.product(*parts)]


def _refuse_splits(location: str, folder: str, names: Sequence[str]) -> None:
    """Refuses the parts of a data set, of which one is meant."""
    by_split: dict[str, str] = {}
    for name in names:
        for split in SPLITS.intersection(re.split(r"[^a-z]+", name.lower())):
            by_split.setdefault(split, name)
    if len(by_split) > 1:
        first, second = sorted(by_split)[:2]
        pattern = f"{folder}/{re.sub(r'[0-9]+', '*', by_split[first])}"
        raise CalibrationDataError(
            f"images {location}",
            f"files of {' and '.join(sorted(by_split))}, parts of a data set, such as {by_split[second]}",
            "those of one part",
            f"give '{pattern}'",
        )


def _incomplete(location: str, names: Sequence[str], *, refuse: bool) -> tuple[str, ...]:
    """Looks whether all files of `NAME-00000-of-00128` are there."""
    sets: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if found:
            sets[found["stem"], found["suffix"], int(found["count"])].add(int(found["number"]))
    remarks = []
    for (stem, suffix, count), numbers in sets.items():
        missing = sorted(set(range(count)) - numbers)
        if not missing:
            continue
        first = f"{stem}-{missing[0]:05}-of-{count:05}{suffix}"
        if refuse:
            raise CalibrationDataError(
                f"images {location}",
                f"{len(numbers)} of {count} files, without {first} for example",
                "all of them",
                f"add them, or give those that are there as '{stem}-*{suffix}'",
            )
        remarks.append(f"{len(numbers)} of the {count} files {stem}-…{suffix} are read, without {first}")
    return tuple(remarks)
