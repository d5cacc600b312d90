"""Shards of one source as fractions of the whole, against what counting the numbers one by one gives."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.results.calibration_statistics import CountedImages
from edge_mnv3_quantization.calibration.divisions import (
    common_share,
    counted_share,
    joined_parts,
    missing_text,
)
from examples_count import examples

NUMBERS = math.lcm(*range(1, 9))  # as many images as any division into up to eight shards divides evenly


def part(number: int, of: int, source: str = "d", location: str = "photos") -> CountedImages:
    return CountedImages(sha256=source, location=location, shards=(number,), of=of)


def numbers(data: CountedImages) -> set[int]:
    return {each for shard in data.shards for each in range(shard, NUMBERS + 1, data.of)}


@st.composite
def divided(draw: st.DrawFn) -> list[CountedImages]:
    """Shards without a number in common, by cutting shards in two or three, some of which are left out."""
    shards = [(1, 1)]
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(shards) - 1))
        number, of = shards[place]
        pieces = draw(st.sampled_from([each for each in (2, 3, 4) if NUMBERS % (of * each) == 0] or [1]))
        shards[place : place + 1] = [(number + of * piece, of * pieces) for piece in range(pieces)]
    kept = draw(st.lists(st.sampled_from(shards), min_size=1, unique=True))
    return [part(*shard) for shard in kept]


@examples(150)
@given(divided(), st.randoms(use_true_random=False))
def test_what_is_missing_is_what_no_shard_has(parts: list[CountedImages], random: Random) -> None:
    counted = set().union(*map(numbers, parts))
    assert counted_share(parts) == Fraction(len(counted), NUMBERS)
    joined = joined_parts(parts)
    random.shuffle(parts)
    assert joined_parts(parts) == joined == joined_parts(joined)
    assert set().union(*map(numbers, joined)) == counted
    complete = len(counted) == NUMBERS
    assert (joined == (part(1, 1),)) == complete
    text = missing_text(joined)
    assert (text == "") == complete
    if complete:
        return
    shards, bracket, share = text.rpartition(" (")
    assert share == f"{1 - Fraction(len(counted), NUMBERS)} of the images{')' if bracket else ''}"
    named = [part(int(number), int(of)) for number, of in re.findall(r"(\d+)/(\d+)", shards)]
    lacking = [each for data in named for each in numbers(data)]
    assert len(set(lacking)) == len(lacking)  # each is named once
    left = set(range(1, NUMBERS + 1)) - counted - set(lacking)
    assert set(lacking).isdisjoint(counted)
    assert bool(left) == ("others" in text)


@examples(150)
@given(*(st.tuples(st.sampled_from(range(1, 9)), st.integers(1, 8)) for _ in range(2)))
def test_what_is_there_twice_is_what_both_have(one: tuple[int, int], other: tuple[int, int]) -> None:
    mine, theirs = (part(min(number, of), of) for of, number in (one, other))
    both = numbers(mine) & numbers(theirs)
    assert common_share(mine, theirs) == Fraction(len(both), NUMBERS)


def test_shards_that_are_missing_are_named_as_they_were_divided() -> None:
    assert missing_text([part(1, 4)]) == "shards 2/4, 3/4 and 4/4 (3/4 of the images)"
    assert missing_text([part(1, 2), part(2, 4)]) == "shard 4/4 (1/4 of the images)"
    assert missing_text([part(3, 4), part(2, 6)]) == "shards 1/4, 4/6 and 6/6 (7/12 of the images)"


def test_a_few_of_many_missing_shards_are_named() -> None:
    many = missing_text([part(1, 10**9)])  # at once
    first = ", ".join(f"{number}/1000000000" for number in range(2, 12))
    assert many == f"shards {first} and others (999999999/1000000000 of the images)"
    halves = [part(2**power, 2 ** (power + 1)) for power in range(15)]
    assert missing_text(halves) == "1/32768 of the images"


def test_locations_of_one_source_do_not_matter() -> None:
    (joined,) = joined_parts([part(1, 2, location="/mnt/b"), part(2, 2, location="/mnt/a")])
    assert joined == part(1, 1, location="/mnt/a")
    assert joined_parts([part(1, 1, "e"), part(2, 2)]) == (part(2, 2), part(1, 1, "e"))
