"""Statistics over any number of images, with what they are of, so that parts from anywhere can be joined.

Beside the totals, 16 bytes of the hash of each image are kept: they show when an image would be counted
twice.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.results.calibration_statistics import CountedImages, StatisticsFacts
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, channel_statistics
from edge_mnv3_quantization.calibration.channel_totals import ChannelTotals
from edge_mnv3_quantization.calibration.shard_totals import DIGEST_BYTES
from edge_mnv3_quantization.graph.network import Network

Digests = npt.NDArray[Any]  # (images,) of `DIGEST_BYTES` bytes, ascending
TOTALS = tuple(field.name for field in dataclasses.fields(ChannelTotals))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountedStatistics:
    """The statistics of one float network over any images.

    Attributes:
        facts: What they are of.
        totals: The totals over the images, of the channels of `observed_values` side by side.
        digests: The images.
    """

    facts: StatisticsFacts
    totals: ChannelTotals
    digests: Digests

    def by_value(self, network: Network) -> dict[int, ChannelStatistics]:
        """The statistics of each of `observed_values`.

        Args:
            network: From `observed_network`, that of the facts' `network_sha256`.
        """
        return channel_statistics(network, self.totals, self.facts.images)


def sorted_digests(content: bytes) -> Digests:
    """Sorts digests that lie one after another."""
    return np.sort(np.frombuffer(content, f"S{DIGEST_BYTES}"))


def counted(facts: StatisticsFacts, totals: ChannelTotals, digests: Digests) -> CountedStatistics:
    """Makes statistics, and fills in what of the facts follows from them: all numbers, and the hash."""
    digest = hashlib.sha256(facts.network_sha256.encode())
    for name in TOTALS:
        digest.update(np.ascontiguousarray(getattr(totals, name)).tobytes())
    digest.update(digests.tobytes())
    repeated = len(digests) - len(np.unique(digests))
    facts = dataclasses.replace(facts, images=len(digests), repeated=repeated, sha256=digest.hexdigest())
    return CountedStatistics(facts=facts, totals=totals, digests=digests)


def merged(parts: Sequence[CountedStatistics]) -> CountedStatistics:
    """Joins statistics of one network; the same bit by bit in any order and however images were divided.

    An image may be in several shards of one source, which then has it more than once; it is an error in
    parts that overlap.

    Raises:
        CalibrationDataError: They are of different networks or preprocessings, or count an image twice.
    """
    # Shards of one source first: what they have in common is the source's own.
    ordered = sorted(parts, key=lambda part: [(data.sha256, data.shards) for data in part.facts.data])
    return functools.reduce(_merged, ordered)


def _merged(one: CountedStatistics, other: CountedStatistics) -> CountedStatistics:
    check_alike(one.facts, other.facts)
    common = len(np.intersect1d(one.digests, other.digests))
    if common and not _are_apart(one.facts, other.facts):
        raise CalibrationDataError(
            "statistics to merge",
            f"{common} images that are in {_words(one.facts)} and in {_words(other.facts)}",
            "each image once",
            "leave one of them out, or collect anew, with each image in one part",
        )
    totals = one.totals.copy()
    try:
        totals.merge(other.totals)
    except OverflowError as error:
        raise CalibrationDataError(
            "statistics to merge", "sums that have no room left", "fewer images"
        ) from error
    facts = dataclasses.replace(
        one.facts,
        models_sha256=_union(one.facts.models_sha256, other.facts.models_sha256),
        data=joined_data([*one.facts.data, *other.facts.data]),
        skipped=tuple(
            sorted((*one.facts.skipped, *other.facts.skipped), key=lambda image: (image.file, image.reason))
        ),
        environments=_union(one.facts.environments, other.facts.environments),
    )
    return counted(facts, totals, np.sort(np.concatenate([one.digests, other.digests])))


def check_alike(one: StatisticsFacts, other: StatisticsFacts) -> None:
    """Refuses statistics that cannot be joined.

    Raises:
        CalibrationDataError: They are of different networks, shapes or preprocessings.
    """
    for name, mine, theirs in (
        ("networks", f"{one.network_sha256[:12]}…", f"{other.network_sha256[:12]}…"),
        ("shapes", one.input_shape.text, other.input_shape.text),
        ("preprocessings", one.preprocess, other.preprocess),
    ):
        if mine != theirs:
            raise CalibrationDataError(
                "statistics to merge",
                f"those of {name} {mine} ({_words(one)}) and {theirs} ({_words(other)})",
                f"one of {name}",
            )


def check_network(facts: StatisticsFacts, sha256: str) -> None:
    """Refuses statistics of another network.

    Raises:
        CalibrationDataError: With both hashes.
    """
    if facts.network_sha256 != sha256:
        raise CalibrationDataError(
            "statistics",
            f"those of network {facts.network_sha256[:12]}…",
            f"those of {sha256[:12]}…, the float model's",
            "collect them with this model and --input-range",
        )


def _are_apart(one: StatisticsFacts, other: StatisticsFacts) -> bool:
    """Whether both are different shards of one source."""
    if len(one.data) != 1 or len(other.data) != 1:
        return False
    (mine,), (theirs,) = one.data, other.data
    same = (mine.sha256, mine.of) == (theirs.sha256, theirs.of)
    return same and not set(mine.shards) & set(theirs.shards)


def joined_data(data: Sequence[CountedImages]) -> tuple[CountedImages, ...]:
    """Puts shards of one source together; all of its shards are shard 1 of 1."""
    locations: dict[str, str] = {}
    numbers: dict[tuple[str, int], list[int]] = {}
    for each in data:
        numbers.setdefault((each.sha256, each.of), []).extend(each.shards)
        locations[each.sha256] = min(each.location, locations.get(each.sha256, each.location))
    joined = []
    for (sha256, of), found in sorted(numbers.items()):
        complete = sorted(found) == list(range(1, of + 1))
        joined.append(
            CountedImages(
                sha256=sha256,
                location=locations[sha256],
                shards=(1,) if complete else tuple(sorted(found)),
                of=1 if complete else of,
            )
        )
    return tuple(sorted(joined, key=lambda each: (each.sha256, each.of, each.shards)))


def _words(facts: StatisticsFacts) -> str:
    return " and ".join(data.text for data in facts.data)


def _union(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def merge_warnings(facts: StatisticsFacts, *, of_a_shard: bool = False) -> tuple[str, ...]:
    """What the user must know of statistics: shards that are missing, images that are there twice.

    Args:
        facts: Those of the statistics.
        of_a_shard: They are meant to be those of one shard.
    """
    warnings = []
    for data in facts.data:
        if data.missing and not of_a_shard:
            missing = ", ".join(map(str, data.missing))
            warnings.append(f"statistics of {data.text}: not counted: {missing}")
    if facts.repeated:
        warnings.append(f"{facts.repeated} of {facts.images} images have the pixels of another one")
    if len(facts.environments) > 1:
        warnings.append(
            "statistics of different versions or processors, whose last bits may differ: "
            + "; ".join(facts.environments)
        )
    return tuple(warnings)
