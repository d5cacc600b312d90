"""The metadata in front of a model card, read as the hub reads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.results.package import BundleManifest
from edge_mnv3.packaging.card_metadata import card_metadata
from edge_mnv3.packaging.manifest import read_manifest
from edge_mnv3.packaging.model_card import model_card

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install 'edge-mnv3[dev]'")
FORMATS = Path(__file__).parents[1] / "golden" / "formats"


@pytest.fixture(scope="module")
def manifest() -> BundleManifest:
    """Of a bundle with a measured accuracy."""
    return read_manifest({"manifest.json": (FORMATS / "bundle-manifest-v4.json").read_bytes()})


def read(manifest: BundleManifest) -> dict[str, Any]:
    text = card_metadata(manifest)
    assert text.startswith("---\n")
    assert text.endswith("\n---")
    data: dict[str, Any] = yaml.safe_load(text.strip("-"))
    return data


def test_measured_accuracy_is_what_the_card_says(manifest: BundleManifest) -> None:
    data = read(manifest)
    stated = manifest.models[0].accuracy
    assert stated is not None
    ((result,),) = (entry["results"] for entry in data["model-index"])
    assert data["pipeline_tag"] == result["task"]["type"] == "image-classification"
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values == {
        "accuracy": round(stated.top1_percent, 2),
        "top-5 accuracy": round(stated.top5_percent, 2),
    }
    assert result["dataset"]["name"].startswith(f"{stated.n} images of {stated.data}")


def test_what_is_not_known_is_left_out(manifest: BundleManifest) -> None:
    (model,) = manifest.models
    bare = dataclasses.replace(model, accuracy=None, comparison=None, provenance=None, full_integer=False)
    data = read(dataclasses.replace(manifest, models=(bare,), license=None))
    assert data == {"pipeline_tag": "image-classification", "tags": ["tflite", "litert"]}


@pytest.mark.parametrize(
    ("stated", "fields"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("House: rules # 1", {"license": "other", "license_name": "House: rules # 1"}),
    ],
)
def test_licences(manifest: BundleManifest, stated: str, fields: dict[str, str]) -> None:
    data = read(dataclasses.replace(manifest, license=stated))
    assert {key: data[key] for key in data if key.startswith("license")} == fields


@pytest.mark.parametrize(
    "name", ['"quoted" \\ back', "yes", "- : {} [] #", "花 \u200d 🏴", "a\nb\x85c\u2028", "\ud800"]
)
def test_any_name_is_read_back(manifest: BundleManifest, name: str) -> None:
    """What YAML takes for its own signs, too; half a pair of surrogates is no letter of any file."""
    (entry,) = read(dataclasses.replace(manifest, name=name))["model-index"]
    assert entry["name"] == name.replace("\ud800", "?")


def test_the_card_begins_with_it(manifest: BundleManifest) -> None:
    assert model_card(manifest).startswith(f"{card_metadata(manifest)}\n\n# ")
