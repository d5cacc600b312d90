"""What servers say of files, and files that change while images of them are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import ImageContent, ImageSource, RemoteContent
from edge_mnv3_calibration_data.archives import stored_files
from edge_mnv3_calibration_data.archives.remote_files import Looked, _settled, _unsigned
from edge_mnv3_calibration_data.archives.stored_files import StoredFile, stored_urls
from edge_mnv3_quantization.evaluation.contents import ImagesState, images_identity
from edge_mnv3_quantization.evaluation.served_files import ServedFiles

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
URL = "https://host/a.tar"


@pytest.mark.parametrize(
    ("facts", "settled"),
    [
        ({"ETag": '"a"'}, True),
        ({"ETag": 'W/"a"'}, False),
        ({"ETag": ""}, False),
        ({"etag": "a", "LastModified": NOW}, True),
        ({"generation": 3}, True),
        ({"LastModified": NOW - timedelta(minutes=59)}, False),
        ({"LastModified": NOW - timedelta(minutes=61)}, True),
        ({"created": (NOW - timedelta(hours=2)).replace(tzinfo=None)}, True),
        ({"Last-Modified": format_datetime(NOW - timedelta(hours=2), usegmt=True)}, True),
        ({"Last-Modified": format_datetime(NOW, usegmt=True)}, False),
        ({"ETag": 'W/"a"', "Last-Modified": format_datetime(NOW - timedelta(hours=2), usegmt=True)}, True),
        ({"Last-Modified": "yesterday"}, False),
        ({"mtime": NOW.timestamp() - 7200}, True),
        ({"mtime": None}, False),
        ({}, False),
    ],
)
def test_what_surely_changes_with_a_file(facts: dict[str, Any], settled: bool) -> None:
    assert _settled(facts, NOW.timestamp()) is settled


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (Looked(9, "ETag a", True), Looked(9, "ETag a", True), True),
        (Looked(9, "ETag a", True), Looked(9, "ETag b", True), False),
        (Looked(9, "ETag a", True), Looked(8, "ETag a", True), False),
        # Another tag is another file, whatever else is the same.
        (Looked(9, "ETag a; Last-Modified t", True), Looked(9, "ETag b; Last-Modified t", True), False),
        (Looked(9, "etag a; created t", True), Looked(9, "etag b; created t", True), False),
        (Looked(9, "generation 1; updated t", True), Looked(9, "generation 2; updated t", True), False),
        (Looked(9, "ETag W/a; Last-Modified t", True), Looked(9, "ETag W/b; Last-Modified t", True), False),
        # Another time is, unless a strong tag says otherwise.
        (Looked(9, "ETag W/a; Last-Modified t", True), Looked(9, "ETag W/a; Last-Modified u", True), False),
        (Looked(9, "ETag a; Last-Modified t", True), Looked(9, "ETag a; Last-Modified u", True), None),
        (Looked(9, "ETag W/a", False), Looked(9, "ETag W/a", False), None),
        (Looked(9, "ETag W/a; Last-Modified t", True), Looked(9, "ETag W/a; Last-Modified t", True), True),
        # What was told before is told no longer.
        (Looked(9, "ETag a", True), Looked(9, "", False), False),
        (Looked(9, "ETag a; Last-Modified t", True), Looked(9, "Last-Modified t", True), None),
        # The same tag, of another file that the server sends to.
        (Looked(9, "ETag a; sent-to 1", True), Looked(9, "ETag a; sent-to 2", True), None),
        (Looked(9, "Last-Modified t", False), Looked(9, "Last-Modified t", True), True),
        (Looked(9, "", False), Looked(9, "", False), None),
        (Looked(9, "", False), Looked(8, "", False), False),
        (Looked(9, "ETag a", True), None, None),
    ],
)
def test_whether_a_file_is_still_the_same(
    monkeypatch: pytest.MonkeyPatch, before: Looked, now: Looked | None, same: bool | None
) -> None:
    def look(url: str) -> Looked:
        if now is None:
            raise InputFileError(f"file {url}", "no answer")
        return now

    monkeypatch.setattr(stored_files, "look", look)
    assert StoredFile(URL, *before).still_same() is same


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("https://h/a.tar?file=1&v=2", "https://h/a.tar?file=1&v=2"),
        ("https://h/a.tar?file=&se=2", "https://h/a.tar?file=&se=2"),
        ("https://h/a.tar?id=1&X-Amz-Date=7&X-Amz-Signature=ab", "https://h/a.tar?id=1"),
        ("https://h/a.tar?id=1&Expires=7&Signature=ab&Key-Pair-Id=c", "https://h/a.tar?id=1"),
        ("https://h/a.tar?sp=r&se=7&sig=ab", "https://h/a.tar?sp=r"),
    ],
)
def test_signatures_of_urls_name_no_file(url: str, identity: str) -> None:
    assert _unsigned(url) == identity


def test_files_are_looked_at_at_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [f"https://host/{number}.tar" for number in range(40)]
    monkeypatch.setattr(stored_files, "look", lambda url: Looked(len(url), url, True))
    assert [file.location for file in stored_urls(urls)] == urls


class Images:
    """Images of two files behind URLs, and one that lies here."""

    def __init__(self, answers: Sequence[bool | None] = ()) -> None:
        self.answers = list(answers)
        self.asked: list[list[int]] = []
        self.facts = "9 bytes; ETag a"
        self.bytes_sha256 = "a"

    def content(self, index: int) -> ImageContent | None:
        return None

    def name(self, index: int) -> str:
        return f"{index}.jpg"

    def remote(self, index: int) -> RemoteContent | None:
        if index == 9:
            return None
        return RemoteContent(
            f"https://host/{index // 3}.tar", str(index), self.facts, settled=index < 3, tagged=index < 3
        )

    def still_served(self, indices: Sequence[int]) -> list[bool | None]:
        self.asked.append(list(indices))
        return self.answers[: len(indices)]

    def part_sha256(self, index: int) -> str | None:
        return self.bytes_sha256


def test_servers_are_asked_once_for_each_file_that_was_read() -> None:
    images, clock = Images([True, None]), SimpleNamespace(now=0.0)
    served = ServedFiles(cast(ImageSource, images), lambda: clock.now)
    assert served.same() == set()
    assert images.asked == []
    served.add([9])
    served.add([1, 2, 3, 4])
    assert not served.due
    clock.now = 21.0
    assert served.due
    assert served.same() == {"https://host/0.tar"}
    assert images.asked == [[1, 3]]
    assert not served.due
    (untold,) = served.untold
    assert untold.startswith("the server does not tell whether https://host/1.tar changed while images of it")
    (warning,) = served.warnings
    assert warning.startswith("answers to the images of https://host/1.tar are not taken from the store")
    served.add([6])
    assert "of 2 files, such as https://host/1.tar, are" in served.warnings[0]


def test_a_file_that_changed_while_it_was_read_is_refused() -> None:
    served = ServedFiles(cast(ImageSource, Images([True, False])))
    assert served.warnings == served.untold == ()
    served.add([1, 4])
    with pytest.raises(InputFileError, match=r"1\.tar: got changed while its images were read"):
        served.same()


def test_statistics_that_go_on_know_files_behind_urls_by_what_servers_say() -> None:
    images, counted = Images(), np.ones(2, np.bool_)
    before = ImagesState(cast(ImageSource, images), [1, 9]).sha256(counted)
    assert ImagesState(cast(ImageSource, images), [1, 9]).sha256(counted) == before
    images.facts = "9 bytes; ETag b"
    assert ImagesState(cast(ImageSource, images), [1, 9]).sha256(counted) != before


def test_files_behind_urls_that_changed_are_other_sources() -> None:
    images = Images()
    source = cast(ImageSource, images)
    tagged, untold = images_identity(source, [1, 9]), images_identity(source, [4, 9])
    images.bytes_sha256 = "b"  # read only where no tag tells
    assert images_identity(source, [1, 9]) == tagged
    assert images_identity(source, [4, 9]) != untold
    images.facts = "9 bytes; ETag b"
    assert images_identity(source, [1, 9]) != tagged
