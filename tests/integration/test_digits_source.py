"""The handwritten digits of scikit-learn as a source of images."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_mnv3.core.images import ImageSample, ImageSource, SampleRequest
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3_calibration_data.source_kinds import open_images


def sample_of(source: ImageSource, count: int = 20) -> ImageSample:
    return source.sample(
        SampleRequest(samples=count, seed=0, preprocess="resize", shape=ImageShape.square(8))
    )


def test_digits_are_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    monkeypatch.chdir(tmp_path)
    source = open_images("digits", need_labels=True)
    assert (source.available, set(source.labels()), source.root) == (1437, set(range(10)), None)
    sample = sample_of(source)
    assert sample.manifest.kind == "digits"
    assert Counter(record.label for record in sample.manifest.images) == dict.fromkeys(range(10), 2)
    (tmp_path / "q.json").write_text(json.dumps({"calibration": json.loads(to_json(sample.manifest))}))
    again = sample_of(open_images(tmp_path / "q.json"))
    np.testing.assert_array_equal(again.pixels, sample.pixels)
    assert again.manifest == sample.manifest


def test_a_folder_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    Image.new("RGB", (10, 10)).save("digits/a.png")
    assert open_images("digits").kind == "folder"
