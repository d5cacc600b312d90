"""Statistics of parts that are merged: exact in any order, nothing counted twice, damage detected."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import tempfile
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.results.calibration_statistics import CountedImages, StatisticsFacts
from edge_mnv3.core.results.images import ImageShape, SkippedImage
from edge_mnv3_quantization.calibration import counted_files
from edge_mnv3_quantization.calibration.channel_totals import no_totals
from edge_mnv3_quantization.calibration.counted import (
    UNTOLD,
    CountedStatistics,
    check_network,
    merge_warnings,
    merged,
    of_one_source,
    sorted_digests,
)
from edge_mnv3_quantization.calibration.counted_files import (
    Unfinished,
    load_counted,
    load_unfinished,
    save_counted,
    save_unfinished,
)
from edge_mnv3_quantization.calibration.shard_totals import DIGEST_BYTES
from examples_count import examples

CHANNELS = 3
FIRST_VERSION = Path(__file__).parents[1] / "golden" / "formats" / "calibration-statistics-v1.npz"
# Numbers of very different sizes: in floating point their sums depend on the order.
IMAGES = [
    np.random.default_rng(seed).normal(0, 10.0 ** (seed % 9 - 4), (5, CHANNELS)).astype(np.float32)
    for seed in range(12)
]


def digest(image: int) -> bytes:
    # A digest may end with a zero byte.
    return hashlib.sha256(bytes([image])).digest()[: DIGEST_BYTES - 1] + b"\0"


def facts(data: CountedImages) -> StatisticsFacts:
    return StatisticsFacts(
        network_sha256="n" * 64,
        models_sha256=("m" * 64,),
        input_shape=ImageShape.square(32),
        preprocess="slim",
        data=(data,),
        images=0,
        repeated=0,
        skipped=(),
        channels=(CHANNELS,),
        environments=("litert 2",),
        sha256="",
    )


def part(
    images: list[int], *, shards: tuple[int, ...] = (1,), of: int = 1, data: str = "d"
) -> CountedStatistics:
    totals = no_totals(CHANNELS)
    for image in images:
        of_image = no_totals(CHANNELS)
        of_image.add([IMAGES[image]])
        totals.merge(of_image)
    digests = sorted_digests(b"".join(digest(image) for image in images))
    return of_one_source(
        facts(CountedImages(sha256=data, location="photos", shards=shards, of=of)), totals, digests
    )


def digests_of(statistics: CountedStatistics) -> dict[str, bytes]:
    return {source: digests.tobytes() for source, digests in statistics.digests.items()}


def stored(statistics: CountedStatistics, folder: Path) -> bytes:
    save_counted(statistics, folder / "a.npz")
    return (folder / "a.npz").read_bytes()


@pytest.fixture(scope="module")
def whole() -> CountedStatistics:
    return part(list(range(len(IMAGES))))


@examples(50)
@given(st.permutations(range(len(IMAGES))), st.integers(1, 12), st.randoms())
def test_any_division_in_any_order_is_the_same_bit_by_bit(
    whole: CountedStatistics, turns: list[int], of: int, random: object
) -> None:
    parts = [part(turns[first::of], shards=(first + 1,), of=of) for first in range(of)]
    random.shuffle(parts)  # type: ignore[attr-defined]
    while len(parts) > 1:  # as merged files are merged again
        parts = [merged(parts[:2]), *parts[2:]][::-1]
    assert parts[0].facts == whole.facts
    assert digests_of(parts[0]) == digests_of(whole)
    for name in ("low", "high", "sums", "squares"):
        got, wanted = getattr(parts[0].totals, name), getattr(whole.totals, name)
        assert got.tobytes() == wanted.tobytes()


def test_files_are_the_same_bytes_and_are_read(whole: CountedStatistics, tmp_path: Path) -> None:
    parts = [part(list(range(first, 12, 7)), shards=(first + 1,), of=7) for first in range(7)]
    assert stored(merged(parts[::-1]), tmp_path) == stored(whole, tmp_path)
    again = load_counted(tmp_path / "a.npz")
    assert again.facts == whole.facts
    assert digests_of(again) == digests_of(whole)
    with np.load(tmp_path / "a.npz") as archive:
        assert archive["digests"].shape == (12, DIGEST_BYTES)
        assert archive["sums"].dtype == np.int64


def test_the_file_of_the_first_version_is_read(whole: CountedStatistics) -> None:
    first = load_counted(FIRST_VERSION)
    assert first.facts == whole.facts
    assert first.totals.sums.tobytes() == whole.totals.sums.tobytes()


def test_shards_that_are_missing_are_told() -> None:
    some = merged([part([0, 1], shards=(1,), of=4), part([2], shards=(3,), of=4)])
    assert some.facts.data[0].text == "photos, shards 1, 3 of 4"
    assert merge_warnings(some.facts) == (
        "statistics of photos, shards 1, 3 of 4: not counted: shards 2/4 and 4/4 (1/2 of the images)",
    )
    assert merge_warnings(some.facts, of_a_shard=True) == ()


def test_shards_of_two_divisions_that_are_the_whole_are_whole(whole: CountedStatistics) -> None:
    half = part(list(range(0, 12, 2)), shards=(1,), of=2)
    quarters = [part(list(range(first - 1, 12, 4)), shards=(first,), of=4) for first in (2, 4)]
    for order in itertools.permutations([half, *quarters]):
        assert merged(order).facts == whole.facts
        assert merge_warnings(merged(order).facts) == ()
    some = merged([half, quarters[0]]).facts
    text = "statistics of photos, shard 1 of 2, shard 2 of 4: not counted: shard 4/4 (1/4 of the images)"
    assert merge_warnings(some) == (text,)
    # As an earlier version wrote it: complete, and not put together.
    data = (*some.data, dataclasses.replace(some.data[1], shards=(4,)))
    (facts_,) = {
        merged([dataclasses.replace(whole, facts=dataclasses.replace(whole.facts, data=data))]).facts
    }
    assert facts_ == whole.facts


def test_an_image_that_is_in_two_parts_is_refused() -> None:
    one = part([0, 1, 2], shards=(1,), of=3)
    with pytest.raises(CalibrationDataError, match=r"got 1 image that is in photos.* and in photos"):
        merged([one, part([2, 3], data="e")])  # another source
    for others, twice in (
        ({}, "1/3 of it"),  # the same source again
        ({"shards": (2,), "of": 2}, "1/6 of it"),  # the source divided in another way
        ({"shards": (1,), "of": 3}, "1/3 of it"),
        ({"shards": (4,), "of": 6}, "1/6 of it"),  # a part of it
    ):
        # Whether or not images are known to be the same.
        for images in ([2, 3], [5, 6]):
            with pytest.raises(
                CalibrationDataError,
                match=rf"got images of photos.*, which are the same source: {twice} twice",
            ):
                merged([one, part(images, **others)])  # type: ignore[arg-type]


def test_an_image_that_a_source_has_twice_counts_twice_in_any_shards() -> None:
    apart = merged([part([0, 1, 1], shards=(1,), of=2), part([1, 2], shards=(2,), of=2)])
    assert apart.facts == part([0, 1, 1, 1, 2]).facts
    assert (apart.facts.images, apart.facts.repeated) == (5, 2)
    assert merge_warnings(apart.facts) == ("2 of 5 images have the pixels of another one",)
    # Whatever the order in which all files are given.
    other = part([5], data="e")
    orders = itertools.permutations([part([0, 1], shards=(1,), of=2), part([1], shards=(2,), of=2), other])
    assert len({merged(order).facts.sha256 for order in orders}) == 1


def test_sources_of_one_place_that_are_others_are_told() -> None:
    both = merged([part([0, 1], shards=(1,), of=2), part([2], shards=(2,), of=2, data="e")])
    others = "; photos also had other images, which are no shards of these"
    assert merge_warnings(both.facts) == (
        f"statistics of photos, shard 1 of 2: not counted: shard 2/2 (1/2 of the images){others}",
        f"statistics of photos, shard 2 of 2: not counted: shard 1/2 (1/2 of the images){others}",
    )


@st.composite
def divided_sources(draw: st.DrawFn) -> list[CountedStatistics]:
    """Parts of sources, with images that one has twice, that two have, or that are in parts that overlap."""
    parts = []
    for source in ("d", "e"):
        images = draw(st.lists(st.integers(0, 11), min_size=1, max_size=8))
        of = draw(st.sampled_from([1, 2, 4]))
        numbers = draw(st.lists(st.integers(1, of), min_size=1, max_size=3, unique=draw(st.booleans())))
        parts += [
            part(images[number - 1 :: of] or [0], shards=(number,), of=of, data=source) for number in numbers
        ]
    return parts


def joined_at_random(parts: list[CountedStatistics], random: Random, folder: Path) -> bytes | None:
    """The bytes of what is merged in any order, two by two, through files; None where that is refused."""
    left = list(parts)
    random.shuffle(left)
    while len(left) > 1:
        one, other = left.pop(random.randrange(len(left))), left.pop(random.randrange(len(left)))
        try:
            both = merged([one, other])
        except CalibrationDataError:
            return None
        stored(both, folder)
        left.append(load_counted(folder / "a.npz"))
    return stored(left[0], folder)


@examples(60)
@given(divided_sources(), st.randoms(use_true_random=False))
def test_merging_is_one_thing_in_any_order(parts: list[CountedStatistics], random: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expected = joined_at_random(parts, random, Path(folder))
        for _ in range(3):
            assert joined_at_random(parts, random, Path(folder)) == expected
        digests = {name: [part for part in parts if part.facts.data[0].sha256 == name] for name in "de"}
        if expected is None:
            return
        images = [
            {bytes(each) for part in some for each in part.digests[name]} for name, some in digests.items()
        ]
        assert not set.intersection(*images)  # no image of two sources has gone through


def test_sources_are_not_told_by_merged_files_of_the_first_version(tmp_path: Path) -> None:
    """Of these nothing tells which source has an image twice: an image in common is an error."""
    both = merged([part([0, 1], shards=(1,), of=2), part([2, 3], data="e")])
    old = dataclasses.replace(both, digests={UNTOLD: sorted_digests(b"".join(map(digest, range(4))))})
    stored(old, tmp_path)
    again = load_counted(tmp_path / "a.npz")
    assert list(again.digests) == [UNTOLD]
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "counts.npy"}
    rows = {name.removesuffix(".npy"): content for name, content in members.items() if name != "sha256.txt"}
    members["sha256.txt"] = counted_files._sha256(rows).encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    first = load_counted(tmp_path / "a.npz")
    assert digests_of(first) == digests_of(again)
    apart = merged([first, part([4], shards=(2,), of=2)])
    assert (apart.facts.images, apart.facts.data[0].shards) == (5, (1,))
    with pytest.raises(CalibrationDataError, match="got 1 image that is in photos"):
        merged([first, part([1], shards=(2,), of=2)])


def test_counts_that_are_not_those_of_the_images_are_damage(tmp_path: Path) -> None:
    both = merged([part([0, 1]), part([2, 3], data="e")])
    wrong = dataclasses.replace(both, digests={"d": both.digests["d"], "x": both.digests["e"]})
    stored(wrong, tmp_path)
    with pytest.raises(InputFileError, match="got a damaged file"):
        load_counted(tmp_path / "a.npz")


def test_what_cannot_be_merged_is_refused() -> None:
    one, other = part([0]), part([1])
    for changes, words in (
        ({"network_sha256": "o" * 64}, "networks nnnnnnnnnnnn… (photos) and oooooooooooo… (photos)"),
        ({"preprocess": "resize"}, "preprocessings slim (photos) and resize (photos)"),
        ({"input_shape": ImageShape.square(48)}, "shapes 32 px (photos) and 48 px (photos)"),
    ):
        changed = dataclasses.replace(other.facts, **changes)
        with pytest.raises(CalibrationDataError) as caught:
            merged([one, dataclasses.replace(other, facts=changed)])
        assert words in str(caught.value)
    with pytest.raises(CalibrationDataError, match="of network nnnnnnnnnnnn…, expected those of x…"):
        check_network(one.facts, "x")


def test_sums_without_room_are_refused_and_not_wrapped_around() -> None:
    one, other = part([0]), part([1], data="e")
    one.totals.sums[0, 0] = other.totals.sums[0, 0] = 2**62
    with pytest.raises(CalibrationDataError, match="got sums that have no room left, expected fewer images"):
        merged([one, other])
    before = one.totals.copy()
    with pytest.raises(OverflowError):
        one.totals.merge(other.totals)
    assert one.totals.sums.tobytes() == before.sums.tobytes()


def test_other_versions_and_skipped_images_are_kept_and_told() -> None:
    one, other = part([0], shards=(1,), of=2), part([1], shards=(2,), of=2)
    skipped = (SkippedImage(file="b.jpg", reason="corrupt"),)
    changed = dataclasses.replace(other.facts, environments=("litert 1",), skipped=skipped)
    both = merged([one, dataclasses.replace(other, facts=changed)]).facts
    assert (both.environments, both.skipped) == (("litert 1", "litert 2"), skipped)
    (warning,) = merge_warnings(both)
    assert warning.endswith("whose last bits may differ: litert 1; litert 2")


def test_damage_anywhere_is_found(whole: CountedStatistics, tmp_path: Path) -> None:
    content = stored(whole, tmp_path)
    path = tmp_path / "a.npz"
    harmless: list[int] = []
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        with contextlib.suppress(InputFileError):  # or it is a byte that means nothing, such as a date's
            read = load_counted(path)
            assert read.facts == whole.facts
            assert read.totals.sums.tobytes() == whole.totals.sums.tobytes()
            harmless.append(place)
    assert len(harmless) < len(content) / 97 / 2
    for cut in (b"", content[: len(content) // 2]):
        path.write_bytes(cut)
        with pytest.raises(InputFileError, match=r"got a damaged file, .*; delete it and collect"):
            load_counted(path)


def test_other_files_are_refused(whole: CountedStatistics, tmp_path: Path) -> None:
    with pytest.raises(
        InputFileError, match=r"none\.npz: got no such file, expected a file of edge-mnv3 statistics collect"
    ):
        load_counted(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    with pytest.raises(InputFileError, match=r"got another \.npz file, expected a file of edge-mnv3"):
        load_counted(tmp_path / "other.npz")
    stored(whole, tmp_path)
    # A whole file that somebody has changed: its numbers are not those of its hash.
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["facts.json"] = members["facts.json"].replace(b"slim", b"resize")
    with zipfile.ZipFile(tmp_path / "changed.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputFileError, match="got a damaged file"):
        load_counted(tmp_path / "changed.npz")


def test_unfinished_statistics_are_no_finished_ones(whole: CountedStatistics, tmp_path: Path) -> None:
    path = tmp_path / "a.npz.unfinished"
    unfinished = Unfinished(whole, frozenset({0, 3, 9}), {1: "cörrupt", 150: "gone"}, "00ff")
    save_unfinished(unfinished, path)
    again = load_unfinished(path)
    assert again._replace(counted=whole) == unfinished
    assert again.counted.facts == whole.facts
    with pytest.raises(InputFileError, match="got statistics that are not finished"):
        load_counted(path)
    stored(whole, tmp_path)
    with pytest.raises(InputFileError, match="got finished statistics"):
        load_unfinished(tmp_path / "a.npz")
