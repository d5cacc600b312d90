"""Images that can be listed and read one by one, and samples of them."""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import (
    ImageContent,
    ImageSample,
    ImageSource,
    Pixels,
    RemoteContent,
    SampleRequest,
    check_skipped,
)
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import (
    CalibrationManifest,
    ImageRecord,
    ImageShape,
    SkippedImage,
    UnreadFiles,
)
from edge_mnv3.core.special_files import check_no_special_file
from edge_mnv3_calibration_data.decode import decode, decoder_versions
from edge_mnv3_calibration_data.manifests import manifest_sha256
from edge_mnv3_calibration_data.packed import Rows
from edge_mnv3_calibration_data.pixel_stack import PixelStack
from edge_mnv3_calibration_data.preprocess import preprocess as apply_preprocess
from edge_mnv3_calibration_data.sampling import sample_order

NO_CELLS: Mapping[str, str] = {}
_ASKED_AT_ONCE = 16  # servers
_EMPTY_NAMED = 3  # class folders without images that are named, each with its number


class LoadedImage(NamedTuple):
    """An image as a model takes it.

    Attributes:
        pixels: (rows, columns, channels) uint8, RGB or grey.
        sha256: Hash of the file's bytes, or of the unprocessed pixels where there is no file.
    """

    pixels: Pixels
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListedImage(ABC):
    """An image that may be used.

    Attributes:
        name: For people and manifests, relative to the source's root.
        label: Class, 0-based, or None.
        label_name: Name of the class, or None.
        cells: What a table's other columns say of it.
    """

    name: str
    label: int | None
    label_name: str | None = None
    cells: Mapping[str, str] = field(default_factory=lambda: NO_CELLS)

    @property
    def content(self) -> ImageContent | None:
        """As `ImageSource.content` has it."""
        return None

    @property
    def remote(self) -> RemoteContent | None:
        """As `ImageSource.remote` has it."""
        return None

    def still_served(self) -> bool | None:
        """Whether its file behind a URL is what it was when it was listed; None where that cannot be told."""
        return None

    def part_sha256(self) -> str | None:
        """As `ImageSource.part_sha256` has it."""
        return None

    @abstractmethod
    def load(self, *, shape: ImageShape, preprocess: str) -> LoadedImage:
        """Reads, decodes and preprocesses the image; may be called from several threads.

        Raises:
            InputFileError: It is missing or unreadable, with the reason in `got`.
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileImage(ListedImage):
    """An image file.

    Attributes:
        folder: What its name is relative to; an absolute name is its path.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """Its path."""
        return self.folder / self.name

    @property
    def content(self) -> ImageContent:
        """The file."""
        return ImageContent(self.path)

    def load(self, *, shape: ImageShape, preprocess: str) -> LoadedImage:
        """Reads the file."""
        path = self.path
        check_no_special_file(path, f"image {self.name}")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputFileError(f"image {self.name}", (error.strerror or str(error)).lower()) from error
        image = decode(data, name=self.name)
        pixels = apply_preprocess(image, name=preprocess, shape=shape)
        return LoadedImage(pixels, hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrayImage(ListedImage):
    """An image in memory.

    Attributes:
        unprocessed: (H, W, 3) or (H, W) uint8.
    """

    unprocessed: Pixels

    @property
    def content(self) -> ImageContent:
        """The pixels' hash, and their shape."""
        sha256 = hashlib.sha256(self.unprocessed.tobytes()).hexdigest()
        return ImageContent(None, f"{self.unprocessed.shape} {sha256}")

    def load(self, *, shape: ImageShape, preprocess: str) -> LoadedImage:
        """Preprocesses the array."""
        image = Image.fromarray(self.unprocessed).convert("RGB")
        pixels = apply_preprocess(image, name=preprocess, shape=shape)
        return LoadedImage(pixels, hashlib.sha256(self.unprocessed.tobytes()).hexdigest())


class ImageTable(Rows[ListedImage]):
    """Images of which some facts can be had without making an object of each."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Its name."""

    @abstractmethod
    def label(self, index: int) -> int | None:
        """Its class."""

    @abstractmethod
    def label_name(self, index: int) -> str | None:
        """The name of its class."""

    def content(self, index: int) -> ImageContent | None:
        """As `ImageSource.content` has it."""
        return self.at(index).content

    def remote(self, index: int) -> RemoteContent | None:
        """As `ImageSource.remote` has it."""
        return self.at(index).remote


class HeldImages(ImageTable):
    """Images, an object each."""

    def __init__(self, images: Iterable[ListedImage]) -> None:
        """Takes them."""
        self._images = tuple(images)

    def __len__(self) -> int:
        return len(self._images)

    def at(self, place: int) -> ListedImage:
        """An image."""
        return self._images[place]

    def name(self, index: int) -> str:
        """Its name."""
        return self._images[index].name

    def label(self, index: int) -> int | None:
        """Its class."""
        return self._images[index].label

    def label_name(self, index: int) -> str | None:
        """The name of its class."""
        return self._images[index].label_name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListedSource(ImageSource):
    """A source of which every image is listed.

    Attributes:
        images: Every image, in the source's order.
        class_names: As `ImageSource` has them.
        unread: Files that are not among the images.
        remarks: What the user must know of how they were listed.
        label_map: How the images' class numbers are counted, before `numbered` makes them count from 0; None
            where nothing tells.
        own_numbers: The source numbered its classes itself, in the order of their names.
    """

    images: ImageTable
    class_names: tuple[str, ...] = ()
    unread: tuple[UnreadFiles, ...] = ()
    remarks: tuple[str, ...] = ()
    label_map: LabelMap | None = "zero"
    own_numbers: bool = False

    @property
    def available(self) -> int:
        """Number of images."""
        return len(self.images)

    def name(self, index: int) -> str:
        """Name of an image."""
        return self.images.name(index)

    def label(self, index: int) -> int | None:
        """Class of an image."""
        return self.images.label(index)

    def label_name(self, index: int) -> str | None:
        """Name of an image's class."""
        return self.images.label_name(index)

    @property
    def columns(self) -> tuple[str, ...]:
        """Other columns of a table."""
        return tuple(self.images[0].cells) if self.images else ()

    def cell(self, index: int, column: str) -> str:
        """What one of them says of an image."""
        return self.images[index].cells[column]

    def load(self, index: int, *, shape: ImageShape, preprocess: str) -> Pixels:
        """Reads and preprocesses one image."""
        return self._loaded(index, shape, preprocess).pixels

    def load_hashed(self, index: int, *, shape: ImageShape, preprocess: str) -> tuple[Pixels, str]:
        """Reads and preprocesses one image, and tells its hash."""
        loaded = self._loaded(index, shape, preprocess)
        return loaded.pixels, loaded.sha256

    def _loaded(self, index: int, shape: ImageShape, preprocess: str) -> LoadedImage:
        return self.images[index].load(shape=shape, preprocess=preprocess)

    def part(self, indices: Sequence[int]) -> ListedSource:
        """Some of the images, without what is known of all."""
        images = HeldImages(self.images[index] for index in indices)
        return dataclasses.replace(self, images=images, class_names=(), unread=(), remarks=())

    def content(self, index: int) -> ImageContent | None:
        """What the pixels of an image depend on."""
        return self.images.content(index)

    def remote(self, index: int) -> RemoteContent | None:
        """Where another machine has an image."""
        return self.images.remote(index)

    def still_served(self, indices: Sequence[int]) -> list[bool | None]:
        """Asks the servers of the files of some images, several at once."""
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            return list(pool.map(lambda index: self.images[index].still_served(), indices))

    def part_sha256(self, index: int) -> str | None:
        """The hash of an image's part of a file."""
        return self.images[index].part_sha256()

    @property
    def decoder(self) -> str:
        """Pillow's, and this package's code."""
        return decoder_versions()

    def sample(self, request: SampleRequest, reporter: Reporter = SILENT) -> ImageSample:
        """Takes the first images of the seed's order."""
        wanted = self.sample_size(request.samples)
        pixels = PixelStack()
        records: list[ImageRecord] = []
        skipped: list[SkippedImage] = []
        for index in sample_order(self, seed=request.seed):
            if len(pixels) == wanted:
                break
            image = self.images[index]
            try:
                loaded = image.load(shape=request.shape, preprocess=request.preprocess)
            except InputFileError as error:
                skipped.append(SkippedImage(file=image.name, reason=error.got))
                continue
            pixels.add(loaded.pixels)
            records.append(ImageRecord(file=image.name, sha256=loaded.sha256, label=image.label))
            reporter.progress(len(pixels), wanted)
        check_skipped(skipped, len(pixels) + len(skipped))
        manifest = CalibrationManifest(
            kind=self.kind,
            root=None if self.root is None else str(self.root.resolve()),
            preprocess=request.preprocess,
            input_shape=request.shape,
            seed=request.seed,
            # Where no number is asked for, as many as there are is no less than was asked for.
            requested=len(pixels) if request.samples is None else request.samples,
            available=self.available,
            images=tuple(records),
            skipped=tuple(skipped),
            unread=self.unread,
            sha256=manifest_sha256(request.preprocess, request.shape, records),
        )
        return ImageSample(pixels=pixels.stacked(), manifest=manifest)


def empty_classes(numbers: Mapping[str, int], filled: Collection[str]) -> tuple[str, ...]:
    """Says which class folders hold no image, and that they keep their numbers.

    Args:
        numbers: The number of each class folder.
        filled: Those that hold images.
    """
    empty = [name for name in numbers if name not in filled]
    said = [
        f"the class folder {name} holds no image; it keeps its number {numbers[name]}, as in Keras: remove "
        "it if it is no class"
        for name in empty[:_EMPTY_NAMED]
    ]
    if len(empty) > _EMPTY_NAMED:
        said.append(f"{len(empty)} of {len(numbers)} class folders hold no image, and keep their numbers")
    return tuple(said)
