"""What of a folder is an image to read, what is left out, and why."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge_mnv3.core.results.images import UnreadFiles

HEIF_EXTRA = "edge-mnv3[heif]"
_HEIF_SUFFIXES = frozenset((".heic", ".heif", ".hif"))
_PILLOW_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff"),
        ".webp",
    )
)
_OTHER_PICTURES = frozenset(
    (
        *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2", ".eps", ".exr", ".hdr", ".ico"),
        *(".j2k", ".jp2", ".jxl", ".pbm", ".pdf", ".pgm", ".pnm", ".psd", ".qoi", ".svg", ".tga"),
    )
)
# What operating systems and tools leave beside images. Names of folders and of files, in lower case.
_SYSTEM_NAMES = frozenset(
    (
        *("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "icon\r"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", ".localized", ".git", ".gitignore"),
        *(".gitattributes", ".gitkeep", ".keep", ".ipynb_checkpoints", ".thumbnails", ".trashes", ".svn"),
        *(".spotlight-v100", ".fseventsd", ".temporaryitems", ".documentrevisions-v100", ".apdisk"),
    )
)
_ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"))
_SHEETS = frozenset((".xls", ".xlsx", ".ods", ".numbers", ".jsonl"))
_APPLE_DOUBLE = "._"
_NAMED = 3


@dataclass(slots=True)
class FolderContents:
    """What lies in a folder, at any depth.

    Attributes:
        images: Names of the images, relative to the folder and with slashes, in the order of their parts.
        subfolders: Names of the folders directly in it that are data, in order: those without images, too.
    """

    images: list[str] = field(default_factory=list)
    subfolders: list[str] = field(default_factory=list)
    _left_out: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def unread(self) -> tuple[UnreadFiles, ...]:
        """What was left out, by kind and reason."""
        return tuple(
            UnreadFiles(kind=kind, reason=reason, count=len(names), files=tuple(sorted(names)[:_NAMED]))
            for (kind, reason), names in sorted(self._left_out.items())
        )

    def leave_out(self, kind: str, reason: str, name: str) -> None:
        """Notes what is not read."""
        # One kind, however its ending is written.
        same = next((key for key in self._left_out if key[0].lower() == kind.lower()), (kind, reason))
        self._left_out.setdefault(same, []).append(name)


def heif_is_readable() -> bool:
    """Whether the extra that decodes HEIC is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def is_image_name(name: str) -> bool:
    """Whether a name ends like that of an image, readable here or not."""
    return Path(name).suffix.lower() in _PILLOW_SUFFIXES | _HEIF_SUFFIXES


def is_companion(name: str) -> bool:
    """Whether a file or folder is no data but what a system or tool puts beside it, such as `._a.jpg`."""
    return name.startswith(_APPLE_DOUBLE) or name.lower() in _SYSTEM_NAMES


def file_kind(path: Path) -> tuple[str, str]:
    """What a file is that is no source of images, and what to give instead; empty where nothing is plain."""
    suffix = path.suffix.lower()
    if suffix in _PILLOW_SUFFIXES | _HEIF_SUFFIXES | _OTHER_PICTURES:
        return "one image", "give the folder that it lies in, or a .txt with its name"
    if suffix in _ARCHIVES:
        return (
            f"an archive of type '{path.suffix}'",
            "unpack it and give the folder, or make a plain .tar of it",
        )
    if suffix in _SHEETS:
        return f"a table of type '{path.suffix}'", "save it as .csv"
    return f"a file of type '{path.suffix}'", ""


def is_there(path: Path) -> bool:
    """Whether a path leads to something; one that the system cannot take does not."""
    try:
        return path.exists()
    except OSError:
        return False


def list_folder(folder: Path) -> FolderContents:
    """Looks at everything in a folder.

    Companions are passed over. Links are followed, but not back to a folder that they lie in. Hidden folders
    and files, files that are no images, and links to nothing are counted.

    Raises:
        OSError: The folder itself cannot be opened.
    """
    contents = FolderContents()
    os.scandir(folder).close()
    _look(folder, "", (_identity(folder),), contents)
    contents.images.sort(key=lambda name: name.replace("/", "\0"))  # which no name has, and is below all else
    contents.subfolders.sort()
    return contents


def _look(folder: Path, name: str, above: tuple[tuple[int, int], ...], contents: FolderContents) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        contents.leave_out("closed folder", (error.strerror or str(error)).lower(), name or ".")
        return
    for entry in _data(entries, name, contents):
        path = _joined(name, entry.name)
        if not entry.is_dir():
            _note_file(entry, path, contents)
            continue
        identity = _identity(Path(entry.path))
        if identity in above:
            contents.leave_out("circular link", "back to a folder above", path)
            continue
        if not name:
            contents.subfolders.append(entry.name)
        _look(Path(entry.path), path, (*above, identity), contents)


def _data(
    entries: Iterable[os.DirEntry[str]], name: str, contents: FolderContents
) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        if is_companion(entry.name):
            continue
        if entry.name.startswith("."):
            kind = "hidden folder" if entry.is_dir() else "hidden file"
            contents.leave_out(kind, "a name that begins with a dot is no data", _joined(name, entry.name))
        elif not is_there(Path(entry.path)):
            contents.leave_out("broken link", "there is nothing at the other end", _joined(name, entry.name))
        else:
            yield entry


def _note_file(entry: os.DirEntry[str], name: str, contents: FolderContents) -> None:
    written = Path(entry.name).suffix
    suffix = written.lower()
    if suffix in _PILLOW_SUFFIXES or (suffix in _HEIF_SUFFIXES and heif_is_readable()):
        if entry.is_file():
            contents.images.append(name)
        else:
            contents.leave_out("special file", "no regular file", name)
    elif suffix in _HEIF_SUFFIXES:
        contents.leave_out(f"{written} file", f"convert them or install {HEIF_EXTRA}", name)
    elif suffix in _OTHER_PICTURES:
        contents.leave_out(f"{written} file", "convert them to PNG or JPEG", name)
    elif suffix:
        contents.leave_out(f"{written} file", "no image format", name)
    else:
        contents.leave_out("file", "no ending that tells of an image", name)


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
