"""Images in a folder and its subfolders, which may be classes."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3_calibration_data.listed_images import FileImage, ListedSource
from edge_mnv3_calibration_data.source_kinds import SourceKind
from edge_mnv3_calibration_data.sources.stored import is_stored

IMAGE_SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))


def is_image_folder(location: str | Path) -> bool:
    """Whether a location is a folder that is no stored calibration."""
    return Path(location).is_dir() and not is_stored(location)


def open_folder(location: str | Path) -> ListedSource:
    """Lists the images of a folder with its subfolders.

    If it has at least two subfolders and every image lies in one of them, they are classes, numbered in the
    order of their names.
    """
    folder = Path(location)
    files = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    names = [path.relative_to(folder) for path in files]
    classes = sorted({name.parts[0] for name in names if len(name.parts) > 1})
    labelled = len(classes) > 1 and all(len(name.parts) > 1 for name in names)
    images = tuple(
        FileImage(name=name.as_posix(), path=path, label=classes.index(name.parts[0]) if labelled else None)
        for path, name in zip(files, names, strict=True)
    )
    return ListedSource(kind="folder", location=str(location), root=folder, images=images)


KIND = SourceKind(recognizes=is_image_folder, open=open_folder)
