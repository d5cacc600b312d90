"""Images, wherever they come from: what calibration, validation, diagnosis and packaging ask of a source.

The implementations are in `edge_mnv3_calibration_data.sources`; whatever needs images takes an `ImageSource`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from edge_mnv3.core.choices import (
    CALIBRATION_SAMPLES,
    DEFAULT_PREPROCESS,
    DIGITS,
    MADE_CALIBRATION_SAMPLES,
    SYNTHETIC,
)
from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import CalibrationManifest, ImageShape, SkippedImage, UnreadFiles

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Pixels: TypeAlias = "npt.NDArray[np.uint8]"  # RGB, 0..255, of the shape that is told where it stands
# One broken file is no reason to stop, and of many images a few are. More of them say that something is wrong
# with the source, and what is left may no longer stand for it.
MAX_SKIPPED_PERCENT = 5
_NAMED_SKIPPED = 3
_COLUMNS_SHOWN = 8
NO_MEMORY = "too large for the memory that is left"  # why an image is left out
_THEMSELVES = "the images themselves, as a folder or a list"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """Which of a source's images to take, and what to make of them.

    A manifest or a stored calibration is a sample already: it is taken whole, with the seed and the
    preprocessing that it was made with, unless `shorten_recorded` is set.

    Attributes:
        shape: Shape of the model's input.
        samples: Number of images; all are taken if there are fewer. None for the source's `default_samples`.
        seed: Decides which images are drawn, or what the generator of synthetic ones makes.
        preprocess: Key of `PREPROCESSES`.
        shorten_recorded: Take the first `samples` images of a recorded sample, at any size.
    """

    shape: ImageShape
    samples: int | None = None
    seed: int = 0
    preprocess: str = DEFAULT_PREPROCESS
    shorten_recorded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSample:
    """Images that were read.

    Attributes:
        pixels: (N, rows, columns, channels) uint8, RGB or grey.
        manifest: Which images they are, in this order.
    """

    pixels: Pixels
    manifest: CalibrationManifest

    @property
    def synthetic(self) -> bool:
        """Whether the images were made by the generator."""
        return self.manifest.kind == SYNTHETIC


class ImageContent(NamedTuple):
    """What the pixels of an image depend on, other than shape, preprocessing and decoder.

    Attributes:
        path: The file whose bytes are decoded; None where there is none.
        tag: What else tells them: a hash of pixels in memory, or the hash that a manifest demands.
        part: Which part of the file, if not all of it.
    """

    path: Path | None
    tag: str = ""
    part: str = ""


class RemoteContent(NamedTuple):
    """Where another machine has the bytes of an image.

    Attributes:
        url: The file's URL.
        part: Which part of the file.
        facts: What its server says that changes with the file.
        settled: The facts surely change with the bytes, and so stand for them.
        tagged: A strong ETag or a generation is among the facts.
    """

    url: str
    part: str
    facts: str
    settled: bool
    tagged: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSource(ABC):
    """Where images come from. Nothing is decoded before it is asked for.

    Attributes:
        kind: What manifests say of the images: `folder`, `csv`, `npz`, `synthetic`, `merged` and so on.
        location: Where they come from, in the user's words.
        root: What the images' names are relative to; None where there are no files.
    """

    kind: str
    location: str
    root: Path | None

    @property
    def synthetic(self) -> bool:
        """Whether the images are made by the generator."""
        return self.kind == SYNTHETIC

    @property
    @abstractmethod
    def available(self) -> int | None:
        """Number of images; None where it has no end."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Name of an image for people and manifests, relative to `root`."""

    @abstractmethod
    def label(self, index: int) -> int | None:
        """Class of an image, 0-based; None where it is not known by a number."""

    def label_name(self, index: int) -> str | None:
        """Name of an image's class, as a folder or a table gives it; None where it has none.

        An image may have a name only, a number only, both, or neither.
        """
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of a table's other columns than those of files and labels; empty where there is no table."""
        return ()

    def cell(self, index: int, column: str) -> str:
        """What one of `columns` says of an image, less blanks around it.

        Raises:
            KeyError: There is no such column.
        """
        raise KeyError(column)

    @abstractmethod
    def load(self, index: int, *, shape: ImageShape, preprocess: str) -> Pixels:
        """Decodes and preprocesses one image; may be called from several threads.

        Args:
            index: Number of the image, from 0 on, below `available`.
            shape: Shape of the model's input. Grey is the luminance of ITU-R 601, as Pillow's mode L has it.
            preprocess: Key of `PREPROCESSES`; see `applied_preprocess`.

        Returns:
            (rows, columns, channels) uint8, RGB or grey.

        Raises:
            InputFileError: It is missing or unreadable, with the reason in `got`, or differs from its
                manifest.
        """

    def load_hashed(self, index: int, *, shape: ImageShape, preprocess: str) -> tuple[Pixels, str | None]:
        """Does as `load`, and tells the SHA-256 of the bytes of the file of `content` that were decoded.

        Returns:
            The pixels, and the hash in hexadecimal; None where the source does not tell it.

        Raises:
            InputFileError: As `load` does.
        """
        return self.load(index, shape=shape, preprocess=preprocess), None

    def part(self, indices: Sequence[int]) -> ImageSource | None:
        """Some of the images as a source that can be sent to another process; None where that cannot be.

        Args:
            indices: Which images; the first of them is image 0 of the part.
        """
        return None

    def content(self, index: int) -> ImageContent | None:
        """What the pixels of an image depend on; None where nothing tells."""
        return None

    def remote(self, index: int) -> RemoteContent | None:
        """Where another machine has an image, of which `content` tells nothing; None where none has it."""
        return None

    def still_served(self, indices: Sequence[int]) -> list[bool | None]:
        """Asks servers about the files of images that are `remote`, once for each image that is given.

        Returns:
            Whether each is what it was when it was listed; None where that cannot be told.
        """
        return [None] * len(indices)

    def part_sha256(self, index: int) -> str | None:
        """SHA-256 of the stored bytes of an image whose content is part of a file; None where unreadable."""
        return None

    @property
    def decoder(self) -> str:
        """What turns files into pixels, with versions and a hash of our own code; empty where unknown."""
        return ""

    @abstractmethod
    def sample(self, request: SampleRequest, reporter: Reporter = SILENT) -> ImageSample:
        """Reads a sample; unreadable images are replaced by the next ones and named in the manifest.

        Raises:
            CalibrationDataError: No image can be read, or too many cannot (`check_skipped`), the shape is
                not that of a recorded sample, or its images are not what they were.
        """

    @property
    def default_samples(self) -> int:
        """How many images a sample has at most where no number is given."""
        return MADE_CALIBRATION_SAMPLES if self.kind in (SYNTHETIC, DIGITS) else CALIBRATION_SAMPLES

    def sample_size(self, samples: int | None) -> int:
        """How many images a sample has if all can be read; None asks for `default_samples`."""
        if self.recorded is not None:
            return len(self.recorded.images)
        wanted = self.default_samples if samples is None else samples
        return wanted if self.available is None else min(wanted, self.available)

    def applied_preprocess(self, preprocess: str) -> str:
        """The preprocessing that `load` really applies: pixels that are stored or made have theirs."""
        return preprocess

    @property
    def recorded(self) -> CalibrationManifest | None:
        """What is known of the images where the source is a sample already; None where samples are drawn."""
        return None

    @property
    def description(self) -> str:
        """What messages call the source."""
        return f"images {self.location}"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by their number, where the source itself numbers them; else empty."""
        return ()

    @property
    def unread(self) -> tuple[UnreadFiles, ...]:
        """Files among the images that were not taken for images."""
        return ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user must know of how the images were listed, other than `unread`; a line each."""
        return ()

    def check_shape(self, shape: ImageShape) -> None:
        """Refuses early a recorded sample of another shape than the model's.

        Raises:
            CalibrationDataError: With both shapes.
        """
        if self.recorded is None or self.recorded.input_shape == shape:
            return
        theirs = self.recorded.input_shape
        both_square = theirs.side_px and shape.side_px and theirs.channels == shape.channels
        raise CalibrationDataError(
            self.description,
            f"images of {theirs.text}",
            shape.text,
            f"use --input-size {theirs.side_px} where the network is built, or give {_THEMSELVES}"
            if both_square
            else f"give {_THEMSELVES}",
        )

    def labels(self) -> list[int | None]:
        """The classes of all images in their order; empty where there is no end."""
        return [self.label(index) for index in range(self.available or 0)]

    def label_names(self) -> list[str | None]:
        """The names of the classes of all images in their order; empty where there is no end."""
        return [self.label_name(index) for index in range(self.available or 0)]


def foreign_labels(source: ImageSource, *, classes: int | None) -> tuple[str, ...]:
    """Says that calibration images are labelled for other classes than a network's, which changes nothing.

    Args:
        source: Images, with or without labels.
        classes: Outputs of the network; None where they are no scores of classes.

    Returns:
        One remark with an image and its label; none where all labels fit.
    """
    for index, label in enumerate(source.labels()):
        if label is not None and classes is not None and not 0 <= label < classes:
            return (
                f"{source.description}: {source.name(index)} has the label {label}, and the model's classes "
                f"are 0 to {classes - 1}; calibration takes images whatever their labels, so that this "
                "changes nothing if they are such as the model will see",
            )
    return ()


def check_labelled(source: ImageSource) -> None:
    """Refuses a source in which an image has no label.

    Raises:
        CalibrationDataError: Telling what to give instead.
    """
    if source.available is not None and None not in source.labels():
        return
    shown = ", ".join(source.columns[:_COLUMNS_SHOWN])
    more = " …" if len(source.columns) > _COLUMNS_SHOWN else ""
    columns = (f"no column label, but {shown}{more}",) if source.columns else ()
    got = "; ".join(("images without labels", *columns, *source.remarks))
    names = source.label_names()
    without = sum(name is None for name in names)
    named = next((name for name in names if name is not None), None)
    if named is not None and without:
        got = f"{without} of {len(names)} images without a label; others have one, such as {named!r}"
    elif named is not None:
        got = f"labels that are names, such as {named!r}, and no numbers"
    raise CalibrationDataError(
        source.description,
        got,
        "a label for each",
        "use a CSV with columns file,label or a folder with one subfolder a class",
    )


def check_skipped(skipped: Sequence[SkippedImage], total: int) -> None:
    """Refuses a set of images of which more than one, and more than 5 %, cannot be read, or none can.

    Raises:
        CalibrationDataError: With the count and the first files and reasons.
    """
    count = len(skipped)
    too_many = count > 1 and 100 * count > MAX_SKIPPED_PERCENT * total
    if not too_many and (count < total or not total):
        return
    named = "; ".join(f"{image.file}: {image.reason}" for image in skipped[:_NAMED_SKIPPED])
    more = f" and {count - _NAMED_SKIPPED} more" if count > _NAMED_SKIPPED else ""
    share = f", more than {MAX_SKIPPED_PERCENT} %" if too_many else ""
    raise CalibrationDataError(
        f"{count} of {total} images cannot be read{share}",
        f"{named}{more}",
        next_step="mend them, or take them out",
    )


def skipped_warnings(skipped: Sequence[SkippedImage]) -> tuple[str, ...]:
    """Names each image that was left out, with the reason."""
    return tuple(" ".join(f"{image.file} was left out: {image.reason}".split()) for image in skipped)


def manifest_warnings(manifest: CalibrationManifest) -> tuple[str, ...]:
    """What the user must know of a sample: too few images, images and other files that were left out."""
    count = len(manifest.images)
    too_few = f"{manifest.requested} calibration images were asked for, {count} are there"
    return (
        *([too_few] if count < manifest.requested else []),
        *skipped_warnings(manifest.skipped),
        *unread_warnings(manifest.unread),
    )


def unread_warnings(unread: Sequence[UnreadFiles]) -> tuple[str, ...]:
    """Says of each kind of files how many were not read, and why."""
    return tuple(files.text for files in unread)
