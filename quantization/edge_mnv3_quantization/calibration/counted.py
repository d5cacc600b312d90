"""Statistics over any number of images, with what they are of, so that parts from anywhere can be joined.

Beside the totals, 16 bytes of the hash of each image are kept, with the source that it is of: they show when
an image would be counted twice.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.results.calibration_statistics import StatisticsFacts
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, channel_statistics
from edge_mnv3_quantization.calibration.channel_totals import ChannelTotals
from edge_mnv3_quantization.calibration.divisions import common_share, joined_parts, missing_text
from edge_mnv3_quantization.calibration.shard_totals import DIGEST_BYTES
from edge_mnv3_quantization.graph.network import Network

Digests = npt.NDArray[Any]  # (images,) of `DIGEST_BYTES` bytes, ascending
UNTOLD = ""
_ONCE = "leave one of them out, or collect anew, with each image in one part"
TOTALS = tuple(field.name for field in dataclasses.fields(ChannelTotals))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountedStatistics:
    """The statistics of one float network over any images.

    Attributes:
        facts: What they are of.
        totals: The totals over the images, of the channels of `observed_values` side by side.
        digests: The images of each source by its hash, in the order of the hashes. Under `UNTOLD` are those
            of which a file of an earlier version does not tell the source.
    """

    facts: StatisticsFacts
    totals: ChannelTotals
    digests: Mapping[str, Digests]

    def by_value(self, network: Network) -> dict[int, ChannelStatistics]:
        """The statistics of each of `observed_values`.

        Args:
            network: From `observed_network`, that of the facts' `network_sha256`.
        """
        return channel_statistics(network, self.totals, self.facts.images)


def sorted_digests(content: bytes) -> Digests:
    """Sorts digests that lie one after another."""
    return np.sort(np.frombuffer(content, f"S{DIGEST_BYTES}"))


def of_one_source(facts: StatisticsFacts, totals: ChannelTotals, digests: Digests) -> CountedStatistics:
    """Makes statistics of images of one source; see `counted`."""
    (data,) = facts.data
    return counted(facts, totals, {data.sha256: digests})


def counted(
    facts: StatisticsFacts, totals: ChannelTotals, digests: Mapping[str, Digests]
) -> CountedStatistics:
    """Makes statistics, and fills in what of the facts follows from them: all numbers, and the hash."""
    every = np.sort(np.concatenate(list(digests.values())))
    digest = hashlib.sha256(facts.network_sha256.encode())
    for name in TOTALS:
        digest.update(np.ascontiguousarray(getattr(totals, name)).tobytes())
    digest.update(every.tobytes())
    repeated = len(every) - len(np.unique(every))
    facts = dataclasses.replace(facts, images=len(every), repeated=repeated, sha256=digest.hexdigest())
    return CountedStatistics(facts=facts, totals=totals, digests=dict(sorted(digests.items())))


def merged(parts: Sequence[CountedStatistics]) -> CountedStatistics:
    """Joins statistics of one network; the same bit by bit in any order and however images were divided.

    An image may be in several shards of one source, which then has it more than once; it is an error in two
    sources, and so are shards of one source that overlap.

    Raises:
        CalibrationDataError: They are of different networks or preprocessings, or count an image twice.
    """
    first = parts[0]
    facts = dataclasses.replace(first.facts, data=joined_parts(first.facts.data))
    return functools.reduce(_merged, parts[1:], dataclasses.replace(first, facts=facts))


def _merged(one: CountedStatistics, other: CountedStatistics) -> CountedStatistics:
    check_alike(one.facts, other.facts)
    _refuse_overlap(one, other)
    _refuse_common(one, other)
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
        data=joined_parts([*one.facts.data, *other.facts.data]),
        skipped=tuple(
            sorted((*one.facts.skipped, *other.facts.skipped), key=lambda image: (image.file, image.reason))
        ),
        environments=_union(one.facts.environments, other.facts.environments),
    )
    digests = {
        source: np.sort(
            np.concatenate([each.digests[source] for each in (one, other) if source in each.digests])
        )
        for source in {*one.digests, *other.digests}
    }
    return counted(facts, totals, digests)


def _refuse_overlap(one: CountedStatistics, other: CountedStatistics) -> None:
    """Refuses the same images, divided alike or in other ways."""
    for mine, theirs in itertools.product(one.facts.data, other.facts.data):
        twice = common_share(mine, theirs) if mine.sha256 == theirs.sha256 else 0
        if twice:
            raise CalibrationDataError(
                "statistics to merge",
                f"images of {mine.text} and of {theirs.text}, which are the same source: "
                + ("all of it twice" if twice == 1 else f"{twice} of it twice"),
                "each image once",
                _ONCE,
            )


def _refuse_common(one: CountedStatistics, other: CountedStatistics) -> None:
    """Refuses images that are in two sources, which one source may have twice."""
    for (mine, images), (theirs, others) in itertools.product(one.digests.items(), other.digests.items()):
        common = 0 if mine == theirs != UNTOLD else len(np.intersect1d(images, others))
        if common:
            raise CalibrationDataError(
                "statistics to merge",
                f"{count(common, 'image that is', 'images that are')} in {_words(one.facts, mine)} "
                f"and in {_words(other.facts, theirs)}",
                "each image once",
                _ONCE,
            )


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


def _words(facts: StatisticsFacts, source: str = "") -> str:
    named = [data for data in facts.data if data.sha256 == source] or facts.data
    return " and ".join(data.text for data in named)


def _union(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def merge_warnings(facts: StatisticsFacts, *, of_a_shard: bool = False) -> tuple[str, ...]:
    """What the user must know of statistics: shards that are missing, images that are there twice.

    Args:
        facts: Those of the statistics.
        of_a_shard: They are meant to be those of one shard.
    """
    warnings = [] if of_a_shard else _missing_warnings(facts)
    if facts.repeated:
        warnings.append(f"{facts.repeated} of {facts.images} images have the pixels of another one")
    if len(facts.environments) > 1:
        warnings.append(
            "statistics of different versions or processors, whose last bits may differ: "
            + "; ".join(facts.environments)
        )
    return tuple(warnings)


def _missing_warnings(facts: StatisticsFacts) -> list[str]:
    warnings = []
    for _, group in itertools.groupby(facts.data, key=lambda data: data.sha256):
        parts = list(group)
        missing = missing_text(parts)
        if not missing:
            continue
        location = parts[0].location
        places = {data.location for data in facts.data if data.sha256 != parts[0].sha256}
        changed = (
            f"; {location} also had other images, which are no shards of these" if location in places else ""
        )
        named = ", ".join((parts[0].text, *(part.shards_text for part in parts[1:])))
        warnings.append(f"statistics of {named}: not counted: {missing}{changed}")
    return warnings
