"""Names of a model's outputs: those that the user gives, else those that its files bring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.tflite.metadata_schema import TENSOR_AXIS_LABELS
from edge_mnv3.packaging.labels import LABELS_FILE, Labels, parse_labels
from edge_mnv3.packaging.manifest import MANIFEST_FILE
from edge_mnv3.packaging.metadata import read_packaged
from edge_mnv3.stages.package_inputs import read_labels
from edge_mnv3_quantization.validation.label_names import OutputNames


def output_names(stated: Path | None, files: Sequence[Path]) -> OutputNames | None:
    """Finds the names of a model's outputs.

    Args:
        stated: A text file, or a folder of class folders, as the user says; None to look in the files.
        files: `.tflite` files of the model. Looked for are the labels of the bundle that one lies in, then
            those in its metadata.

    Returns:
        None where nobody tells them.

    Raises:
        InputFileError: The labels cannot be read, or are no labels.
        ModelFileError: The metadata of a file is damaged.
    """
    if stated is not None:
        return OutputNames(read_labels(stated, None).names, str(stated), stated=True)
    for file in files:
        brought = _of_bundle(file) or _of_metadata(file)
        if brought is not None:
            return OutputNames(brought.names, brought.source, stated=False)
    return None


def _of_bundle(file: Path) -> Labels | None:
    labels = file.parent / LABELS_FILE
    if not labels.is_file() or not (file.parent / MANIFEST_FILE).is_file():
        return None
    return parse_labels(labels.read_bytes(), name=str(labels), class_count=None)


def _of_metadata(file: Path) -> Labels | None:
    if not file.is_file():
        return None  # told where the file is opened
    packaged = read_packaged(file.read_bytes(), name=str(file))
    if packaged is None:
        return None
    named = [
        associated.name
        for graph in packaged.metadata.subgraph_metadata[:1]
        for tensor in graph.output_tensor_metadata
        for associated in tensor.associated_files
        if associated.type == TENSOR_AXIS_LABELS and associated.name in packaged.files
    ]
    if not named:
        return None
    content = packaged.files[named[0]]
    return parse_labels(content, name=f"{named[0]} in {file}", class_count=None)
