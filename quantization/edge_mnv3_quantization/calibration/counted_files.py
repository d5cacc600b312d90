"""Files of statistics over any number of images: an `.npz` with their facts and a hash over all of it.

The same statistics give the same bytes. While statistics are collected, a file of the same form with the
numbers of the shards that are done lies beside the output, under `unfinished_path`.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.outputs import staged
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.results.calibration_statistics import StatisticsFacts
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.stored_zip import DAMAGED_ZIP
from edge_mnv3_quantization.calibration.channel_totals import ChannelTotals, no_totals
from edge_mnv3_quantization.calibration.counted import TOTALS, UNTOLD, CountedStatistics, Digests
from edge_mnv3_quantization.calibration.shard_totals import DIGEST_BYTES

SUFFIX = ".npz"
UNFINISHED_SUFFIX = ".unfinished"
_FACTS, _SHA256 = "facts.json", "sha256.txt"
_WANTED = "a file of edge-mnv3 statistics collect"
_DIGESTS, _DONE = "digests", "done"
_IMAGES, _LEFT_OUT, _COUNTS = "images", "left_out", "counts"
_COMPRESSION = 1  # of 9


class Unfinished(NamedTuple):
    """Statistics that are being collected.

    Attributes:
        counted: The statistics so far.
        done: Numbers of the engine's shards that they have.
        left_out: Number in its source of each image of these that could not be read, to the reason.
        images: What those that were counted were when it began, in hexadecimal: they are not read again.
    """

    counted: CountedStatistics
    done: frozenset[int]
    left_out: Mapping[int, str]
    images: str = ""


def unfinished_path(path: Path) -> Path:
    """Names the file of statistics that are being collected for an output."""
    return path.with_name(path.name + UNFINISHED_SUFFIX)


def save_counted(counted: CountedStatistics, path: Path, *, force: bool = True) -> None:
    """Writes statistics, in place of a file that may be there if `force` is on.

    Raises:
        OutputError: The file cannot be written.
    """
    _save(counted, path, {}, force=force)


def save_unfinished(unfinished: Unfinished, path: Path) -> None:
    """Writes statistics that are being collected, in place of an older file.

    Raises:
        OutputError: The file cannot be written.
    """
    bits = np.zeros(max(unfinished.done, default=-1) + 1, bool)
    bits[list(unfinished.done)] = True
    left_out = json.dumps(sorted(unfinished.left_out.items())).encode()
    more = {
        _DONE: np.packbits(bits),
        _LEFT_OUT: np.frombuffer(left_out, np.uint8),
        _IMAGES: np.frombuffer(bytes.fromhex(unfinished.images), np.uint8),
    }
    _save(unfinished.counted, path, more)


def load_counted(path: Path) -> CountedStatistics:
    """Reads what `save_counted` wrote.

    Raises:
        InputFileError: It is missing, damaged, of a newer version, or no such file.
    """
    members = _members(path)
    if _DONE in members:
        raise InputFileError(
            f"statistics {path}",
            "statistics that are not finished",
            "finished ones",
            "run the command that collects them again: it goes on where it was",
        )
    return _parsed(path, members)


def load_unfinished(path: Path) -> Unfinished:
    """Reads what `save_unfinished` wrote.

    Raises:
        InputFileError: It is missing, damaged, of another version, or no such file.
    """
    members = _members(path)
    if _DONE not in members:
        raise InputFileError(
            f"statistics {path}", "finished statistics", "unfinished ones", "delete or rename it"
        )
    if not {_IMAGES, _LEFT_OUT} <= members.keys():
        raise InputFileError(
            f"statistics {path}", "those of an earlier version", "those of this one", "delete it"
        )
    bits = np.unpackbits(np.asarray(_array(members[_DONE])))
    left_out = json.loads(_array(members[_LEFT_OUT]).tobytes())
    return Unfinished(
        _parsed(path, members),
        frozenset(np.flatnonzero(bits).tolist()),
        {int(index): str(reason) for index, reason in left_out},
        _array(members[_IMAGES]).tobytes().hex(),
    )


def _save(
    counted: CountedStatistics, path: Path, more: dict[str, npt.NDArray[Any]], *, force: bool = True
) -> None:
    arrays = {name: getattr(counted.totals, name) for name in TOTALS}
    # Digests as rows of bytes, source by source: NumPy drops zeros at the end of texts.
    rows = b"".join(each.tobytes() for each in counted.digests.values())
    arrays |= {_DIGESTS: np.frombuffer(rows, np.uint8).reshape(-1, DIGEST_BYTES), **more}
    sources = _sources(counted.facts)
    if len(sources) > 1:
        lengths = [len(counted.digests.get(source, ())) for source in (UNTOLD, *sources)]
        arrays[_COUNTS] = np.array(lengths, np.int64)
    contents = {_FACTS: to_json(counted.facts).encode()}
    contents |= {name: _npy(array) for name, array in arrays.items()}
    contents[_SHA256] = _sha256(contents).encode()
    with staged([path], force=force) as (temporary,), zipfile.ZipFile(temporary, "w") as archive:
        for name, content in contents.items():
            file = name if name in (_FACTS, _SHA256) else f"{name}.npy"
            kind = zipfile.ZIP_STORED if name == _DIGESTS else zipfile.ZIP_DEFLATED
            # With a date of its own, the same statistics would have other bytes.
            archive.writestr(zipfile.ZipInfo(file), content, kind, _COMPRESSION)


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _array(content: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array


def _sha256(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _members(path: Path) -> dict[str, bytes]:
    """Reads a file whose hash is right."""
    try:
        with zipfile.ZipFile(path) as archive:
            if _FACTS not in archive.namelist():
                raise InputFileError(f"statistics {path}", "another .npz file", _WANTED)
            members = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
        stated = members.pop(_SHA256).decode()
        if _sha256(members) != stated:
            raise ValueError("another hash")
    except FileNotFoundError as error:
        raise InputFileError(f"statistics {path}", no_file(path), _WANTED) from error
    except DAMAGED_ZIP as error:
        raise _damaged(path) from error
    return members


def _damaged(path: Path) -> InputFileError:
    return InputFileError(
        f"statistics {path}",
        "a damaged file",
        "a file of edge-mnv3 statistics collect",
        "delete it and collect it again",
    )


def _parsed(path: Path, members: dict[str, bytes]) -> CountedStatistics:
    try:
        facts = from_json(StatisticsFacts, members[_FACTS].decode())
    except ValueError as error:
        raise InputFileError(
            f"statistics {path}", " ".join(str(error).split()), "a file of this version of edge-mnv3"
        ) from error
    try:
        totals = ChannelTotals(**{name: _array(members[name]) for name in TOTALS})
        rows = _array(members[_DIGESTS])
        wanted = no_totals(sum(facts.channels))
        for name in TOTALS:
            got, like = getattr(totals, name), getattr(wanted, name)
            if (got.shape, got.dtype) != (like.shape, like.dtype):
                raise ValueError(name)
        if rows.shape != (facts.images, DIGEST_BYTES) or rows.dtype != np.uint8:
            raise ValueError(_DIGESTS)
        counts = _array(members[_COUNTS]).tolist() if _COUNTS in members else None
        if counts is not None and (len(counts) != len(_sources(facts)) + 1 or sum(counts) != len(rows)):
            raise ValueError(_COUNTS)
    except (ValueError, KeyError) as error:
        raise _damaged(path) from error
    digests = np.frombuffer(rows.tobytes(), f"S{DIGEST_BYTES}")
    return CountedStatistics(facts=facts, totals=totals, digests=_by_source(facts, digests, counts))


def _sources(facts: StatisticsFacts) -> list[str]:
    return sorted({data.sha256 for data in facts.data})


def _by_source(facts: StatisticsFacts, digests: Digests, counts: list[int] | None) -> dict[str, Digests]:
    """Takes the images of each source apart."""
    sources = _sources(facts)
    if len(sources) == 1:
        return {sources[0]: digests}
    if counts is None:
        return {UNTOLD: digests}
    ends = np.cumsum(counts).tolist()
    parts = zip((UNTOLD, *sources), [0, *ends], ends, strict=False)
    return {source: digests[first:end] for source, first, end in parts if end > first}
