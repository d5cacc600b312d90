"""Metadata of a packaged model held against the manifest: each difference is named."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

import tiny_models
from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.results.package import (
    BundleManifest,
    EmbeddedFacts,
    GoldenImages,
    LabelsInfo,
    PackagedModel,
    PackagedOutput,
    StepDifference,
)
from edge_mnv3.core.tflite import metadata_schema as schema
from edge_mnv3.core.tflite.attached import with_metadata
from edge_mnv3.core.tflite.tables import pack, unpack
from edge_mnv3.packaging.contents import metadata_differences
from edge_mnv3.packaging.metadata import DescribedOutput, Description, build_metadata
from edge_mnv3.packaging.model_card import model_card

LABELS = b"a\nb\nc\nd\ne\n"
IMAGE = TensorInfo(name="image", shape=(1, 4, 4, 3), dtype="uint8", scale=0.0078, zero_point=127)
SCORES = TensorInfo(name="scores", shape=(1, 5), dtype="uint8", scale=8.0, zero_point=128)
FACTS = OutputFacts(name="scores", shape=(5,), activation="softmax", task="classes")
Change = Callable[[schema.ModelMetadata], schema.ModelMetadata]


@pytest.fixture
def measured(tmp_path: Path) -> bytes:
    return tiny_models.write_classifier(tmp_path / "m.tflite", "uint8").read_bytes()


def facts(measured: bytes) -> EmbeddedFacts:
    return EmbeddedFacts(
        made_with="edge-mnv3 0",
        measured_sha256=hashlib.sha256(measured).hexdigest(),
        measured_size_bytes=len(measured),
        provenance=None,
        accuracy=None,
    )


def manifest(measured: bytes) -> BundleManifest:
    model = PackagedModel(
        file="m.tflite",
        measured_file="m.tflite",
        measured_sha256=hashlib.sha256(measured).hexdigest(),
        measured_size_bytes=len(measured),
        input=IMAGE,
        takes_numbers=None,
        needs=None,
        outputs=(
            PackagedOutput(
                name="scores",
                tensor=SCORES,
                facts=FACTS,
                labels="labels.txt",
                thresholds=(),
                golden=(),
                builtin=StepDifference(
                    values=10, differing=2, max_apart=1, unit="steps", top1_equal=2, images=2
                ),
            ),
        ),
        full_integer=True,
        xnnpack_partitions=1,
        takes={},
        provenance=None,
        accuracy=None,
        stated_images=None,
        comparison=None,
        latencies=(),
        phone_latencies=(),
    )
    return BundleManifest(
        name="n|<b>",
        version="1",
        description="",
        author=None,
        license=None,
        models=(model,),
        labels=(LabelsInfo(file="labels.txt", count=5, source="l.txt", license=None),),
        golden=GoldenImages(source="synthetic", shape=(4, 4, 3), files=(), kernels="xnnpack", runtime="r"),
        versions={},
        files={},
    )


def differences(measured: bytes, change: Change, files: dict[str, bytes] | None = None) -> list[str]:
    built = build_metadata(
        Description("n|<b>", "1", "", None, None),
        facts(measured),
        image=IMAGE,
        taken=PIXELS,
        outputs=[DescribedOutput(FACTS, "labels.txt")],
    )
    metadata = change(unpack(schema.ModelMetadata, built, identifier=b"M001"))
    content = with_metadata(
        measured, pack(metadata, identifier=b"M001"), files or {"labels.txt": LABELS}, name="m"
    )
    stated = manifest(measured)
    return metadata_differences({"m.tflite": content, "labels.txt": LABELS}, stated, stated.models[0])


def graph(change: Callable[[schema.SubGraphMetadata], schema.SubGraphMetadata]) -> Change:
    return lambda metadata: dataclasses.replace(
        metadata, subgraph_metadata=(change(metadata.subgraph_metadata[0]),)
    )


def image(**fields: object) -> Change:
    return graph(
        lambda g: dataclasses.replace(
            g,
            input_tensor_metadata=(
                dataclasses.replace(g.input_tensor_metadata[0], **fields),  # type: ignore[arg-type] # any field
            ),
        )
    )


def properties(color_space: int, side: int) -> schema.Content:
    size = schema.ImageSize(width=side, height=side)
    return schema.Content(
        content_properties=schema.ImageProperties(color_space=color_space, default_size=size)
    )


def test_nothing_differs(measured: bytes) -> None:
    assert differences(measured, lambda metadata: metadata) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda metadata: dataclasses.replace(metadata, license="MIT"),
            ["m.tflite: its license is 'MIT', the manifest says ''"],
        ),
        (
            graph(lambda g: dataclasses.replace(g, custom_metadata=())),
            ["m.tflite: its metadata is not of edge-mnv3"],
        ),
        (
            lambda metadata: dataclasses.replace(metadata, subgraph_metadata=metadata.subgraph_metadata * 2),
            ["m.tflite: its metadata describes 2 graphs, not one"],
        ),
        (
            graph(lambda g: dataclasses.replace(g, output_tensor_metadata=())),
            ["m.tflite: its metadata does not describe one input and one output"],
        ),
        (image(content=None), ["m.tflite: its input is not said to be an RGB image"]),
        (image(content=properties(2, 4)), ["m.tflite: its input is not said to be an RGB image"]),
        (image(content=properties(1, 5)), ["m.tflite: its input is not said to be of 4x4 pixels"]),
        (image(process_units=()), ["m.tflite: its normalization is not that of the input's quantization"]),
        (
            image(
                process_units=(
                    schema.ProcessUnit(options=schema.NormalizationOptions(mean=(127.0,), std=(127.5,))),
                )
            ),
            ["m.tflite: its normalization is not that of the input's quantization"],
        ),
    ],
)
def test_each_difference_is_named(measured: bytes, change: Change, expected: list[str]) -> None:
    assert differences(measured, change) == expected


def test_other_labels_inside(measured: bytes) -> None:
    lines = differences(measured, lambda metadata: metadata, {"labels.txt": LABELS.upper()})
    assert lines == ["m.tflite: the labels inside are not labels.txt"]


def test_card_escapes_and_says_what_is_not_stated(measured: bytes) -> None:
    card = model_card(manifest(measured))
    assert "\n---\n\n# n\\|&lt;b>\n\nImage classifier, 5 classes.\n" in card
    assert "| licence of the model | not stated |" in card
    assert "Not stated: no `quantize.json` speaks of this file." in card
    assert "- The accuracy of `m.tflite` is not stated." in card
    assert "2 of 10 values differ, by up to 1 step; the same class on 2 of 2 images." in card
