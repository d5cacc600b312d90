"""Which shards of an evaluation are in the store: found by what their images hold, and kept under it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pkgutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_mnv3.core.cache import cache_key, sha256_sources
from edge_mnv3.core.images import ImageContent, ImageSource, RemoteContent
from edge_mnv3_quantization.evaluation.contents import Hashed, hashed, looked, without_device
from edge_mnv3_quantization.evaluation.environment import Environment
from edge_mnv3_quantization.evaluation.evaluating import Evaluation, Noted, Shard
from edge_mnv3_quantization.evaluation.records import ShardRecords, from_bytes, to_bytes
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.evaluation.store_rows import StoredShard

# What records depend on, other than the decoder, which names itself.
_CODE = (
    *(f"edge_mnv3.core.{name}" for name in ("runtime", "stored_numbers", "input_range")),
    *(f"edge_mnv3_quantization.evaluation.{name}" for name in ("evaluating", "records")),
)
_READINGS = "edge_mnv3_quantization.validation"  # all of it: what a reading computes is spread over it


class KeptShards:
    """The shards of one evaluation, in a store.

    Attributes:
        run: The evaluation's key.
        keys: Number of each shard that was found or kept to its key.
        usable: Whether anything is kept.
    """

    def __init__(
        self, store: Store, evaluation: Evaluation, images: ImageSource, where: Environment, *, remote: bool
    ) -> None:
        """Describes the evaluation.

        Args:
            store: The store.
            evaluation: What is done with each image.
            images: The images.
            where: Where it is evaluated.
            remote: By other machines, which see the same files as another device.
        """
        self._store = store
        self._working_folder = str(Path.cwd())
        self._remote = remote
        self.keys: dict[int, str] = {}
        self._served: dict[str, list[tuple[str, str, str]]] = {}
        description = _description(evaluation, images, where)
        # A file that was moved is the same file.
        models = [{**model, "file": ""} for model in description["models"]]
        self.run = cache_key("evaluation", {**description, "models": models})
        self.usable = bool(images.decoder) and description["code"] is not None
        if self.usable:
            store.use_run(self.run, json.dumps(description, sort_keys=True))
        # Where nothing is kept, nothing needs to be looked for.
        self._empty = not self.usable or not store.has_shards(self.run)

    def find(self, shard: Shard, *, read: bool) -> ShardRecords | None:
        """Looks for a shard's records.

        Args:
            shard: The shard.
            read: Read files whose hash is not known.
        """
        if self._empty:
            return None
        identities = tuple(self._identified(shard, read=read))
        if len(identities) < len(shard.indices):
            return None
        key = self._key(identities)
        stored = self._store.shard(key)
        if stored is None or stored.contents != identities:
            return None
        try:
            records = from_bytes(stored.records)
        except ValueError:
            return None
        self.keys[shard.number] = key
        return records

    def keep(self, shard: Shard, noted: Noted) -> None:
        """Keeps a shard's records, under what its files held when they were decoded, if that is known."""
        if not self.usable:
            return
        identities, files = [], []
        served: list[tuple[str, tuple[str, str, str]]] = []
        for index, file in zip(shard.indices, noted.files, strict=True):
            content = shard.images.content(index)
            remote = shard.images.remote(index) if content is None else None
            if remote is not None and file is not None:
                identities.append(f" {file.sha256}")
                if file.settled:
                    served.append((remote.url, (_served_place(remote), file.signature, file.sha256)))
                continue
            if content is None:
                return
            if content.path is None:
                identities.append(content.tag)
            elif file is None or not file.settled:
                return
            else:
                identities.append(f"{content.tag} {file.sha256}")
                signature = self._signature(content.path, file)
                if signature is not None:
                    files.append((self._place(content), signature, file.sha256))
        stored = StoredShard(tuple(identities), to_bytes(noted.records))
        self.keys[shard.number] = self._key(identities)
        self._store.keep_shard(self.keys[shard.number], self.run, stored, files)
        for url, row in served:
            self._served.setdefault(url, []).append(row)

    def settle(self, urls: Collection[str]) -> None:
        """Keeps what images behind URLs held, now that their files are known to have stayed what they were.

        Args:
            urls: Files whose servers say after the reading what they said before.
        """
        rows = [row for url in urls for row in self._served.pop(url, [])]
        if rows:
            self._store.keep_files(rows)
        self._served.clear()

    def _identified(self, shard: Shard, *, read: bool) -> Iterator[str]:
        """What each image holds, up to the first of which that is not known."""
        contents = [shard.images.content(index) for index in shard.indices]
        now = {} if os.name == "nt" else self._signatures(contents)
        asked = (
            shard.images.remote(index)
            for index, each in zip(shard.indices, contents, strict=True)
            if each is None
        )
        served = {
            _served_place(remote): remote.facts for remote in asked if remote is not None and remote.settled
        }
        known = self._store.file_hashes({**now, **served})
        fresh = []
        for index, content in zip(shard.indices, contents, strict=True):
            if content is None:
                remote = shard.images.remote(index)
                sha256 = None if remote is None else known.get(_served_place(remote))
                if sha256 is None:
                    break  # it is not sent twice, to be hashed and to be run
                yield f" {sha256}"
                continue
            if content.path is None:
                yield content.tag
                continue
            place = self._place(content)
            if place in known:
                yield f"{content.tag} {known[place]}"
                continue
            found = _read_hash(shard.images, index, content) if read else None
            if found is None:
                break
            if found.settled:
                fresh.append((place, found.signature, found.sha256))
            yield f"{content.tag} {found.sha256}"
        if fresh:
            self._store.keep_files(fresh)

    def _signatures(self, contents: Sequence[ImageContent | None]) -> dict[str, str]:
        """Place of each image whose file can be opened to the file's signature."""
        known = [content for content in contents if content is not None and content.path is not None]
        files = {content.path: looked(content.path) for content in known if content.path is not None}
        found = ((self._place(content), files[content.path]) for content in known if content.path is not None)
        return {place: file.signature for place, file in found if file is not None}

    def _place(self, content: ImageContent) -> str:
        """A file, or a part of one, as the store knows it: tens of thousands are not joined as paths."""
        if content.path is None:
            return ""
        text = str(content.path)
        whole = text if content.path.is_absolute() else f"{self._working_folder}{os.sep}{text}"
        return f"{whole}#{content.part}" if content.part else whole

    def _signature(self, path: Path, file: Hashed) -> str | None:
        """The signature that a file has here; of one that another machine read, where it is the same file."""
        if not self._remote:
            return file.signature
        here = looked(path)
        same = here is not None and without_device(here.signature) == without_device(file.signature)
        return here.signature if here is not None and same else None

    def _key(self, identities: Sequence[str]) -> str:
        text = "\n".join((self.run, *identities))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _served_place(remote: RemoteContent) -> str:
    """An image behind a URL as the store knows it: URLs may have passwords and keys in them."""
    return f"url {hashlib.sha256(remote.url.encode('utf-8', 'surrogateescape')).hexdigest()}#{remote.part}"


def _read_hash(images: ImageSource, index: int, content: ImageContent) -> Hashed | None:
    """Reads an image's file, or its part of it; None where that cannot be, or it is written meanwhile."""
    if content.path is None or not content.part:
        return None if content.path is None else hashed(content.path)
    before, sha256 = looked(content.path), images.part_sha256(index)
    after = looked(content.path)
    if before is None or after is None or sha256 is None or after.signature != before.signature:
        return None
    return Hashed(sha256, *before)


def _description(evaluation: Evaluation, images: ImageSource, where: Environment) -> dict[str, Any]:
    """All that records depend on, other than the images."""
    return {
        "models": [
            {
                "file": str(model.path),
                "sha256": hashlib.sha256(model.content).hexdigest(),
                "kernels": model.kernels,
                "input_range": None if model.input_range is None else repr(model.input_range),
            }
            for model in evaluation.models
        ],
        "runtime": where.runtime,
        "preprocess": images.applied_preprocess(evaluation.preprocess),
        "shape": list(evaluation.shape.dimensions),
        "kept": evaluation.reading.kept,
        "decoder": where.decoder,
        "numpy": where.numpy,
        "processor": where.processor,
        "code": _code(),
    }


def _code() -> str | None:
    """Hash of the code; None where there are no files of it."""
    spec = importlib.util.find_spec(_READINGS)
    places = spec.submodule_search_locations if spec else None
    readings = sorted(f"{_READINGS}.{module.name}" for module in pkgutil.iter_modules(places or []))
    return sha256_sources([*_CODE, *readings]) if readings else None
