"""Images behind URLs: a server that sends parts of files, one that does not, and memory."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_mnv3.core.errors import InputFileError, MissingExtraError
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data.archives.remote_files import is_url, url_name
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation import engines
from edge_mnv3_quantization.evaluation.evaluating import Noted, Shard
from edge_mnv3_quantization.evaluation.kept import KeptShards
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.validation import running
from edge_mnv3_quantization.validation.readings import TopClasses, top_classes
from edge_mnv3_quantization.validation.running import RunnableFile, RunSettings, run_files
from file_server import Handler, Sending, Tagged, TaggedAndTimed, WeaklyTagged, WholeFiles, serving
from image_archives import example, jpeg, write_parquet, write_records, write_tar
from tiny_models import write_classifier

pytest.importorskip("fsspec", reason="the extra remote is not installed")
pytest.importorskip("aiohttp", reason="the extra remote is not installed")
SHAPE = ImageShape.square(4)
IMAGES = [jpeg(index, size=16) for index in range(4)]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    yield from serving(tmp_path, Handler)


@pytest.fixture
def whole_url(tmp_path: Path) -> Iterator[str]:
    yield from serving(tmp_path, WholeFiles)


def write_forms(folder: Path) -> dict[str, str]:
    """Every form of the same images; returns where they are below the folder."""
    for each in ("tars", "records", "parquet"):
        (folder / each).mkdir()
    for shard in range(2):
        part = list(enumerate(IMAGES))[2 * shard : 2 * shard + 2]
        tar = [
            (f"{n}.{end}", data if end == "jpg" else b"%d" % n) for n, data in part for end in ("jpg", "cls")
        ]
        write_tar(folder / f"tars/v-{shard}.tar", tar)
        records = [example({"image": data, "label": number}) for number, data in part]
        write_records(folder / f"records/v.tfrecord-{shard:05}-of-00002", records)
        write_parquet(folder / f"parquet/v-{shard:05}-of-00002.parquet", [(data, n) for n, data in part])
    return {
        "tars": "tars/v-{0..1}.tar",
        "folder of tars": "tars/",
        "records": "records/v.tfrecord-*",
        "parquet": "parquet/",
    }


def test_every_form_is_read_from_a_server(tmp_path: Path, url: str) -> None:
    for form, place in write_forms(tmp_path).items():
        source = open_images(f"{url}/{place}", need_labels=True)
        local = open_images(tmp_path / place.rstrip("/"))
        assert source.labels() == [0, 1, 2, 3], form
        assert source.name(0) == f"{url}/{place.partition('/')[0]}/{local.name(0)}"
        request = SampleRequest(shape=SHAPE, preprocess="resize")
        sample, expected = source.sample(request), local.sample(request)
        hashes = {image.label: image.sha256 for image in expected.manifest.images}
        assert {image.label: image.sha256 for image in sample.manifest.images} == hashes, form
        (tmp_path / "quantize.json").write_text(json.dumps(dataclasses.asdict(sample.manifest)))
        again = open_images(tmp_path / "quantize.json").sample(SampleRequest(shape=SHAPE))
        assert (again.pixels == sample.pixels).all(), form


def test_workers_read_from_the_server(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_forms(tmp_path)
    file = RunnableFile(write_classifier(tmp_path / "f.tflite", "float32"), "xnnpack")
    plain = run_files([file], open_images(tmp_path / "tars"), RunSettings(preprocess="resize"), TopClasses(0))
    monkeypatch.setattr(engines, "PROCESS_IMAGES", 1)
    monkeypatch.setattr(running, "SHARD_IMAGES", 2)
    settings = RunSettings(preprocess="resize", workers=2)
    remote = run_files([file], open_images(f"{url}/tars/"), settings, TopClasses(0))
    assert (top_classes(remote, class_offset=0), remote.skipped) == (top_classes(plain, class_offset=0), ())
    assert remote.pace.team.unit == "process"


def evaluated(folder: Path, url: str, store: Path, reporter: Reporter = SILENT) -> tuple[list[int], int, int]:
    """What a file answers first, and how many images were run, and taken from the store."""
    images = open_images(url)
    file = RunnableFile(folder / "f.tflite", "xnnpack")
    with Store(store, reporter) as opened:
        settings = RunSettings(preprocess="resize", workers=1, store=opened)
        run = run_files([file], images, settings, TopClasses(0), reporter)
    return (
        [classes[0] for classes in top_classes(run, class_offset=0).values()],
        run.pace.images,
        run.pace.stored,
    )


def alone(folder: Path, number: int) -> list[int]:
    """What the file answers to the images of a tar on this machine, without a store."""
    file = RunnableFile(folder / "f.tflite", "xnnpack")
    images = open_images(folder / f"tars/v-{number}.tar")
    run = run_files([file], images, RunSettings(preprocess="resize", workers=1), TopClasses(0))
    return [classes[0] for classes in top_classes(run, class_offset=0).values()]


class Warned(Reporter):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_answers_are_kept_under_the_tags_of_files(tmp_path: Path) -> None:
    write_forms(tmp_path)
    write_classifier(tmp_path / "f.tflite", "float32")
    store, warned = tmp_path / "store", Warned()
    for url in serving(tmp_path, Tagged):
        for form in ("tars/", "records/v.tfrecord-*", "parquet/"):
            first, run, stored = evaluated(tmp_path, f"{url}/{form}", tmp_path / form[:4], warned)
            assert (run, stored) == (4, 0), form
            Tagged.asked.clear()
            again = evaluated(tmp_path, f"{url}/{form}", tmp_path / form[:4], warned)
            assert again == (first, 0, 4), form
            files = [path for path in Tagged.asked if not path.endswith("/")]
            # Looked at, and opened to be listed; Parquet files by each of two readers.
            assert max(map(files.count, files)) <= (4 if form == "parquet/" else 2), form
        assert warned.warnings == []
        old, _, _ = evaluated(tmp_path, f"{url}/tars/v-0.tar", store)
        write_tar(tmp_path / "tars/v-0.tar", [("0.jpg", IMAGES[2]), ("0.cls", b"0"), ("1.jpg", IMAGES[3])])
        new, run, stored = evaluated(tmp_path, f"{url}/tars/v-0.tar", store)
        assert (run, stored) == (2, 0)
        assert new == alone(tmp_path, 0)
        assert evaluated(tmp_path, f"{url}/tars/v-0.tar", store) == (new, 0, 2)
        write_tar(tmp_path / "tars/v-0.tar", [("0.jpg", IMAGES[0]), ("0.cls", b"0"), ("1.jpg", IMAGES[1])])
        assert evaluated(tmp_path, f"{url}/tars/v-0.tar", store)[0] == old


@pytest.mark.parametrize("handler", [WeaklyTagged, Handler])
def test_answers_of_which_nothing_tells_whether_they_are_old_are_not_taken(
    tmp_path: Path, handler: type[Handler]
) -> None:
    """Without an ETag, and within the hour in which a time of change may stand for two contents."""
    (tmp_path / "tars").mkdir()
    write_classifier(tmp_path / "f.tflite", "float32")
    store, warned = tmp_path / "store", Warned()
    for url in serving(tmp_path, handler):
        for images in ((0, 1), (2, 3), (0, 1)):
            data = [(f"{place}.jpg", IMAGES[image]) for place, image in enumerate(images)]
            write_tar(tmp_path / "tars/v-0.tar", data)
            os.utime(tmp_path / "tars/v-0.tar", times=(0, int(time.time())))
            found, run, stored = evaluated(tmp_path, f"{url}/tars/v-0.tar", store, warned)
            assert (run, stored) == (2, 0)
            assert found == alone(tmp_path, 0)
    untold = [text for text in warned.warnings if text.startswith("the server does not tell whether http")]
    assert len(untold) == (3 if handler is WeaklyTagged else 0)
    kept = [text for text in warned.warnings if text not in untold]
    assert len(kept) == 3
    assert "v-0.tar are not taken from the store next time: the server tells no ETag" in kept[0]


def test_a_time_of_change_that_is_an_hour_old_is_taken(tmp_path: Path) -> None:
    (tmp_path / "tars").mkdir()
    write_classifier(tmp_path / "f.tflite", "float32")
    path = write_tar(tmp_path / "tars/v-0.tar", [("0.jpg", IMAGES[0]), ("1.jpg", IMAGES[1])])
    os.utime(path, times=(0, 1_700_000_000))
    for url in serving(tmp_path, Handler):
        first, run, stored = evaluated(tmp_path, f"{url}/tars/v-0.tar", tmp_path / "store")
        assert (run, stored) == (2, 0)
        assert evaluated(tmp_path, f"{url}/tars/v-0.tar", tmp_path / "store") == (first, 0, 2)
        write_tar(path, [("0.jpg", IMAGES[2]), ("1.jpg", IMAGES[3])])
        os.utime(path, times=(0, 1_700_000_001))
        found, run, stored = evaluated(tmp_path, f"{url}/tars/v-0.tar", tmp_path / "store")
        assert (run, stored) == (2, 0)
        assert found == alone(tmp_path, 0)


def test_a_file_that_changes_under_a_run_gives_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tars").mkdir()
    write_classifier(tmp_path / "f.tflite", "float32")
    members = [("0.jpg", IMAGES[0]), ("1.jpg", IMAGES[1])]
    path = write_tar(tmp_path / "tars/v-0.tar", members)
    keep = KeptShards.keep

    def keep_late(self: KeptShards, shard: Shard, noted: Noted) -> None:
        write_tar(path, [*members, ("2.jpg", IMAGES[2])])
        keep(self, shard, noted)

    monkeypatch.setattr(KeptShards, "keep", keep_late)
    for url in serving(tmp_path, Tagged):
        with pytest.raises(InputFileError, match=r"v-0\.tar: got changed while its images were read"):
            evaluated(tmp_path, f"{url}/tars/v-0.tar", tmp_path / "store")
        monkeypatch.setattr(KeptShards, "keep", keep)
        write_tar(path, members)  # as it was, with the same tag: what was read of it counts for nothing
        _, run, stored = evaluated(tmp_path, f"{url}/tars/v-0.tar", tmp_path / "store")
        assert (run, stored) == (2, 0)


def test_another_tag_is_another_file_whatever_else_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same size and the same time of change, and images in the same places."""
    write_classifier(tmp_path / "f.tflite", "float32")
    (tmp_path / "tars").mkdir()
    images = [data.ljust(2000, b"\0") for data in IMAGES]
    write_tar(tmp_path / "tars/v-0.tar", [("0.jpg", images[0]), ("1.jpg", images[1])])
    os.utime(tmp_path / "tars/v-0.tar", times=(0, 1_700_000_000))
    keep = KeptShards.keep

    def keep_late(self: KeptShards, shard: Shard, noted: Noted) -> None:
        write_tar(tmp_path / "tars/v-0.tar", [("0.jpg", images[2]), ("1.jpg", images[3])])
        os.utime(tmp_path / "tars/v-0.tar", times=(0, 1_700_000_000))
        keep(self, shard, noted)

    monkeypatch.setattr(KeptShards, "keep", keep_late)
    for url in serving(tmp_path, TaggedAndTimed):
        with pytest.raises(InputFileError, match=r"v-0\.tar: got changed while its images were read"):
            evaluated(tmp_path, f"{url}/tars/v-0.tar", tmp_path / "store")


def test_a_url_that_leads_to_another_file_with_the_same_tag_gets_no_old_answers(tmp_path: Path) -> None:
    write_classifier(tmp_path / "f.tflite", "float32")
    (tmp_path / "tars").mkdir()
    images = [data.ljust(2000, b"\0") for data in IMAGES]
    for number in range(2):
        part = images[2 * number : 2 * number + 2]
        write_tar(tmp_path / f"tars/v-{number}.tar", [("0.jpg", part[0]), ("1.jpg", part[1])])
    for url in serving(tmp_path, Sending):
        for number in range(2):
            Sending.target = f"/tars/v-{number}.tar"
            found = evaluated(tmp_path, f"{url}/sent.tar", tmp_path / "store")
            assert found == (alone(tmp_path, number), 2, 0)
            assert evaluated(tmp_path, f"{url}/sent.tar", tmp_path / "store") == (found[0], 0, 2)


def test_servers_that_send_whole_files_only_are_named(tmp_path: Path, whole_url: str) -> None:
    large = [(f"{number}.jpg", IMAGES[0] + bytes(6 << 20)) for number in range(2)]
    write_tar(tmp_path / "a.tar", large)
    with pytest.raises(
        InputFileError, match=r"a\.tar: got (one that is sent as a whole only|all of it).*download"
    ):
        source = open_images(f"{whole_url}/a.tar")
        source.load(1, shape=SHAPE, preprocess="resize")


def test_what_is_not_there_and_what_changed(tmp_path: Path, url: str) -> None:
    write_forms(tmp_path)
    with pytest.raises(InputFileError, match=r"file http.*/no\.tar: got no such file"):
        open_images(f"{url}/no.tar")
    with pytest.raises(
        InputFileError, match=r"got a URL of none of these, expected the URL of a \.tar, a TFRec"
    ):
        open_images(f"{url}/val.csv")
    source = open_images(f"{url}/tars/v-0.tar")
    write_tar(tmp_path / "tars/v-0.tar", [("0.jpg", IMAGES[0][:-1]), ("0.cls", b"0"), ("1.jpg", IMAGES[1])])
    with pytest.raises(InputFileError, match="changed since its images were listed"):
        source.load(0, shape=SHAPE, preprocess="resize")


def test_memory_and_files_are_urls_too(tmp_path: Path) -> None:
    import fsspec

    path = write_tar(tmp_path / "a.tar", [("0.jpg", IMAGES[0]), ("0.cls", b"3")])
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/d/a.tar", path.read_bytes())
    for location in ("memory://d/a.tar", "memory://d/*.tar", path.as_uri()):
        source = open_images(location, need_labels=True)
        assert source.labels() == [3]
        source.load(0, shape=SHAPE, preprocess="resize")
    memory.rm("/d", recursive=True)


def test_names_in_urls() -> None:
    assert is_url("s3://bucket/a.tar")
    assert not is_url("a/b.tar")
    assert not is_url(Path("https://host/a.tar"))
    assert url_name("https://host/d/a.tar?sig=a/b.parquet#x") == "a.tar"


@pytest.mark.parametrize(
    ("module", "location", "message"),
    [
        ("fsspec.core", "https://localhost/a.tar", r"not installed; pip install 'edge-mnv3\[remote\]'"),
        ("s3fs", "s3://bucket/a.tar", r"s3://bucket/a\.tar: .*s3fs"),
    ],
)
def test_missing_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, module: str, location: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=message):
        open_images(location)


def test_unknown_protocols_are_named() -> None:
    with pytest.raises(InputFileError, match="expected a URL that fsspec knows"):
        open_images("nothing://a.tar")
