"""Image files that a folder, a table or a list names, in some tens of bytes beside their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edge_mnv3.core.images import ImageContent
from edge_mnv3_calibration_data.listed_images import NO_CELLS, FileImage, ImageTable
from edge_mnv3_calibration_data.packed import Coded, Texts

NO_COLUMNS: Mapping[str, Sequence[str]] = {}


class FileTable(ImageTable):
    """Image files; there may be millions."""

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        labels: Iterable[int | None],
        label_names: Iterable[str | None],
        cells: Mapping[str, Sequence[str]] = NO_COLUMNS,
    ) -> None:
        """Takes what is known of them, in their order.

        Args:
            folder: What names are relative to.
            names: Of the files.
            labels: Their classes, 0-based.
            label_names: Names of their classes.
            cells: A table's other columns.
        """
        self._folder = folder
        self._names = names if isinstance(names, Texts) else Texts(names)
        self._labels = labels if isinstance(labels, Coded) else Coded(labels)
        self._label_names = label_names if isinstance(label_names, Coded) else Coded(label_names)
        self._cells = cells

    def __len__(self) -> int:
        return len(self._names)

    def at(self, place: int) -> FileImage:
        """An image."""
        cells = {column: texts[place] for column, texts in self._cells.items()} if self._cells else NO_CELLS
        return FileImage(
            name=self._names[place],
            label=self._labels[place],
            label_name=self._label_names[place],
            cells=cells,
            folder=self._folder,
        )

    def content(self, index: int) -> ImageContent:
        """The file."""
        return ImageContent(self._folder / self._names[index])

    def remote(self, index: int) -> None:
        """It is on this machine."""

    def name(self, index: int) -> str:
        """Its name."""
        return self._names[index]

    def label(self, index: int) -> int | None:
        """Its class."""
        return self._labels[index]

    def label_name(self, index: int) -> str | None:
        """The name of its class."""
        return self._label_names[index]
