"""A `.tflite` that can be packaged: one image in; scores, embeddings or maps out."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import LABELLED_TASKS, InputFacts, OutputFacts, Task
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.runtime import open_model, probe
from edge_mnv3.core.tflite.attached import flatbuffer_part, measured_model
from edge_mnv3.core.tflite.input_facts import FileInput, decide_inputs, read_input
from edge_mnv3.core.tflite.output_facts import output_facts, signature_names
from edge_mnv3.core.tflite.range_metadata import tells_range_only
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.core.tflite.types import Model
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
class FileOutput:
    """An output of a model to be packaged.

    Attributes:
        tensor: The tensor: (1, numbers) or, for a map, (1, rows, columns, channels).
        facts: What it gives; its name is the one under which an app asks for it.
    """

    tensor: TensorInfo
    facts: OutputFacts

    @property
    def count(self) -> int:
        """How many numbers it gives."""
        return math.prod(self.facts.shape)

    @property
    def is_labelled(self) -> bool:
        """Whether its numbers are scores of things that have names."""
        return self.facts.task in LABELLED_TASKS


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model to be packaged.

    Attributes:
        path: The file.
        content: Its bytes as they were quantized and measured: without the metadata of this program.
        sha256: SHA-256 of `content`.
        image: Its input, (1, rows, columns, 3), or (1, rows, columns, 1) for grey.
        input_name: Name under which an app asks for the input.
        outputs: Its outputs, in the file's order.
        input: What the input takes.
        warnings: What the user must know of the input.
    """

    path: Path
    content: bytes
    sha256: str
    image: TensorInfo
    input_name: str
    outputs: tuple[FileOutput, ...]
    input: InputFacts
    warnings: tuple[str, ...] = ()

    @property
    def image_shape(self) -> ImageShape:
        """Shape of the images that it takes."""
        _, height_px, width_px, channels = self.image.shape
        return ImageShape(height_px=height_px, width_px=width_px, channels=channels)

    @property
    def labelled(self) -> tuple[FileOutput, ...]:
        """The outputs whose numbers have names."""
        return tuple(output for output in self.outputs if output.is_labelled)

    @property
    def bundled_name(self) -> str:
        """File name in a bundle: fit for every file system, build tool and URL."""
        return f"{file_name(self.path.stem)}.tflite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What the user says of models.

    Attributes:
        input_range: What a float input takes; None for what the files tell.
        task: What all outputs mean; None for what the files tell.
        labelled: Names of outputs that have labels, so that they are scores whatever the file tells; an empty
            name is that of the first output of scores, or of the first where none is told to give them.
    """

    input_range: InputRange | None = None
    task: Task | None = None
    labelled: frozenset[str] = frozenset()


NOTHING_STATED = Stated()


def open_model_file(
    path: Path,
    *,
    force: bool,
    stated: Stated = NOTHING_STATED,
    recorded: Sequence[OutputFacts] = (),
    others: Sequence[FileInput] = (),
) -> ModelFile:
    """Opens a model and refuses what no app could use.

    Args:
        path: The file.
        force: Replace metadata that it has.
        stated: What the user says of it.
        recorded: What its outputs mean, as its `quantize.json` says; empty where there is none.
        others: Inputs of other files of the same network, which may tell what a float input takes.

    Raises:
        ModelFileError: It is missing, truncated, has other than one fixed image input or outputs of other
            types than apps read, has metadata already, or does not load under the built-in kernels.
        ArgumentError: The outputs cannot have the task that is stated.
    """
    loaded = open_model(path, kernels="builtin")
    image = _image(path, loaded.inputs)
    contents = read_file(path)
    own = read_input(path)
    decided = decide_inputs([own, *others], stated.input_range)[0]
    if own.integers is not None and own.common is None and decided.warning is not None:
        raise ModelFileError(
            f"model {path}",
            f"an input for which {decided.warning.partition(': ')[2]}",
            "an input that takes pixels as they are, as the sources for apps give them",
            "edge-mnv3 quantize makes such files of the float file",
        )
    if image.dtype == "float32" and max(len(decided.facts.mean), len(decided.facts.std)) > 1:
        raise ModelFileError(
            f"model {path}",
            f"a float input that takes {decided.range}, other numbers for each channel",
            "one range for all channels, as the sources for apps have it",
            "package the int8 file, which takes pixels",
        )
    packaged = path.read_bytes()
    content = _measured(packaged, path, force)
    return ModelFile(
        path=path,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        image=image,
        input_name=signature_names(contents).get(contents.main_graph.inputs[0], image.name),
        outputs=_outputs(path, contents, loaded.outputs, stated, recorded),
        input=decided.facts,
        warnings=() if decided.warning is None else (decided.warning,),
    )


def check_loads(path: Path) -> int:
    """Refuses a model that does not load, each kind of kernels being tried in a process of its own.

    Returns:
        Subgraphs handed to the XNNPACK delegate.

    Raises:
        ModelFileError: It does not load under XNNPACK, or not under the built-in kernels.
    """
    partitions = 0
    for kernels, words in _MUST_LOAD:
        check = probe(path, kernels=kernels)
        if not check.loads:
            raise ModelFileError(
                f"model {path} does not load under {words}",
                check.problem or "",
                next_step="edge-mnv3 inspect names the cause; --recipe accurate makes files that load",
            )
        partitions = check.partitions or 0
    return partitions


def file_name(text: str) -> str:
    """Makes a name fit for every file system, build tool and URL."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)


def check_name(name: str, *, option: str) -> str:
    """Takes a text for people: of one line, not empty, not endless.

    Raises:
        ArgumentError: It is not.
    """
    if not name.strip() or not is_printable(name) or len(name) > _MAX_NAME:
        raise ArgumentError(option, repr(name), f"1 to {_MAX_NAME} printable characters on one line")
    return name.strip()


def _image(path: Path, inputs: Sequence[TensorInfo]) -> TensorInfo:
    if len(inputs) != 1:
        raise ModelFileError(f"model {path}", f"{len(inputs)} inputs", "one image in")
    _check_tensor(path, inputs[0])
    if ImageShape.of_input(inputs[0].shape) is None:
        raise ModelFileError(
            f"model {path}",
            f"an input of shape {list(inputs[0].shape)}",
            "[1, rows, columns, channels], with 3 channels for RGB or 1 for grey",
        )
    return inputs[0]


def _check_tensor(path: Path, tensor: TensorInfo) -> None:
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
    if tensor.dtype != "float32" and tensor.scale is None:
        raise ModelFileError(
            f"model {path}",
            f"tensor '{tensor.name}' of type {tensor.dtype} without a scale",
            "the scale that makes real numbers of it",
        )


def _outputs(
    path: Path,
    contents: Model,
    tensors: Sequence[TensorInfo],
    stated: Stated,
    recorded: Sequence[OutputFacts],
) -> tuple[FileOutput, ...]:
    graph, names = contents.main_graph, signature_names(contents)
    found = []
    for place, (number, tensor) in enumerate(zip(graph.outputs, tensors, strict=True)):
        _check_tensor(path, tensor)
        if len(tensor.shape) < 2 or tensor.shape[0] not in _ONE_IMAGE:
            raise ModelFileError(
                f"model {path}", f"an output of shape {list(tensor.shape)}", "[1, numbers] or [1, …, numbers]"
            )
        facts = output_facts(graph, number, name=str(path), task=stated.task)
        if stated.task is None and len(recorded) == len(tensors) and recorded[place].shape == facts.shape:
            known = recorded[place]
            facts = dataclasses.replace(facts, task=known.task, activation=known.activation)
        facts = dataclasses.replace(facts, name=names.get(number, tensor.name))
        found.append(FileOutput(tensor=tensor, facts=facts))
    return tuple(found) if stated.task is not None else _with_labels(found, stated)


def _with_labels(found: Sequence[FileOutput], stated: Stated) -> tuple[FileOutput, ...]:
    """Takes embeddings for scores that have labels: whoever has names for numbers says that they are scores.

    Labels of no output by name are the first's where none gives scores.
    """
    labelled = set(stated.labelled - {""})
    if "" in stated.labelled and not any(output.is_labelled for output in found):
        labelled.add(found[0].facts.name)
    return tuple(
        dataclasses.replace(
            output,
            facts=dataclasses.replace(
                output.facts, task="classes" if output.facts.shape[0] > 1 else "binary"
            ),
        )
        if output.facts.name in labelled and output.facts.task == "embedding"
        else output
        for output in found
    )


def _measured(packaged: bytes, path: Path, force: bool) -> bytes:
    """Returns the file's bytes; those inside, if this program packaged it before."""
    metadata = read_packaged(packaged, name=str(path))
    if metadata is None or (tells_range_only(metadata.metadata) and not metadata.files):
        return flatbuffer_part(packaged)
    if not force:
        raise ModelFileError(f"model {path} has metadata already", next_step="use --force to replace it")
    if metadata.facts is not None:
        inside = measured_model(packaged, size_bytes=metadata.facts.measured_size_bytes)
        if hashlib.sha256(inside).hexdigest() == metadata.facts.measured_sha256:
            return inside
    return flatbuffer_part(packaged)
