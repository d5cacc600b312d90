"""Whether the parts of a bundle, each with its right hash, agree with one another."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from edge_mnv3.core.errors import BundleError, EdgeMnv3Error
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.results.images import GREY_CHANNELS
from edge_mnv3.core.results.package import BundleManifest, PackagedModel, PackagedOutput
from edge_mnv3.core.tflite.attached import measured_model
from edge_mnv3.core.tflite.metadata_schema import (
    GRAYSCALE,
    RGB,
    TENSOR_AXIS_LABELS,
    Content,
    ImageProperties,
    NormalizationOptions,
    TensorMetadata,
)
from edge_mnv3.packaging.golden import from_bytes
from edge_mnv3.packaging.labels import parse_labels
from edge_mnv3.packaging.metadata import PackagedMetadata, read_packaged


def metadata_differences(
    files: Mapping[str, bytes], manifest: BundleManifest, model: PackagedModel
) -> list[str]:
    """Lists where a model's metadata disagrees with the manifest or the labels."""
    content = files[model.file]
    try:
        packaged = read_packaged(content, name=model.file)
        for output in model.outputs:
            if output.labels is not None:
                parse_labels(files[output.labels], name=output.labels, class_count=output.tensor.shape[-1])
    except EdgeMnv3Error as error:
        return [str(error)]
    if packaged is None:
        return [f"{model.file} has no metadata"]
    return [
        f"{model.file}: {difference}"
        for difference in _differences(packaged, files, manifest, model, content)
    ]


def _differences(
    packaged: PackagedMetadata,
    files: Mapping[str, bytes],
    manifest: BundleManifest,
    model: PackagedModel,
    content: bytes,
) -> Iterator[str]:
    metadata, facts = packaged.metadata, packaged.facts
    stated = (
        ("name", metadata.name, manifest.name),
        ("version", metadata.version, manifest.version),
        ("description", metadata.description, manifest.description),
        ("author", metadata.author, manifest.author or ""),
        ("license", metadata.license, manifest.license or ""),
    )
    yield from (
        f"its {what} is {got!r}, the manifest says {said!r}" for what, got, said in stated if got != said
    )
    if facts is None:
        yield "its metadata is not of edge-mnv3"
    else:
        inside = measured_model(content, size_bytes=facts.measured_size_bytes)
        if hashlib.sha256(inside).hexdigest() != model.measured_sha256:
            yield "the file inside is not the one that was measured"
        if (facts.provenance, facts.accuracy) != (model.provenance, model.accuracy):
            yield "its facts are not those of the manifest"
    if len(metadata.subgraph_metadata) != 1:
        yield f"its metadata describes {len(metadata.subgraph_metadata)} graphs, not one"
        return
    graph = metadata.subgraph_metadata[0]
    ends = (graph.input_tensor_metadata, graph.output_tensor_metadata)
    if (len(ends[0]), len(ends[1])) != (1, len(model.outputs)):
        count = "one output" if len(model.outputs) == 1 else f"{len(model.outputs)} outputs"
        yield f"its metadata does not describe one input and {count}"
        return
    yield from _input_differences(ends[0][0], model)
    for described, output in zip(ends[1], model.outputs, strict=True):
        yield from _label_differences(described, output, packaged, files)


def _label_differences(
    described: TensorMetadata,
    output: PackagedOutput,
    packaged: PackagedMetadata,
    files: Mapping[str, bytes],
) -> Iterator[str]:
    labels = [file.name for file in described.associated_files if file.type == TENSOR_AXIS_LABELS]
    wanted = [] if output.labels is None else [output.labels]
    if labels != wanted:
        yield f"the labels inside are {', '.join(labels) or 'none'}, not {output.labels or 'none'}"
    elif wanted and packaged.files.get(wanted[0]) != files[wanted[0]]:
        yield f"the labels inside are not {wanted[0]}"


def _input_differences(image: TensorMetadata, model: PackagedModel) -> Iterator[str]:
    properties = (image.content or Content()).content_properties
    height, width, channels = model.input.shape[1:]
    colours, space = ("a grey", GRAYSCALE) if channels == GREY_CHANNELS else ("an RGB", RGB)
    if not isinstance(properties, ImageProperties) or properties.color_space != space:
        yield f"its input is not said to be {colours} image"
        return
    size = properties.default_size
    if size is None or (size.height, size.width) != (height, width):
        yield f"its input is not said to be of {width}x{height} pixels"
    steps = [unit.options for unit in image.process_units if isinstance(unit.options, NormalizationOptions)]
    if model.input.scale is not None:
        mean, std, what = float(model.input.zero_point or 0), 1.0 / model.input.scale, "input's quantization"
    elif model.takes_numbers is not None:
        mean, std, what = model.takes_numbers.mean[0], model.takes_numbers.std[0], "input"
    else:
        mean, std, what = PIXELS.mean[0], PIXELS.std[0], "input"
    # float32 in the file, float64 in the manifest
    if len(steps) != 1 or not (_close(steps[0].mean, mean) and _close(steps[0].std, std)):
        yield f"its normalization is not that of the {what}"


def _close(values: tuple[float, ...], wanted: float) -> bool:
    return len(values) == 1 and math.isclose(values[0], wanted, rel_tol=1e-6, abs_tol=1e-9)


def golden_vectors(
    files: Mapping[str, bytes], manifest: BundleManifest, model: PackagedModel
) -> tuple[list[Pixels], list[list[npt.NDArray[Any]]]]:
    """Returns the golden images, and for each output of a model the golden ones.

    Raises:
        BundleError: They are missing, or not of the size that the manifest says.
    """
    names = manifest.golden.files
    for output in model.outputs:
        if not names or len(names) != len(output.golden):
            raise BundleError(f"{model.file} has {len(output.golden)} golden outputs for {len(names)} images")
    if tuple(model.input.shape[1:]) != manifest.golden.shape:
        raise BundleError(f"{model.file} does not take the golden images: their shape is another")
    try:
        images = [from_bytes(files[name], "uint8").reshape(manifest.golden.shape) for name in names]
        outputs = [
            [
                from_bytes(files[name], output.tensor.dtype).reshape(math.prod(output.tensor.shape[1:]))
                for name in output.golden
            ]
            for output in model.outputs
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise BundleError(f"the golden vectors of {model.file} are not of their stated size") from error
    return images, outputs
