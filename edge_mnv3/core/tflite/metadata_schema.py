"""The tables of the TFLite metadata schema, as data.

Source: `metadata_schema.fbs` of TensorFlow Lite Support and MediaPipe, version 1.5.0. A class is a table, and
its fields stand in the order of their ids, so nothing may be sorted, left out or put in between; a union
takes two ids, the first for its type. `edge_mnv3.core.tflite.tables` writes and reads them. The generated
classes are in no wheel that is fit to depend on: `tflite-support` ended at Python 3.11, `mediapipe` brings
half a gigabyte.
The tests compare these tables with MediaPipe's classes and with its reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Union

from edge_mnv3.core.choices import ScoreTransformation

FILE_IDENTIFIER = b"M001"
MIN_PARSER_VERSION = "1.5.0"  # the first that knows CustomMetadata

Int8 = Annotated[int, "int8"]
Int32 = Annotated[int, "int32"]
UInt32 = Annotated[int, "uint32"]
Float32 = Annotated[float, "float32"]
Float32s = Annotated[tuple[float, ...], "float32"]

# AssociatedFileType
TENSOR_AXIS_LABELS = 2
TENSOR_AXIS_SCORE_CALIBRATION = 4
# ColorSpaceType
RGB = 1
GRAYSCALE = 2
# ScoreTransformationType
SCORE_TRANSFORMATION_TYPES: dict[ScoreTransformation, int] = {"identity": 0, "log": 1, "inverse-logistic": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociatedFile:
    """A file zipped onto the model."""

    name: str = ""
    description: str = ""
    type: Int8 = 0
    locale: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureProperties:
    """A tensor of no particular meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """Size of an image in pixels."""

    width: UInt32 = 0
    height: UInt32 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProperties:
    """A tensor that is an image."""

    color_space: Int8 = 0
    default_size: ImageSize | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundingBoxProperties:
    """A tensor of boxes; only its place in the union matters here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioProperties:
    """A tensor of sound."""

    sample_rate: UInt32 = 0
    channels: UInt32 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRange:
    """Part of a tensor's last dimension."""

    min: Int32 = 0
    max: Int32 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a tensor holds."""

    content_properties: Union[  # noqa: UP007 - a union of the schema, not of types
        FeatureProperties, ImageProperties, BoundingBoxProperties, AudioProperties, None
    ] = None
    range: ValueRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizationOptions:
    """(value - mean) / std; one number, or one a channel."""

    mean: Float32s = ()
    std: Float32s = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCalibrationOptions:
    """How the associated file of score calibration is applied."""

    score_transformation: Int8 = 0
    default_score: Float32 = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreThresholdingOptions:
    """Scores below are dropped."""

    global_score_threshold: Float32 = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUnit:
    """A step before or after the model; tokenizers follow in the union and are not for images."""

    options: Union[  # noqa: UP007 - a union of the schema, not of types
        NormalizationOptions, ScoreCalibrationOptions, ScoreThresholdingOptions, None
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Range of a tensor's values."""

    max: Float32s = ()
    min: Float32s = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorGroup:
    """Tensors that belong together."""

    name: str = ""
    tensor_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMetadata:
    """An input or output."""

    name: str = ""
    description: str = ""
    dimension_names: tuple[str, ...] = ()
    content: Content | None = None
    process_units: tuple[ProcessUnit, ...] = ()
    stats: Stats | None = None
    associated_files: tuple[AssociatedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomMetadata:
    """Anything else, by name."""

    name: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubGraphMetadata:
    """A graph of the model."""

    name: str = ""
    description: str = ""
    input_tensor_metadata: tuple[TensorMetadata, ...] = ()
    output_tensor_metadata: tuple[TensorMetadata, ...] = ()
    associated_files: tuple[AssociatedFile, ...] = ()
    input_process_units: tuple[ProcessUnit, ...] = ()
    output_process_units: tuple[ProcessUnit, ...] = ()
    input_tensor_groups: tuple[TensorGroup, ...] = ()
    output_tensor_groups: tuple[TensorGroup, ...] = ()
    custom_metadata: tuple[CustomMetadata, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """The root."""

    name: str = ""
    description: str = ""
    version: str = ""
    subgraph_metadata: tuple[SubGraphMetadata, ...] = ()
    author: str = ""
    license: str = ""
    associated_files: tuple[AssociatedFile, ...] = ()
    min_parser_version: str = ""
