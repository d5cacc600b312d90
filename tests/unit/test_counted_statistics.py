"""Statistics of parts that are merged: exact in any order, nothing counted twice, damage detected."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.results.calibration_statistics import CountedImages, StatisticsFacts
from edge_mnv3.core.results.images import ImageShape, SkippedImage
from edge_mnv3_quantization.calibration.channel_totals import no_totals
from edge_mnv3_quantization.calibration.counted import (
    CountedStatistics,
    check_network,
    counted,
    joined_data,
    merge_warnings,
    merged,
    sorted_digests,
)
from edge_mnv3_quantization.calibration.counted_files import (
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
    return counted(
        facts(CountedImages(sha256=data, location="photos", shards=shards, of=of)), totals, digests
    )


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
    assert parts[0].digests.tobytes() == whole.digests.tobytes()
    for name in ("low", "high", "sums", "squares"):
        got, wanted = getattr(parts[0].totals, name), getattr(whole.totals, name)
        assert got.tobytes() == wanted.tobytes()


def test_files_are_the_same_bytes_and_are_read(whole: CountedStatistics, tmp_path: Path) -> None:
    parts = [part(list(range(first, 12, 7)), shards=(first + 1,), of=7) for first in range(7)]
    assert stored(merged(parts[::-1]), tmp_path) == stored(whole, tmp_path)
    again = load_counted(tmp_path / "a.npz")
    assert again.facts == whole.facts
    assert again.digests.tobytes() == whole.digests.tobytes()
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
    assert merge_warnings(some.facts) == ("statistics of photos, shards 1, 3 of 4: not counted: 2, 4",)
    assert merge_warnings(some.facts, of_a_shard=True) == ()


def test_an_image_that_is_in_two_parts_is_refused() -> None:
    for others in (
        {"data": "e"},  # another source
        {},  # the same source again
        {"shards": (2,), "of": 2},  # the source divided in another way
    ):
        one, other = part([0, 1, 2], shards=(1,), of=3), part([2, 3], **others)
        with pytest.raises(CalibrationDataError, match=r"got 1 images that are in photos.* and in photos"):
            merged([one, other])
    with pytest.raises(CalibrationDataError, match="got 2 images that are in"):
        merged([part([0, 1], shards=(2,), of=3)] * 2)


def test_an_image_that_a_source_has_twice_counts_twice_in_any_shards() -> None:
    apart = merged([part([0, 1, 1], shards=(1,), of=2), part([1, 2], shards=(2,), of=2)])
    assert apart.facts == part([0, 1, 1, 1, 2]).facts
    assert (apart.facts.images, apart.facts.repeated) == (5, 2)
    assert merge_warnings(apart.facts) == ("2 of 5 images have the pixels of another one",)
    # Whatever the order in which all files are given.
    other = part([5], data="e")
    orders = itertools.permutations([part([0, 1], shards=(1,), of=2), part([1], shards=(2,), of=2), other])
    assert len({merged(order).facts.sha256 for order in orders}) == 1


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


def test_locations_of_one_source_do_not_matter() -> None:
    here, there = (
        CountedImages(sha256="d", location=location, shards=(shard,), of=2)
        for location, shard in (("/mnt/b", 1), ("/mnt/a", 2))
    )
    (joined,) = joined_data([here, there])
    assert (joined.location, joined.shards, joined.of, joined.missing) == ("/mnt/a", (1,), 1, ())


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
        with pytest.raises(InputFileError, match=r"got a damaged file, .*; delete a\.npz and collect"):
            load_counted(path)


def test_other_files_are_refused(whole: CountedStatistics, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"none\.npz: got no such file"):
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
    save_unfinished(whole, {0, 3, 9}, "00ff", path)
    again = load_unfinished(path)
    assert (again.done, again.counted.facts, again.images) == (frozenset({0, 3, 9}), whole.facts, "00ff")
    with pytest.raises(InputFileError, match="got statistics that are not finished"):
        load_counted(path)
    stored(whole, tmp_path)
    with pytest.raises(InputFileError, match="got finished statistics"):
        load_unfinished(tmp_path / "a.npz")
