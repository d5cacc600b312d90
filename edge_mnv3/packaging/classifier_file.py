"""A `.tflite` that can be packaged: one image in, one score for each class out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import InputFacts, Task
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.runtime import open_model, probe
from edge_mnv3.core.tflite.attached import flatbuffer_part, measured_model
from edge_mnv3.core.tflite.input_facts import FileInput, decide_inputs, read_input
from edge_mnv3.core.tflite.output_facts import read_outputs
from edge_mnv3.packaging.apis import DTYPES
from edge_mnv3.packaging.metadata import read_packaged
from edge_mnv3.packaging.printable import is_printable

_MAX_NAME = 200
_ONE_IMAGE = (1, -1)  # the batch size, or an open one
_MUST_LOAD: tuple[tuple[Kernels, str], ...] = (
    ("builtin", "the built-in kernels"),
    ("xnnpack", "XNNPACK, the default on phones"),  # last: its partitions are noted
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierFile:
    """A model to be packaged.

    Attributes:
        path: The file.
        content: Its bytes as they were quantized and measured: without the metadata of this program.
        sha256: SHA-256 of `content`.
        image: Its input, (1, rows, columns, 3), or (1, rows, columns, 1) for grey.
        scores: Its output, (1, classes).
        input: What the input takes.
        task: What the output means, as its last operators tell.
        xnnpack_partitions: Subgraphs handed to the XNNPACK delegate.
    """

    path: Path
    content: bytes
    sha256: str
    image: TensorInfo
    scores: TensorInfo
    input: InputFacts
    task: Task
    xnnpack_partitions: int

    @property
    def image_shape(self) -> ImageShape:
        """Shape of the images that it takes."""
        _, height_px, width_px, channels = self.image.shape
        return ImageShape(height_px=height_px, width_px=width_px, channels=channels)

    @property
    def class_count(self) -> int:
        """Number of outputs."""
        return self.scores.shape[1]

    @property
    def bundled_name(self) -> str:
        """File name in a bundle: fit for every file system, build tool and URL."""
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', self.path.stem)}.tflite"


def open_classifier(
    path: Path, *, force: bool, stated: InputRange | None = None, others: Sequence[FileInput] = ()
) -> ClassifierFile:
    """Opens a model and refuses what no app could use.

    Args:
        path: The file.
        force: Replace metadata that it has.
        stated: What the user says that a float input takes.
        others: Inputs of other files of the same network, which may tell what a float input takes.

    Raises:
        ModelFileError: It is missing, truncated, has other than one fixed image input and one output of
            scores, has metadata already, or does not load under XNNPACK and under the built-in kernels.
    """
    loaded = open_model(path, kernels="builtin")
    image, scores = _ends(path, loaded.inputs, loaded.outputs)
    own = read_input(path)
    decided = decide_inputs([own, *others], stated)[0] if own.integers is None else decide_inputs([own])[0]
    if image.dtype == "float32" and max(len(decided.facts.mean), len(decided.facts.std)) > 1:
        raise ModelFileError(
            f"model {path}",
            f"a float input that takes {decided.range}, other numbers for each channel",
            "one range for all channels, as the sources for apps have it",
            "package the int8 file, which takes pixels",
        )
    packaged = path.read_bytes()
    content = _measured(packaged, path, force)
    for kernels, words in _MUST_LOAD:
        check = probe(path, kernels=kernels)
        if not check.loads:
            raise ModelFileError(
                f"model {path} does not load under {words}",
                check.problem or "",
                next_step="edge-mnv3 inspect names the cause; --recipe accurate makes files that load",
            )
    return ClassifierFile(
        path=path,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        image=image,
        scores=scores,
        input=decided.facts,
        task=read_outputs(path)[0].task,
        xnnpack_partitions=check.partitions or 0,
    )


def check_name(name: str, *, option: str) -> str:
    """Takes a text for people: of one line, not empty, not endless.

    Raises:
        ArgumentError: It is not.
    """
    if not name.strip() or not is_printable(name) or len(name) > _MAX_NAME:
        raise ArgumentError(option, repr(name), f"1 to {_MAX_NAME} printable characters on one line")
    return name.strip()


def _ends(
    path: Path, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]
) -> tuple[TensorInfo, TensorInfo]:
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelFileError(
            f"model {path}",
            f"{len(inputs)} inputs and {len(outputs)} outputs",
            "one image in, one vector of scores out",
        )
    image, scores = inputs[0], outputs[0]
    for tensor in (image, scores):
        # The batch may be open, as ordinary converters leave it: it is stored as 1, and runtimes take that.
        if -1 in tensor.shape[1:]:
            raise ModelFileError(
                f"model {path}",
                f"tensor '{tensor.name}' of open shape {list(tensor.shape)}",
                "fixed shapes, but for the batch",
                "convert it with the height and width of the images",
            )
        if tensor.dtype not in DTYPES:
            raise ModelFileError(
                f"model {path}", f"tensor '{tensor.name}' of type {tensor.dtype}", "uint8, int8 or float32"
            )
    if ImageShape.of_input(image.shape) is None:
        raise ModelFileError(
            f"model {path}",
            f"an input of shape {list(image.shape)}",
            "[1, rows, columns, channels], with 3 channels for RGB or 1 for grey",
        )
    if len(scores.shape) != 2 or scores.shape[0] not in _ONE_IMAGE:
        raise ModelFileError(f"model {path}", f"an output of shape {list(scores.shape)}", "[1, classes]")
    return image, scores


def _measured(packaged: bytes, path: Path, force: bool) -> bytes:
    """Returns the file's bytes; those inside, if this program packaged it before."""
    metadata = read_packaged(packaged, name=str(path))
    if metadata is None:
        return flatbuffer_part(packaged)
    if not force:
        raise ModelFileError(f"model {path} has metadata already", next_step="use --force to replace it")
    if metadata.facts is not None:
        inside = measured_model(packaged, size_bytes=metadata.facts.measured_size_bytes)
        if hashlib.sha256(inside).hexdigest() == metadata.facts.measured_sha256:
            return inside
    return flatbuffer_part(packaged)
