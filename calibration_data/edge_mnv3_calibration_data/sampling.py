"""A seeded, class-balanced order of images, the same on every machine and version."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from edge_mnv3.core.images import ImageSource


def sample_order(source: ImageSource, *, seed: int) -> list[int]:
    """Orders a source's images, by their index, so that any first n of them are a fair sample.

    Each image's place follows from the SHA-256 of seed and name: no random generator whose stream could
    change between versions, and no effect of the order in which a folder was listed. Where all images have
    labels, classes take turns, so that their counts in the first n differ by at most one as far as they have
    images.
    """
    labels = source.labels()
    shuffled = sorted(range(len(labels)), key=lambda index: _key(seed, source.name(index)))
    if not labels or None in labels:
        return shuffled
    by_class: dict[int | None, list[int]] = defaultdict(list)
    for index in shuffled:
        by_class[labels[index]].append(index)
    turns = [
        (turn, _key(seed, f"class {label}"), index)
        for label, members in by_class.items()
        for turn, index in enumerate(members)
    ]
    return [index for _, _, index in sorted(turns, key=lambda entry: entry[:2])]


def _key(seed: int, name: str) -> str:
    # File names of other systems may be no UTF-8.
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).hexdigest()
