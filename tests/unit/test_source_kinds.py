"""The kinds of image sources: a location is of one kind, and a new module is a new kind."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_calibration_data import sources
from edge_mnv3_calibration_data.source_kinds import open_images, source_kinds

TOY = '''
"""Toy: a file of grey levels, one image a line."""

from pathlib import Path

import numpy as np

from edge_mnv3_calibration_data.listed_images import ArrayImage, HeldImages, ListedSource
from edge_mnv3_calibration_data.source_kinds import SourceKind, has_suffix


def open_greys(location):
    path = Path(location)
    images = HeldImages(
        ArrayImage(name=f"{path.name}:{level}", label=level % 2, unprocessed=np.full((5, 5), level, np.uint8))
        for level in map(int, path.read_text().split())
    )
    return ListedSource(kind="greys", location=str(location), root=path.parent, images=images)


def recall_greys(manifest):
    if manifest.kind != "greys":
        return {}
    path = manifest.root + "/" + manifest.images[0].file.partition(":")[0]
    return {image.name: image for image in open_greys(path).images}


KIND = SourceKind(
    recognizes=lambda location: has_suffix(location, ".grey"),
    open=open_greys,
    recall=recall_greys,
    suffix=".grey",
    place=9,
)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a kind that a new module in the folder of sources brings, and nothing else."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "toy_greys.py").write_text(TOY)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path / "plugin")])
    monkeypatch.delitem(sys.modules, f"{sources.__name__}.toy_greys", raising=False)
    (tmp_path / "levels.grey").write_text("10\n11\n12\n13\n")
    return tmp_path / "levels.grey"


def test_a_new_module_is_a_new_kind(toy: Path, tmp_path: Path) -> None:
    source = open_images(toy, need_labels=True)
    assert source.labels() == [0, 1, 0, 1]
    sample = source.sample(SampleRequest(samples=3, preprocess="resize", shape=ImageShape.square(4)))
    assert sample.pixels.shape == (3, 4, 4, 3)
    assert sample.manifest.kind == "greys"
    (tmp_path / "q.json").write_text(json.dumps(dataclasses.asdict(sample.manifest)))
    again = open_images(tmp_path / "q.json").sample(SampleRequest(shape=ImageShape.square(4)))
    np.testing.assert_array_equal(again.pixels, sample.pixels)
    with pytest.raises(InputFileError, match=r"folder, \.csv, \.txt, \.npz, \.json.* or \.grey"):
        open_images(tmp_path / "nothing")


def test_a_location_is_of_one_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "a.calibration", "stored", "folder.csv", "shards"):
        Path(folder).mkdir()
    Path("stored", "calibration.json").touch()
    for file in ("a.csv", "A.TXT", "a.npz", "a.json", "a.tar", "shards/0.tar"):
        Path(file).touch()
    Image.new("RGB", (4, 4)).save("photos/a.png")
    locations: list[str | Path] = [
        "synthetic",
        "digits",
        *(Path(path) for path in sorted(tmp_path.iterdir())),
    ]
    assert len(locations) == 12
    for location in locations:
        assert sum(kind.recognizes(location) for kind in source_kinds()) == 1, location
    for nothing in ("missing.csv", "photos/a.png", Path("synthetic"), Path("digits")):
        assert not any(kind.recognizes(nothing) for kind in source_kinds()), nothing
