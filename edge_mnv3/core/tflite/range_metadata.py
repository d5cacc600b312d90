"""The range of a float input, written into a file's metadata."""

from __future__ import annotations

from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.tflite.attached import read_metadata, with_metadata
from edge_mnv3.core.tflite.input_facts import input_of
from edge_mnv3.core.tflite.metadata_schema import (
    FILE_IDENTIFIER,
    MIN_PARSER_VERSION,
    ModelMetadata,
    NormalizationOptions,
    ProcessUnit,
    SubGraphMetadata,
    TensorMetadata,
)
from edge_mnv3.core.tflite.tables import pack


def with_known_range(content: bytes, input_range: InputRange, name: str) -> bytes:
    """Makes a float file tell its range: NormalizationOptions are added where it does not tell it itself.

    Args:
        content: The file.
        input_range: What its float input takes.
        name: What errors call the file.

    Returns:
        The same bytes where its first layers or its metadata tell the same range. A file with other metadata
        keeps its associated files.
    """
    told = input_of(content, name).told
    if told is not None and told[0].is_near(input_range):
        return content
    options = NormalizationOptions(mean=input_range.mean, std=input_range.std)
    _, files = read_metadata(content, name=name)
    metadata = pack(_description(options), identifier=FILE_IDENTIFIER)
    return with_metadata(content, metadata, files, name=name)


def tells_range_only(metadata: ModelMetadata) -> bool:
    """Whether metadata are those of `with_known_range`: nothing is lost when others take their place."""
    options = [
        unit.options
        for graph in metadata.subgraph_metadata
        for tensor in graph.input_tensor_metadata
        for unit in tensor.process_units
        if isinstance(unit.options, NormalizationOptions)
    ]
    return len(options) == 1 and metadata == _description(options[0])


def _description(options: NormalizationOptions) -> ModelMetadata:
    image = TensorMetadata(name="image", process_units=(ProcessUnit(options=options),))
    return ModelMetadata(
        subgraph_metadata=(SubGraphMetadata(input_tensor_metadata=(image,)),),
        min_parser_version=MIN_PARSER_VERSION,
    )
