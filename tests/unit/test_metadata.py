"""The TFLite metadata: its tables, and how it is put on a file."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny_models
from edge_mnv3.core.choices import ScoreTransformation
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.input_range import MINUS_ONE_TO_ONE, PIXELS, InputRange
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.results.package import EmbeddedFacts
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.tflite import metadata_schema as schema
from edge_mnv3.core.tflite.attached import flatbuffer_part, measured_model, read_metadata, with_metadata
from edge_mnv3.core.tflite.tables import pack, unpack
from edge_mnv3.packaging.metadata import DescribedOutput, Description, build_metadata, read_packaged
from examples_count import ANY_CHARACTER, examples

FACTS = EmbeddedFacts(
    made_with="edge-mnv3 0", measured_sha256="ab", measured_size_bytes=3, provenance=None, accuracy=None
)
DESCRIPTION = Description("Café", "1.2", "Names drinks.", "A", None)
SCORES = OutputFacts(name="scores", shape=(2,), activation="softmax", task="classes")
FILES = {"labels.txt": b"a\nb\n"}


def tensor(dtype: str, *shape: int, scale: float | None = 0.5, zero_point: int | None = 3) -> TensorInfo:
    quantized = dtype != "float32"
    return TensorInfo(
        name="t",
        shape=shape,
        dtype=dtype,
        scale=scale if quantized else None,
        zero_point=zero_point if quantized else None,
    )


def metadata(
    dtype: str = "uint8", transformation: ScoreTransformation | None = None, taken: InputRange = PIXELS
) -> schema.ModelMetadata:
    built = build_metadata(
        DESCRIPTION,
        FACTS,
        image=tensor(dtype, 1, 32, 32, 3),
        taken=taken,
        outputs=[DescribedOutput(SCORES, "labels.txt", transformation)],
    )
    return unpack(schema.ModelMetadata, built, identifier=b"M001")


text = st.text(ANY_CHARACTER, max_size=12)
float32s = st.lists(st.floats(width=32, allow_nan=False), max_size=3).map(tuple)
tensors = st.builds(
    schema.TensorMetadata,
    name=text,
    description=text,
    dimension_names=st.lists(text, max_size=2).map(tuple),
    content=st.none()
    | st.builds(
        schema.Content,
        content_properties=st.none()
        | st.builds(schema.FeatureProperties)
        | st.builds(schema.ImageProperties, color_space=st.integers(0, 2), default_size=st.none()),
        range=st.none() | st.builds(schema.ValueRange, min=st.integers(-(2**31), 0), max=st.just(7)),
    ),
    process_units=st.lists(
        st.builds(
            schema.ProcessUnit,
            options=st.builds(schema.NormalizationOptions, mean=float32s, std=float32s)
            | st.builds(schema.ScoreCalibrationOptions, score_transformation=st.integers(0, 2)),
        ),
        max_size=2,
    ).map(tuple),
    stats=st.none() | st.builds(schema.Stats, max=float32s, min=float32s),
)
models = st.builds(
    schema.ModelMetadata,
    name=text,
    subgraph_metadata=st.lists(
        st.builds(
            schema.SubGraphMetadata,
            input_tensor_metadata=st.lists(tensors, max_size=2).map(tuple),
            custom_metadata=st.lists(
                st.builds(schema.CustomMetadata, name=text, data=st.binary(max_size=9)), max_size=2
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    license=text,
)


@examples(10)  # each model has several tables
@given(models)
def test_what_is_written_is_read(model: schema.ModelMetadata) -> None:
    assert unpack(schema.ModelMetadata, pack(model, identifier=b"M001"), identifier=b"M001") == model


@given(st.binary(max_size=80))
def test_no_bytes_make_the_reader_fail_otherwise(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        unpack(schema.ModelMetadata, b"\x14\0\0\0M001" + content, identifier=b"M001")


def test_another_identifier_is_refused() -> None:
    with pytest.raises(ValueError, match="its identifier is b'TFL3', not b'M001'"):
        unpack(schema.ModelMetadata, b"\0\0\0\0TFL3", identifier=b"M001")


@pytest.mark.parametrize(
    ("dtype", "taken", "mean", "std", "ends"),
    [
        ("uint8", PIXELS, 3.0, 2.0, (0.0, 255.0)),
        ("int8", MINUS_ONE_TO_ONE, 3.0, 2.0, (-128.0, 127.0)),
        ("float32", PIXELS, 0.0, 1.0, (0.0, 255.0)),
        ("float32", MINUS_ONE_TO_ONE, 127.5, 127.5, (-1.0, 1.0)),
    ],
)
def test_input_says_what_an_app_must_do(
    dtype: str, taken: InputRange, mean: float, std: float, ends: tuple[float, float]
) -> None:
    low, high = ends
    image = metadata(dtype, taken=taken).subgraph_metadata[0].input_tensor_metadata[0]
    assert image.content == schema.Content(
        content_properties=schema.ImageProperties(
            color_space=schema.RGB, default_size=schema.ImageSize(width=32, height=32)
        )
    )
    assert image.process_units == (
        schema.ProcessUnit(options=schema.NormalizationOptions(mean=(mean,), std=(std,))),
    )
    assert image.stats == schema.Stats(min=(low,), max=(high,))


def test_output_has_labels_and_score_calibration_where_given() -> None:
    plain = metadata().subgraph_metadata[0].output_tensor_metadata[0]
    assert [(file.name, file.type) for file in plain.associated_files] == [("labels.txt", 2)]
    assert plain.process_units == ()
    calibrated = metadata(transformation="log").subgraph_metadata[0].output_tensor_metadata[0]
    assert [(file.name, file.type) for file in calibrated.associated_files] == [
        ("labels.txt", 2),
        ("score_calibration.txt", 4),
    ]
    assert calibrated.process_units == (
        schema.ProcessUnit(options=schema.ScoreCalibrationOptions(score_transformation=1)),
    )


def test_model_says_what_the_user_said() -> None:
    described = metadata()
    assert (
        described.name,
        described.version,
        described.description,
        described.author,
        described.license,
    ) == (
        "Café",
        "1.2",
        "Names drinks.",
        "A",
        "",
    )
    assert described.min_parser_version == "1.5.0"


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_packaged_file_answers_alike_and_holds_the_measured_one(tmp_path: Path, dtype: str) -> None:
    path = tiny_models.write_classifier(tmp_path / "m.tflite", dtype)
    before = path.read_bytes()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    expected = open_model(path, kernels="builtin").run(pixels)
    packaged = with_metadata(before, b"metadata", FILES, name="m")
    path.write_bytes(packaged)
    assert np.array_equal(open_model(path, kernels="builtin").run(pixels), expected)
    assert measured_model(packaged, size_bytes=len(before)) == before
    assert read_metadata(packaged, name="m") == (b"metadata", FILES)
    # 16 is the alignment that the schema gives to weights.
    assert packaged.index(before) % 16 == 0


def test_file_without_associated_files(tmp_path: Path) -> None:
    before = tiny_models.write_classifier(tmp_path / "m.tflite", "uint8").read_bytes()
    packaged = with_metadata(before, b"metadata", {}, name="m")
    assert measured_model(packaged, size_bytes=len(before)) == before
    assert read_metadata(packaged, name="m") == (b"metadata", {})


def test_metadata_is_replaced_not_added(tmp_path: Path) -> None:
    before = tiny_models.write_classifier(tmp_path / "m.tflite", "uint8").read_bytes()
    once = with_metadata(before, b"old", {"labels.txt": b"old"}, name="m")
    twice = with_metadata(once, b"new", FILES, name="m")
    assert read_metadata(twice, name="m") == (b"new", FILES)
    assert flatbuffer_part(twice).count(b"TFLITE_METADATA") == 1


def test_associated_files_are_stored_and_of_a_fixed_time(tmp_path: Path) -> None:
    model = tiny_models.write_classifier(tmp_path / "m.tflite", "uint8").read_bytes()
    packaged = with_metadata(model, b"m", FILES, name="m")
    assert packaged == with_metadata(model, b"m", FILES, name="m")
    with zipfile.ZipFile(io.BytesIO(packaged)) as archive:
        info = archive.getinfo("labels.txt")
        assert info.compress_type == zipfile.ZIP_STORED
        assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_file_without_metadata(tmp_path: Path) -> None:
    model = tiny_models.write_classifier(tmp_path / "m.tflite", "uint8").read_bytes()
    assert read_metadata(model, name="m") == (None, {})
    assert read_packaged(model, name="m") is None


def test_metadata_of_another_program_has_no_facts(tmp_path: Path) -> None:
    model = tiny_models.write_classifier(tmp_path / "m.tflite", "uint8").read_bytes()
    other = pack(schema.ModelMetadata(name="other"), identifier=b"M001")
    packaged = read_packaged(with_metadata(model, other, {}, name="m"), name="m")
    assert packaged is not None
    assert (packaged.metadata.name, packaged.facts, packaged.files) == ("other", None, {})


@pytest.mark.parametrize("content", [b"", b"text", b"\x20\0\0\0TFL3", b"\xff\xff\xff\xffTFL3" + bytes(64)])
def test_no_tflite(content: bytes) -> None:
    for call in (
        lambda: read_metadata(content, name="x"),
        lambda: with_metadata(content, b"", {}, name="x"),
    ):
        with pytest.raises(ModelFileError) as caught:
            call()
        assert str(caught.value) == (
            "model x: got no valid TFLite flatbuffer, expected a whole .tflite file; it may be truncated"
        )


def test_damaged_metadata(tmp_path: Path) -> None:
    model = tiny_models.write_classifier(tmp_path / "m.tflite", "uint8").read_bytes()
    with pytest.raises(ModelFileError, match=r"^metadata of model x: got its identifier is b'', not b'M001'"):
        read_packaged(with_metadata(model, b"1234", {}, name="x"), name="x")
