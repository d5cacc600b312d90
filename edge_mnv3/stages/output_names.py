"""Names of a model's outputs: those that the user gives, else those that its files bring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.tflite.metadata_schema import TENSOR_AXIS_LABELS
from edge_mnv3.packaging.labels import LABELS_FILE, Labels, parse_labels
from edge_mnv3.packaging.manifest import MANIFEST_FILE
from edge_mnv3.packaging.metadata import read_packaged
from edge_mnv3.stages.package_inputs import LabelFiles, read_labels
from edge_mnv3_quantization.validation.label_names import OutputNames


def output_names(stated: LabelFiles, files: Sequence[Path]) -> dict[str, OutputNames]:
    """Finds the names of a model's outputs.

    Args:
        stated: Text files, or folders of class folders, as the user says.
        files: `.tflite` files of the model. Looked for, where the user says nothing, are the labels of the
            bundle that one lies in, then those in its metadata.

    Returns:
        Name of an output to the names of its numbers; an empty name stands for the first output of scores.

    Raises:
        InputFileError: The labels cannot be read, or are no labels.
        ModelFileError: The metadata of a file is damaged.
    """
    given = {**({} if stated.first is None else {"": stated.first}), **stated.of}
    names = {
        output: OutputNames(read_labels(path, None).names, str(path), stated=True)
        for output, path in given.items()
    }
    for file in files:
        if names:
            break
        bundled = _of_bundle(file)
        brought = _of_metadata(file) if bundled is None else {"": bundled}
        names = {
            output: OutputNames(labels.names, labels.source, stated=False)
            for output, labels in brought.items()
        }
    return names


def _of_bundle(file: Path) -> Labels | None:
    labels = file.parent / LABELS_FILE
    if not labels.is_file() or not (file.parent / MANIFEST_FILE).is_file():
        return None
    return parse_labels(labels.read_bytes(), name=str(labels), class_count=None)


def _of_metadata(file: Path) -> dict[str, Labels]:
    if not file.is_file():
        return {}  # told where the file is opened
    packaged = read_packaged(file.read_bytes(), name=str(file))
    if packaged is None:
        return {}
    tensors = [
        tensor for graph in packaged.metadata.subgraph_metadata[:1] for tensor in graph.output_tensor_metadata
    ]
    labels = {}
    for tensor in tensors:
        for associated in tensor.associated_files:
            if associated.type == TENSOR_AXIS_LABELS and associated.name in packaged.files:
                labels["" if len(tensors) == 1 else tensor.name] = parse_labels(
                    packaged.files[associated.name], name=f"{associated.name} in {file}", class_count=None
                )
    return labels
