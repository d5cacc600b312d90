"""A seeded, class-balanced order of images, the same on every machine and version."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from edge_mnv3_calibration_data.sources import Item


def order(items: Sequence[Item], *, seed: int) -> list[Item]:
    """Orders items so that any first n of them are a fair sample.

    Each item's place follows from the SHA-256 of seed and name: no random generator whose stream could change
    between versions, and no effect of the order in which a folder was listed. Where all items have labels,
    classes take turns, so that their counts in the first n differ by at most one as far as they have items.
    """
    shuffled = sorted(items, key=lambda item: _key(seed, item.file))
    if not items or any(item.label is None for item in items):
        return shuffled
    by_class: dict[int | None, list[Item]] = defaultdict(list)
    for item in shuffled:
        by_class[item.label].append(item)
    turns = [
        (turn, _key(seed, f"class {label}"), item)
        for label, members in by_class.items()
        for turn, item in enumerate(members)
    ]
    return [item for _, _, item in sorted(turns, key=lambda entry: entry[:2])]


def _key(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
