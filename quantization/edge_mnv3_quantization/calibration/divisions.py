"""Shards of one source, divided alike or in several ways, as fractions of the whole.

Shard K of N is the numbers K, K + N, K + 2N and so on. So shards K of N and L of M have numbers in common
where K and L leave the same remainder by the greatest common divisor of N and M.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from edge_mnv3.core.results.calibration_statistics import CountedImages

_NAMED = 10  # shards
_TRIED = 10_000  # numbers of shards, where so many ways to divide meet that few of them are missing whole
_WHOLE = Fraction(1)


class ShardNumber(NamedTuple):
    """One shard, of all images of a source or of those that were chosen.

    Attributes:
        number: From 1 on.
        of: How many shards there are.
    """

    number: int
    of: int

    def overlaps(self, other: ShardNumber) -> bool:
        """Whether both have numbers in common, however the images were divided."""
        return (self.number - other.number) % math.gcd(self.of, other.of) == 0


def counted_share(parts: Sequence[CountedImages]) -> Fraction:
    """The share of a source that parts of it without a number in common have, from 0 to 1."""
    return sum((Fraction(len(part.shards), part.of) for part in parts), Fraction(0))


def common_share(one: CountedImages, other: CountedImages) -> Fraction:
    """The share of a source that is in both of two parts of it, from 0 to 1."""
    pairs = itertools.product(_shards([one]), _shards([other]))
    both = (Fraction(1, math.lcm(mine.of, theirs.of)) for mine, theirs in pairs if mine.overlaps(theirs))
    return sum(both, Fraction(0))


def joined_parts(parts: Sequence[CountedImages]) -> tuple[CountedImages, ...]:
    """Puts parts together, source by source; parts that are all of their source are shard 1 of 1.

    What was divided alike is one part afterwards, and stays another than what was divided in another way.
    """
    joined: list[CountedImages] = []
    for sha256, of_source in itertools.groupby(sorted(parts, key=_by_source), key=lambda part: part.sha256):
        same = list(of_source)
        location = min(part.location for part in same)
        divided = itertools.groupby(same, key=lambda part: part.of)
        numbers = {of: sorted(number for part in alike for number in part.shards) for of, alike in divided}
        if counted_share(same) == _WHOLE:
            numbers = {1: [1]}
        joined += [
            CountedImages(sha256=sha256, location=location, shards=tuple(shards), of=of)
            for of, shards in numbers.items()
        ]
    return tuple(joined)


def missing_text(parts: Sequence[CountedImages]) -> str:
    """Names what parts of one source lack: shards as they were divided, and their share of the images.

    Args:
        parts: Those of one source, without a number in common.

    Returns:
        Such as `shards 2/4 and 4/4 (1/2 of the images)`, with a few of many shards; empty where nothing is
        missing.
    """
    share = _WHOLE - counted_share(parts)
    if not share:
        return ""
    lacking: list[ShardNumber] = []
    left = share
    for shard in _missing(parts):
        if len(lacking) == _NAMED:
            break
        lacking.append(shard)
        left -= Fraction(1, shard.of)
    names = [f"{shard.number}/{shard.of}" for shard in lacking]
    if not names:  # each is a small part of an unusual division
        return f"{share} of the images"
    if left:
        names.append("others")
    named = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    several = "s" if len(names) > 1 else ""
    return f"shard{several} {named} ({share} of the images)"


def _by_source(part: CountedImages) -> tuple[str, int, tuple[int, ...]]:
    return part.sha256, part.of, part.shards


def _shards(parts: Sequence[CountedImages]) -> list[ShardNumber]:
    return [ShardNumber(number, part.of) for part in parts for number in part.shards]


def _missing(parts: Sequence[CountedImages]) -> Iterator[ShardNumber]:
    """Shards that are missing whole, each number in one of them, by the fewest ways to divide first."""
    taken = _shards(parts)
    every = {part.of for part in parts}
    for of in sorted({*every, math.lcm(*every)}):
        for number in range(1, min(of, _TRIED) + 1):
            shard = ShardNumber(number, of)
            if not any(map(shard.overlaps, taken)):
                taken.append(shard)
                yield shard
