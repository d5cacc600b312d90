"""Where images come from: a folder, a CSV, a text list, an `.npz`, an earlier run's manifest."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import CalibrationDataError, EdgeMnv3Error, InputFileError
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.results.json_format import from_json

IMAGE_SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An image that may be used.

    Attributes:
        file: Name for people and manifests, relative to the source's root.
        label: Class, 0-based, or None.
        path: The file; None for an image of an `.npz`.
        pixels: (H, W, 3) or (H, W) uint8 for an image of an `.npz`, else None.
        sha256: What the manifest says its hash must be, or None.
    """

    file: str
    label: int | None
    path: Path | None = None
    pixels: npt.NDArray[np.uint8] | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """All images of a folder, CSV, list, `.npz` or manifest.

    Attributes:
        kind: `folder`, `csv`, `list`, `npz` or `manifest`.
        root: What `items[].file` is relative to.
        manifest: The manifest itself where `kind` says so.
    """

    kind: str
    root: Path
    items: tuple[Item, ...]
    manifest: CalibrationManifest | None = None


def open_source(path: Path, *, need_labels: bool = False) -> Source:
    """Lists the images of a source; none is decoded yet.

    A folder is searched with its subfolders. If it has at least two and every image lies in one of them, the
    subfolders are classes, numbered in the order of their names.

    Args:
        path: A folder, `.csv` (columns `file` and, optional, `label`), `.txt` (a path a line), `.npz` (arrays
            `images` and, optional, `labels`), or the `quantize.json` of an earlier run.
        need_labels: Refuse a source without labels.

    Raises:
        InputFileError: It does not exist, or cannot be read as what its name says.
        CalibrationDataError: It holds no images, or labels are missing or wrong.
    """
    if path.is_dir():
        source = _open_folder(path)
    elif not path.exists():
        raise InputFileError(
            f"images {path}", "no such file or folder", "a folder, .csv, .txt, .npz or .json"
        )
    elif path.suffix.lower() in _READERS:
        source = _READERS[path.suffix.lower()](path)
    else:
        raise InputFileError(
            f"images {path}", f"a file of type '{path.suffix}'", "a folder, .csv, .txt, .npz or .json"
        )
    if not source.items:
        raise CalibrationDataError(f"images {path}", "none", "at least one image")
    if need_labels and any(item.label is None for item in source.items):
        raise CalibrationDataError(
            f"images {path}",
            "images without labels",
            "a label for each",
            "use a CSV with columns file,label or a folder with one subfolder a class",
        )
    return source


def read_manifest(path: Path) -> CalibrationManifest:
    """Reads a calibration manifest: a file of its own, or the part `calibration` of a `quantize.json`.

    Raises:
        InputFileError: It is neither.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and "calibration" in data:
            data = data["calibration"]
        return from_json(CalibrationManifest, json.dumps(data))
    except ValueError as error:
        raise InputFileError(f"manifest {path}", str(error), "the quantize.json of an earlier run") from error


def _open_folder(folder: Path) -> Source:
    files = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    relative = [path.relative_to(folder) for path in files]
    classes = sorted({path.parts[0] for path in relative if len(path.parts) > 1})
    labelled = len(classes) > 1 and all(len(path.parts) > 1 for path in relative)
    items = tuple(
        Item(file=name.as_posix(), path=path, label=classes.index(name.parts[0]) if labelled else None)
        for path, name in zip(files, relative, strict=True)
    )
    return Source(kind="folder", root=folder, items=items)


def _open_csv(path: Path) -> Source:
    items = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "file" not in columns:
                raise InputFileError(
                    f"CSV {path}",
                    f"columns {', '.join(columns) or 'none'}",
                    "the columns file and, if known, label",
                )
            for row in reader:
                if row["file"]:
                    label = _label(row["label"], path, reader.line_num) if "label" in columns else None
                    items.append(Item(file=row["file"], label=label, path=path.parent / row["file"]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(f"CSV {path}", str(error), "UTF-8 text") from error
    return Source(kind="csv", root=path.parent, items=tuple(items))


def _label(text: str | None, path: Path, line: int) -> int:
    try:
        label = int(text or "")
    except ValueError:
        label = -1
    if label < 0:
        raise CalibrationDataError(f"label in {path}, line {line}", repr(text), "a class number from 0 on")
    return label


def _open_list(path: Path) -> Source:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputFileError(f"list {path}", str(error), "UTF-8 text, a path a line") from error
    names = [line for line in lines if line and not line.startswith("#")]
    items = tuple(Item(file=name, label=None, path=path.parent / name) for name in names)
    return Source(kind="list", root=path.parent, items=items)


def _open_npz(path: Path) -> Source:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in ("images", "labels")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputFileError(f"archive {path}", str(error), "an .npz file with an array 'images'") from error
    images, labels = arrays.get("images"), arrays.get("labels")
    if images is None:
        raise InputFileError(f"archive {path}", "no array 'images'", "images of shape (N, H, W, 3), uint8")
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)):
        raise InputFileError(
            f"archive {path}",
            f"images of shape {images.shape}, {images.dtype}",
            "(N, H, W, 3) or (N, H, W), uint8",
        )
    wanted: list[Any] = [None] * len(images)
    if labels is not None:
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or (labels < 0).any():
            raise CalibrationDataError(
                f"labels in {path}",
                f"shape {labels.shape}, {labels.dtype}",
                f"{len(images)} integers from 0 on",
            )
        wanted = [int(label) for label in labels]
    items = tuple(
        Item(file=f"{path.name}[{index}]", label=label, pixels=image)
        for index, (image, label) in enumerate(zip(images, wanted, strict=True))
    )
    return Source(kind="npz", root=path.parent, items=items)


def _open_manifest(path: Path) -> Source:
    manifest = read_manifest(path)
    if manifest.root is None:
        return Source(kind="manifest", root=path.parent, items=_synthetic_items(manifest), manifest=manifest)
    root = Path(manifest.root)
    archives: dict[str, dict[str, Item]] = {}
    items = []
    for record in manifest.images:
        item = Item(file=record.file, label=record.label, path=root / record.file, sha256=record.sha256)
        archive = record.file.rpartition("[")[0]
        if manifest.images and archive.endswith(".npz"):
            if archive not in archives:
                archives[archive] = {
                    f"{archive}[{index}]": inner
                    for index, inner in enumerate(_npz_of_manifest(root / archive, path).items)
                }
            inner = archives[archive].get(record.file)
            if inner is None:
                raise CalibrationDataError(f"manifest {path}: {record.file} is not there any more")
            item = Item(file=record.file, label=record.label, pixels=inner.pixels, sha256=record.sha256)
        items.append(item)
    return Source(kind="manifest", root=root, items=tuple(items), manifest=manifest)


def _npz_of_manifest(archive: Path, manifest: Path) -> Source:
    try:
        return _open_npz(archive)
    except EdgeMnv3Error as error:
        raise CalibrationDataError(f"manifest {manifest}: {error}") from error


def _synthetic_items(manifest: CalibrationManifest) -> tuple[Item, ...]:
    return tuple(Item(file=record.file, label=None, sha256=record.sha256) for record in manifest.images)


_READERS = {".csv": _open_csv, ".txt": _open_list, ".npz": _open_npz, ".json": _open_manifest}
