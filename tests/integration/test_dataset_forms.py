"""The same images in every form give the same figures, from files, workers and the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3_calibration_data.preprocess import preprocess
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation import contents, engines
from edge_mnv3_quantization.evaluation.store import Store
from edge_mnv3_quantization.validation.readings import TopClasses, top_classes
from edge_mnv3_quantization.validation.running import Run, RunnableFile, RunSettings, run_files
from image_archives import jpeg, write_parquet, write_tar
from tiny_models import expected_scores, write_classifier

CLASSES = 3
IMAGES = 40
SHAPE = ImageShape.square(8)


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Images with labels, and two files that classify them."""

    files: tuple[Path, Path]
    images: list[bytes]
    labels: list[int]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """Every fourth label is another class than the one that the weights give."""
    folder = tmp_path_factory.mktemp("models")
    kernel = np.random.default_rng(1).uniform(-1, 1, (CLASSES, *SHAPE.dimensions)).astype(np.float32)
    kernel -= kernel.mean(axis=(1, 2, 3), keepdims=True)
    files = [write_classifier(folder / f"{d}.tflite", d, kernel=kernel) for d in ("float32", "uint8")]
    images, labels = [jpeg(index) for index in range(IMAGES)], []
    for index, data in enumerate(images):
        (folder / "a.jpg").write_bytes(data)
        with Image.open(folder / "a.jpg") as image:
            pixels = preprocess(image.convert("RGB"), name="slim", shape=SHAPE)
        answer = int(expected_scores(kernel, pixels).argmax())
        labels.append(answer if index % 4 else (answer + 1) % CLASSES)
    return Labelled((files[0], files[1]), images, labels)


def as_csv(folder: Path, data: Labelled) -> Path:
    rows = ["file,label"]
    for index, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        (folder / f"{index:04}.jpg").write_bytes(image)
        rows.append(f"{index:04}.jpg,{label}")
    (folder / "val.csv").write_text("\n".join(rows))
    return folder / "val.csv"


def as_tars(folder: Path, data: Labelled) -> Path:
    for shard in range(3):
        members = []
        for index in range(shard, IMAGES, 3):
            members += [
                (f"{index:04}.jpg", data.images[index]),
                (f"{index:04}.cls", str(data.labels[index]).encode()),
            ]
        write_tar(folder / f"val-{shard:06}.tar", members)
    return folder / "val-{000000..000002}.tar"


def as_packed_folder(folder: Path, data: Labelled) -> Path:
    rows = enumerate(zip(data.images, data.labels, strict=True))
    members = ((f"val/{label}/{index:04}.jpg", image) for index, (image, label) in rows)
    return write_tar(folder / "val.tar", members)


def as_records(folder: Path, data: Labelled) -> Path:
    """Written by TensorFlow itself."""
    pytest.importorskip("google_crc32c", reason="the extra tfrecord is not installed")
    import tensorflow as tf

    for shard in range(2):
        with tf.io.TFRecordWriter(str(folder / f"validation-{shard:05}-of-00002")) as writer:
            for index in range(shard * IMAGES // 2, (shard + 1) * IMAGES // 2):
                features = {
                    "image/encoded": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[data.images[index]])
                    ),
                    "image/class/label": tf.train.Feature(
                        int64_list=tf.train.Int64List(value=[data.labels[index]])
                    ),
                    "image/object/area": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5])),
                }
                record = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(record.SerializeToString())
    return folder


def as_parquet(folder: Path, data: Labelled) -> Path:
    """With row groups that begin and end within shards of an evaluation."""
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    for shard in range(2):
        part = slice(shard * IMAGES // 2, (shard + 1) * IMAGES // 2)
        rows = list(zip(data.images[part], data.labels[part], strict=True))
        write_parquet(folder / f"test-{shard:05}-of-00002.parquet", rows, group_rows=7)
    return folder / "*.parquet"


FORMS: dict[str, Callable[[Path, Labelled], Path]] = {
    "tars": as_tars,
    "packed folder": as_packed_folder,
    "records": as_records,
    "parquet": as_parquet,
}


def figures(result: ValidateResult) -> tuple[object, ...]:
    """What does not depend on names and order."""
    return (result.n, result.float_, result.int8, result.agreement_percent, result.skipped, result.delta)


def validated(data: Labelled, location: Path) -> ValidateResult:
    return validate(
        ValidateRequest(float_path=data.files[0], int8_path=data.files[1], data=location, use_store=False)
    )


@pytest.fixture(scope="module")
def plain(labelled: Labelled, tmp_path_factory: pytest.TempPathFactory) -> ValidateResult:
    """The result of the files in a folder."""
    result = validated(labelled, as_csv(tmp_path_factory.mktemp("plain"), labelled))
    assert result.float_.top1_percent == 75.0
    return result


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_gives_the_figures_of_the_files(
    labelled: Labelled, plain: ValidateResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    location = FORMS[form](tmp_path, labelled)
    assert figures(validated(labelled, location)) == figures(plain)
    # Files count as settled although they were just written.
    monkeypatch.setattr(contents, "_SETTLED_NS", -(1 << 62))
    with Store(tmp_path / "store", SILENT) as store:
        settings = RunSettings(preprocess="slim", store=store)
        first, again = (answers(labelled, open_images(location), settings) for _ in range(2))
    assert (first.pace.stored, again.pace.stored) == (0, IMAGES)
    assert top_classes(again, class_offset=0) == top_classes(first, class_offset=0)


def test_parts_of_archives_are_read_by_processes(
    labelled: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_images(as_tars(tmp_path, labelled))
    threads = answers(labelled, images, RunSettings(preprocess="slim"))
    monkeypatch.setattr(engines, "PROCESS_IMAGES", 1)
    processes = answers(labelled, images, RunSettings(preprocess="slim", workers=2))
    assert processes.pace.team.unit == "process"
    assert top_classes(processes, class_offset=0) == top_classes(threads, class_offset=0)


def answers(data: Labelled, images: ImageSource, settings: RunSettings) -> Run:
    file = RunnableFile(data.files[0], "xnnpack")
    return run_files([file], images, settings, TopClasses(0))
