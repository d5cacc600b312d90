"""Images that are parts of files: a small table of where each lies, and images made of it."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import ImageContent, RemoteContent
from edge_mnv3.core.results.images import CalibrationManifest, ImageShape
from edge_mnv3_calibration_data.archives.remote_files import is_url, tagged
from edge_mnv3_calibration_data.archives.stored_files import StoredFile
from edge_mnv3_calibration_data.decode import decode
from edge_mnv3_calibration_data.listed_images import ImageTable, ListedImage, ListedSource, LoadedImage
from edge_mnv3_calibration_data.packed import Coded, Texts
from edge_mnv3_calibration_data.preprocess import preprocess as apply_preprocess


class Part(NamedTuple):
    """Where an image lies in a file.

    Attributes:
        offset: Where it begins, in bytes, or the first of two numbers that tell its place.
        length: How many bytes it has, or the second one.
        check: What tells that something else lies there now.
    """

    offset: int
    length: int
    check: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartImage(ListedImage):
    """An image that is part of a file.

    Attributes:
        file: The file.
        part: Where it lies there.
    """

    file: StoredFile
    part: Part

    @property
    def content(self) -> ImageContent | None:
        """The part of the file; its bytes tell what it is."""
        path = self.file.path
        return None if path is None else ImageContent(path, part=f"{self.part.offset}+{self.part.length}")

    @property
    def remote(self) -> RemoteContent | None:
        """The part of a file behind a URL."""
        if self.file.path is not None:
            return None
        facts = f"{self.file.size_bytes} bytes; {self.file.facts}"
        part = "+".join(map(str, self.part))
        location, settled = self.file.location, self.file.settled
        return RemoteContent(location, part, facts, settled=settled, tagged=tagged(self.file.facts))

    def still_served(self) -> bool | None:
        """Asks the server about the file."""
        return self.file.still_same()

    @abstractmethod
    def stored(self) -> bytes:
        """Reads the image as it is stored: a JPEG file, for example.

        Raises:
            InputFileError: It cannot be read, or the file is not what it was.
        """

    def part_sha256(self) -> str | None:
        """The hash of what is stored."""
        try:
            return hashlib.sha256(self.stored()).hexdigest()
        except InputFileError:
            return None

    def load(self, *, shape: ImageShape, preprocess: str) -> LoadedImage:
        """Reads the part, decodes and preprocesses it."""
        data = self.stored()
        image = decode(data, name=self.name)
        pixels = apply_preprocess(image, name=preprocess, shape=shape)
        return LoadedImage(pixels, hashlib.sha256(data).hexdigest())


class PartTable(ImageTable):
    """Images in files, in some tens of bytes each."""

    def __init__(self, kind: type[PartImage]) -> None:
        """Makes an empty table of one kind of images."""
        self._kind = kind
        self._files: list[StoredFile] = []
        self._file, self._parts = array("l"), array("q")
        self._names = Texts()
        self._labels, self._label_names = Coded[int | None](), Coded[str | None]()

    def add_file(self, file: StoredFile) -> None:
        """Says which file the next images are in."""
        self._files.append(file)

    def add(self, name: str, part: Part, label: int | None = None, label_name: str | None = None) -> None:
        """Adds an image of the last file.

        Args:
            name: Its name behind that of the file: `/a.jpg` or `[3]`.
            part: Where it lies.
            label: Its class, or None.
            label_name: The name of its class, or None.
        """
        self._file.append(len(self._files) - 1)
        self._parts.extend(part)
        self._names.append(name)
        self._labels.append(label)
        self._label_names.append(label_name)

    def relabel(self, labels: Iterable[tuple[int | None, str | None]]) -> None:
        """Gives every image another label: a number, a name, both or neither."""
        for index, (number, name) in enumerate(labels):
            self._labels[index] = number
            self._label_names[index] = name

    def name(self, index: int) -> str:
        """Name of an image."""
        return f"{self._files[self._file[index]].name}{self._names[index]}"

    def inner_name(self, index: int) -> str:
        """Name of an image behind that of its file."""
        return self._names[index]

    def label(self, index: int) -> int | None:
        """Its class."""
        return self._labels[index]

    def label_name(self, index: int) -> str | None:
        """The name of its class."""
        return self._label_names[index]

    def __len__(self) -> int:
        return len(self._file)

    def at(self, place: int) -> PartImage:
        """An image."""
        return self._kind(
            name=self.name(place),
            label=self._labels[place],
            label_name=self._label_names[place],
            file=self._files[self._file[place]],
            part=Part(*self._parts[3 * place : 3 * place + 3]),
        )


def recall_parts(
    manifest: CalibrationManifest,
    file_of: Callable[[str], str | None],
    open_file: Callable[[str], ListedSource],
) -> Mapping[str, ListedImage | None]:
    """The images of a manifest that are parts of files, each of which is listed once.

    Args:
        manifest: The images.
        file_of: The file that an image's name says it is in, relative to the manifest's root; None where it
            says nothing.
        open_file: Lists the images of such a file.

    Returns:
        Name to image; None for one that is not there any more.

    Raises:
        EdgeMnv3Error: A file cannot be read.
    """
    root = None if manifest.root is None else Path(manifest.root)
    named = {record.file: file_of(record.file) for record in manifest.images}
    wanted: dict[str, str] = {}
    for name, file in named.items():
        # A folder may be called like such a file.
        if file is not None and (is_url(file) or (root is not None and not (root / file).is_dir())):
            wanted[name] = file
    there: dict[str, ListedImage] = {}
    for file in dict.fromkeys(wanted.values()):
        remote = is_url(file) or root is None
        folder = "" if remote else file.rpartition("/")[0]
        for image in open_file(file if remote else str(root / file) if root else file).images:
            there[f"{folder}/{image.name}" if folder else image.name] = image
    return {name: replace(there[name], name=name) if name in there else None for name in wanted}
