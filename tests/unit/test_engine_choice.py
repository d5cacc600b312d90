"""Engines that are asked for, and where their workers look for images."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.stages.engines import check_engine, open_images_for, seen_by_all
from edge_mnv3_calibration_data.source_kinds import open_images
from image_archives import plain_jpeg, write_tar


@pytest.mark.parametrize("place", ["photos", "val.csv", "shards/v-*.tar", "shards/v-{0..1}.tar", "not/there"])
def test_places_on_this_machine_are_absolute_for_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert seen_by_all(place, "dask") == seen_by_all(Path(place), "dask") == tmp_path / place
    assert seen_by_all(place, "local") == place


@pytest.mark.parametrize(
    "place", ["https://host/v-*.tar", "s3://bucket/val/", "file:///a/b.tar", "synthetic"]
)
def test_urls_and_words_stay_as_they_are(place: str) -> None:
    assert seen_by_all(place, "dask") == place


def test_images_of_a_relative_pattern_have_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        write_tar(tmp_path / f"v-{number}.tar", [("0.jpg", plain_jpeg(number)), ("0.cls", b"0")])
    images = open_images(seen_by_all("v-*.tar", "dask"))
    contents = [images.content(index) for index in range(2)]
    assert [content and content.path for content in contents] == [tmp_path / "v-0.tar", tmp_path / "v-1.tar"]


@pytest.mark.parametrize("place", ["lists/d.csv", "./lists/d.csv"])
def test_remarks_name_the_place_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "0.jpg").write_bytes(plain_jpeg(0))
    Path(place).write_text("file\n0.jpg\n0.jpg\n")
    here, there = open_images_for(place, "local"), open_images_for(place, "dask")
    assert here.remarks == there.remarks
    assert f" {Path(place)} " in here.remarks[0]
    assert (here.location, there.location) == (place, place)
    content = there.content(0)
    assert content is not None
    assert content.path == tmp_path / "lists" / "0.jpg"


@pytest.mark.parametrize(
    ("engine", "scheduler", "workers", "words"),
    [
        ("dask", None, None, "--engine dask: got no --scheduler"),
        ("local", "tcp://a:1", None, "--scheduler: got --engine local"),
        ("dask", "tcp://a:1", 2, "--workers: got --engine dask"),
    ],
)
def test_half_an_engine(engine: str, scheduler: str | None, workers: int | None, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        check_engine(engine, scheduler, workers)  # type: ignore[arg-type]
