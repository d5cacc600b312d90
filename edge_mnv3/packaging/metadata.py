"""The metadata of a packaged model: built, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3.core.choices import ScoreTransformation
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.images import GREY_CHANNELS
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.results.package import EmbeddedFacts
from edge_mnv3.core.tflite.attached import read_metadata
from edge_mnv3.core.tflite.metadata_schema import (
    FILE_IDENTIFIER,
    GRAYSCALE,
    MIN_PARSER_VERSION,
    RGB,
    SCORE_TRANSFORMATION_TYPES,
    TENSOR_AXIS_LABELS,
    TENSOR_AXIS_SCORE_CALIBRATION,
    AssociatedFile,
    Content,
    CustomMetadata,
    FeatureProperties,
    ImageProperties,
    ImageSize,
    ModelMetadata,
    NormalizationOptions,
    ProcessUnit,
    ScoreCalibrationOptions,
    Stats,
    SubGraphMetadata,
    TensorMetadata,
)
from edge_mnv3.core.tflite.tables import pack, unpack
from edge_mnv3.packaging.score_calibration import SCORE_CALIBRATION_FILE

FACTS_ENTRY = "EDGE_MNV3"
_INTEGER_RANGES = {"uint8": (0.0, 255.0), "int8": (-128.0, 127.0)}


class Description(NamedTuple):
    """What the user says of a model."""

    name: str
    version: str
    description: str
    author: str | None
    license: str | None


class DescribedOutput(NamedTuple):
    """What the metadata says of an output.

    Attributes:
        facts: What it gives.
        labels: Name of the file of its labels; None for embeddings and maps.
        score_transformation: Applied to scores before the sigmoid of a score calibration, which the file
            gets; None without one.
    """

    facts: OutputFacts
    labels: str | None
    score_transformation: ScoreTransformation | None = None


class PackagedMetadata(NamedTuple):
    """What a file carries.

    Attributes:
        metadata: The part that TensorFlow Lite's metadata schema defines.
        facts: The part of this program; None where another program wrote the metadata.
        files: Name of each associated file to its content.
    """

    metadata: ModelMetadata
    facts: EmbeddedFacts | None
    files: dict[str, bytes]


def build_metadata(
    description: Description,
    facts: EmbeddedFacts,
    *,
    image: TensorInfo,
    taken: InputRange,
    outputs: Sequence[DescribedOutput],
) -> bytes:
    """Builds the flatbuffer.

    Args:
        description: What the user says of the model.
        facts: What this program knows of it.
        image: Its input, (1, rows, columns, channels).
        taken: What a float input takes, the same for all channels.
        outputs: Its outputs, in the file's order.
    """
    graph = SubGraphMetadata(
        name=description.name,
        input_tensor_metadata=(_input(image, taken),),
        output_tensor_metadata=tuple(_output(output, alone=len(outputs) == 1) for output in outputs),
        custom_metadata=(CustomMetadata(name=FACTS_ENTRY, data=to_json(facts).encode()),),
    )
    metadata = ModelMetadata(
        name=description.name,
        description=description.description,
        version=description.version,
        subgraph_metadata=(graph,),
        author=description.author or "",
        license=description.license or "",
        min_parser_version=MIN_PARSER_VERSION,
    )
    return pack(metadata, identifier=FILE_IDENTIFIER)


def read_packaged(model: bytes, *, name: str) -> PackagedMetadata | None:
    """Reads the metadata of a `.tflite`; None if it has none.

    Args:
        model: The file's bytes.
        name: What errors call it.

    Raises:
        ModelFileError: It is no `.tflite`, or its metadata is damaged.
    """
    content, files = read_metadata(model, name=name)
    if content is None:
        return None
    try:
        metadata = unpack(ModelMetadata, content, identifier=FILE_IDENTIFIER)
        custom = {
            entry.name: entry.data for graph in metadata.subgraph_metadata for entry in graph.custom_metadata
        }
        facts = from_json(EmbeddedFacts, custom[FACTS_ENTRY].decode()) if FACTS_ENTRY in custom else None
    except ValueError as error:
        raise ModelFileError(f"metadata of model {name}", str(error), "metadata that can be read") from error
    return PackagedMetadata(metadata, facts, files)


def _input(image: TensorInfo, taken: InputRange) -> TensorMetadata:
    _, height, width, channels = image.shape
    low, high = _INTEGER_RANGES.get(image.dtype) or taken.ends()[0]
    colours, space = ("grey", GRAYSCALE) if channels == GREY_CHANNELS else ("RGB", RGB)
    return TensorMetadata(
        name="image",
        description=f"{colours} image, {width}x{height} pixels, {image.dtype} {low:g}..{high:g}",
        content=Content(
            content_properties=ImageProperties(
                color_space=space, default_size=ImageSize(width=width, height=height)
            )
        ),
        process_units=(ProcessUnit(options=_normalization(image, taken)),),
        stats=Stats(min=(low,), max=(high,)),
    )


def _normalization(image: TensorInfo, taken: InputRange) -> NormalizationOptions:
    """Returns what turns the input's numbers into the real values that they stand for."""
    if image.scale is None or image.zero_point is None:
        return NormalizationOptions(mean=taken.mean, std=taken.std)
    return NormalizationOptions(mean=(float(image.zero_point),), std=(1.0 / image.scale,))


def _output(output: DescribedOutput, *, alone: bool) -> TensorMetadata:
    files, units = [], []
    if output.labels is not None:
        files.append(
            AssociatedFile(
                name=output.labels, description="Names of the classes, one a line.", type=TENSOR_AXIS_LABELS
            )
        )
    if output.score_transformation is not None:
        calibration = ScoreCalibrationOptions(
            score_transformation=SCORE_TRANSFORMATION_TYPES[output.score_transformation]
        )
        units.append(ProcessUnit(options=calibration))
        files.append(
            AssociatedFile(
                name=SCORE_CALIBRATION_FILE,
                description="Sigmoid parameters of each class, one a line.",
                type=TENSOR_AXIS_SCORE_CALIBRATION,
            )
        )
    kind = output.facts.task if output.facts.task in ("embedding", "map") else "score"
    return TensorMetadata(
        name=kind if alone else output.facts.name,
        description=f"{output.facts.words}.",
        content=Content(content_properties=FeatureProperties()),
        process_units=tuple(units),
        associated_files=tuple(files),
    )
