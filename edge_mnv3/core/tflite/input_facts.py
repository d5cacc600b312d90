"""What model files take: the one place that decides which numbers stand for pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.input_range import COMMON_RANGES, INPUT_RANGE_WORDS, InputRange
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.results.model_facts import RANGE_SOURCES, InputFacts, RangeSource
from edge_mnv3.core.tflite.attached import read_metadata
from edge_mnv3.core.tflite.input_scaling import range_of_graph, range_of_integers
from edge_mnv3.core.tflite.metadata_schema import FILE_IDENTIFIER, ModelMetadata, NormalizationOptions
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.tables import unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInput:
    """The input of a file, and what the file itself tells of its range.

    Attributes:
        name: The file's, for messages.
        dtype: `float32`, `uint8`, `int8` or another.
        shape: Height, width and channels.
        metadata: The range of a float input that the metadata states; None where it states none.
        graph: The range of a float input that the first operators tell; None where they do not.
        integers: What the 256 steps of an integer input stand for; None for other inputs.
    """

    name: str
    dtype: str
    shape: tuple[int, int, int]
    metadata: InputRange | None
    graph: InputRange | None
    integers: InputRange | None

    @property
    def told(self) -> tuple[InputRange, RangeSource] | None:
        """What the file tells of its range."""
        if self.integers is not None:
            return self.integers, "quantization"
        if self.metadata is not None:
            return self.metadata, "metadata"
        return None if self.graph is None else (self.graph, "graph")

    @property
    def common(self) -> InputRange | None:
        """The common range that an integer input's steps are."""
        near = (each for each in COMMON_RANGES if self.integers is not None and self.integers.is_near(each))
        return next(near, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedInput:
    """What a file is fed.

    Attributes:
        facts: Its input. An integer input with these facts stores (pixel - mean) / std in its own steps; it
            is the pixel itself where its steps are a common range.
        warning: What the user must know of it; None for nothing.
    """

    facts: InputFacts
    warning: str | None = None

    @property
    def range(self) -> InputRange:
        """The range as a value."""
        return InputRange(self.facts.mean, self.facts.std)

    def __str__(self) -> str:
        return f"{self.range} ({RANGE_SOURCES[self.facts.range_source]})"


def read_input(path: Path) -> FileInput:
    """Reads what a file tells of its input.

    Raises:
        ModelFileError: It is missing, no valid `.tflite`, or takes something other than one image.
    """
    if not path.is_file():
        raise ModelFileError(f"model {path}", no_file(path), "a .tflite file")
    return input_of(path.read_bytes(), str(path))


def input_of(content: bytes, name: str) -> FileInput:
    """Reads what the bytes of a file tell of its input, as `read_input` does."""
    graph = read_model(content, name).main_graph
    if len(graph.inputs) != 1:
        raise ModelFileError(f"model {name}", f"{len(graph.inputs)} inputs", "one image")
    tensor = graph.tensors[graph.inputs[0]]
    if len(tensor.shape) != 4:
        raise ModelFileError(f"model {name}", f"an input of shape {tensor.shape}", "one image")
    is_float = tensor.dtype == "FLOAT32"
    height, width, channels = tensor.shape[1:]
    return FileInput(
        name=name,
        dtype=tensor.dtype.lower(),
        shape=(height, width, channels),
        metadata=_metadata_range(content, name) if is_float else None,
        graph=range_of_graph(graph, graph.inputs[0]) if is_float else None,
        integers=range_of_integers(tensor.dtype.lower(), tensor.scales, tensor.zero_point),
    )


def known_range(path: Path) -> InputRange | None:
    """Returns what a file alone tells of its input's range; None where it does not.

    Raises:
        ModelFileError: As `read_input` raises.
    """
    own = read_input(path).told
    return None if own is None else own[0]


def decide_inputs(files: Sequence[FileInput], stated: InputRange | None = None) -> tuple[DecidedInput, ...]:
    """Decides what the files of one network are fed.

    A float input takes what is stated, else what its metadata says, else what its first layers tell, else
    what another of the files tells. An integer input takes pixels as they are where its 256 steps are a
    common range, or are not of the numbers that its float twin takes; else those numbers are stored in them.

    Args:
        files: One file, or several of the same network.
        stated: What the user says.

    Raises:
        ModelFileError: The range of a float input is not known, or has other channels than the image.
    """
    return tuple(
        _float(file, files, stated) if file.integers is None else _integer(file, file.integers, files, stated)
        for file in files
    )


def _float(file: FileInput, files: Sequence[FileInput], stated: InputRange | None) -> DecidedInput:
    if stated is not None:
        warning = None
        if file.told is not None and not stated.is_near(file.told[0]):
            told, source = file.told
            warning = (
                f"{Path(file.name).name} is fed {stated} as stated, but takes {told} {RANGE_SOURCES[source]}"
            )
        return _decided(file, stated, "stated", warning)
    if file.told is not None:
        return _decided(file, *file.told, _contradiction(file))
    for other in files:
        known = other.common if other.integers is not None else other.told and other.told[0]
        if other is not file and known is not None:
            return _decided(file, known, "pair")
    raise ModelFileError(
        f"model {file.name}",
        "a float input of unknown range",
        "the numbers that stand for pixels 0 and 255",
        f"state it with --input-range {INPUT_RANGE_WORDS}",
    )


def _contradiction(file: FileInput) -> str | None:
    """Says that a file's metadata and its first layers tell different ranges."""
    if file.metadata is None or file.graph is None or file.metadata.is_near(file.graph):
        return None
    said = f"{Path(file.name).name} is fed {file.metadata} {RANGE_SOURCES['metadata']}"
    return f"{said}, but its first layers are made for {file.graph}: one of the two is wrong"


def _integer(
    file: FileInput, integers: InputRange, files: Sequence[FileInput], stated: InputRange | None
) -> DecidedInput:
    twins = [other for other in files if other.integers is None]
    if file.common is not None or not (twins or stated):
        own = file.common or integers
        warning = None
        if stated is not None and not twins and not own.is_near(stated):
            steps = f"{own}, as its {file.dtype} steps are"
            warning = f"{Path(file.name).name} is fed {steps}, and not {stated} as stated"
        return _decided(file, own, "quantization", warning)
    wanted = stated or _float(twins[0], files, None).range
    if integers.is_near(wanted) or not _same_numbers(integers, wanted):
        # Steps of other numbers than the float input's are those behind its first layers, which scaled pixels
        # and are part of the input's quantization.
        return _decided(file, integers, "quantization")
    name, steps = Path(file.name).name, f"its {file.dtype} steps are {integers}"
    warning = (
        f"{name} does not take pixels as they are: {steps}, so it is fed {wanted} rounded to them; "
        "an app must do the same"
    )
    return _decided(file, wanted, "pair" if stated is None else "stated", warning)


def _same_numbers(integers: InputRange, wanted: InputRange) -> bool:
    """Whether an integer input's steps span about the numbers that a float input takes.

    A converter takes the span from images, which may not be bright: half of it will do. Numbers before and
    behind a scaling of pixels are farther apart.
    """
    ends = wanted.ends()
    span = max(high for _, high in ends) - min(low for low, _ in ends)
    low, high = integers.ends()[0]
    return span / 2 <= high - low <= 2 * span


def _decided(
    file: FileInput, known: InputRange, source: RangeSource, warning: str | None = None
) -> DecidedInput:
    height, width, channels = file.shape
    if not {len(known.mean), len(known.std)} <= {1, channels}:
        raise ModelFileError(
            f"input range of model {file.name}", f"{known}", f"one number, or {channels}, as the image has"
        )
    facts = InputFacts(
        height_px=height,
        width_px=width,
        channels=channels,
        mean=known.mean,
        std=known.std,
        range_source=source,
    )
    return DecidedInput(facts=facts, warning=warning)


def _metadata_range(content: bytes, name: str) -> InputRange | None:
    packed, _ = read_metadata(content, name=name)
    if packed is None:
        return None
    try:
        metadata = unpack(ModelMetadata, packed, identifier=FILE_IDENTIFIER)
    except ValueError as error:
        raise ModelFileError(f"metadata of model {name}", str(error), "metadata that can be read") from error
    inputs = [tensor for graph in metadata.subgraph_metadata[:1] for tensor in graph.input_tensor_metadata]
    options = [unit.options for tensor in inputs[:1] for unit in tensor.process_units]
    for option in options:
        if isinstance(option, NormalizationOptions) and option.mean and option.std and all(option.std):
            return InputRange(option.mean, option.std)
    return None
