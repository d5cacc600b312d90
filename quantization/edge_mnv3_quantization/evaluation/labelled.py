"""The images of an evaluation, kept with their labels, so that two evaluations can be compared later."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeAlias

from edge_mnv3.core.choices import DIGITS, SYNTHETIC
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.evaluation.store_rows import StoredImages

# The labels of an image: a class, or several that hold together; None where it has none.
KeptLabel: TypeAlias = int | frozenset[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOutput:
    """An output of both files, as it was compared.

    Attributes:
        place: Its place among the outputs.
        facts: What it means; the name is that of the float file.
        classes: How many classes labels may name.
        offsets: Output index of label 0, in the float and in the int8 file.
        threshold: The score above which a label holds; None of classes.
    """

    place: int
    facts: OutputFacts
    classes: int
    offsets: tuple[int, int]
    threshold: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFacts:
    """What is known of a list of images without its names and labels.

    Attributes:
        data: Where the images came from.
        images: How many there are.
        outputs: The outputs that can be compared: of classes, or of one score.
        labelled: Places of those that have labels.
    """

    FORMAT: ClassVar[Format] = Format("images of an evaluation")
    schema_version: int = FORMAT.version
    data: str
    images: int
    outputs: tuple[KeptOutput, ...]
    labelled: tuple[int, ...]


class KeptPart(NamedTuple):
    """A shard of the list.

    Attributes:
        key: What the store finds it by; empty where it was not kept.
        images: How many images it has.
    """

    key: str
    images: int


class KeptImages(NamedTuple):
    """A list of images.

    Attributes:
        facts: What is known of it as a whole.
        names: Name of each image.
        labels: Place of an output to the label of each image.
        parts: The shards, in the order of the images.
    """

    facts: KeptFacts
    names: Sequence[str]
    labels: Mapping[int, Sequence[KeptLabel]]
    parts: Sequence[KeptPart]


def known_location(location: str) -> str:
    """Names a place of images: a path or pattern as it is from anywhere, URLs and words as they are.

    Whether it exists must not matter: files may be gone when their evaluations are compared. So `..` goes
    by the text alone.
    """
    if "://" in location or location in (SYNTHETIC, DIGITS):
        return location
    return os.path.normpath(Path(location).absolute())


def keep_images(store: Store, run: str, images: KeptImages) -> None:
    """Keeps the images of an evaluation, in place of those from the same location.

    Args:
        store: The store.
        run: The evaluation's key.
        images: The images.
    """
    key = hashlib.sha256(f"{run}\n{images.facts.data}".encode("utf-8", "surrogateescape")).hexdigest()
    content = json.dumps(
        {
            "names": list(images.names),
            "labels": {place: list(map(_written, labels)) for place, labels in images.labels.items()},
            "parts": list(images.parts),
        }
    )
    stored = StoredImages(key, to_json(images.facts), zlib.compress(content.encode("utf-8"), 1))
    store.keep_images(stored, run)


def kept_images(stored: StoredImages) -> KeptImages:
    """Reads a list of images from a whole row of `kept_lists`."""
    content = json.loads(zlib.decompress(stored.content))
    return KeptImages(
        from_json(KeptFacts, stored.description),
        content["names"],
        {int(place): list(map(_read, labels)) for place, labels in content["labels"].items()},
        [KeptPart(*part) for part in content["parts"]],
    )


def _written(label: KeptLabel) -> int | list[int] | None:
    return sorted(label) if isinstance(label, frozenset) else label


def _read(label: int | list[int] | None) -> KeptLabel:
    return frozenset(label) if isinstance(label, list) else label


def kept_lists(store: Store, run: str) -> Iterator[tuple[StoredImages, KeptFacts]]:
    """The lists of images of an evaluation that this release can read, the latest of each location."""
    found = {}
    for stored in store.images(run):
        with suppress(ValueError):  # of another version
            facts = from_json(KeptFacts, stored.description)
            # Older stores have paths as they were spelt, with `..`.
            data = os.path.normpath(facts.data) if Path(facts.data).is_absolute() else facts.data
            found[data] = (stored, dataclasses.replace(facts, data=data))
    yield from found.values()
