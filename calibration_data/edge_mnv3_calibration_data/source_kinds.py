"""The kinds of sources: every module of the folder `sources` has one in its `KIND`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import ImageSource, check_labelled, unread_warnings
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3_calibration_data.archives.remote_files import is_url, local_path
from edge_mnv3_calibration_data.image_files import file_kind
from edge_mnv3_calibration_data.label_maps import numbered
from edge_mnv3_calibration_data.listed_images import ListedImage

SOURCES_PACKAGE = "edge_mnv3_calibration_data.sources"


def recall_nothing(manifest: CalibrationManifest) -> Mapping[str, ListedImage | None]:
    """The images of a manifest are files, or of another kind."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """A kind of source.

    Attributes:
        recognizes: Whether a location is of this kind; no location is of two kinds. A text may be a word such
            as `synthetic`, a `Path` is always a path.
        open: Lists the images of such a location. Raises `InputFileError` or `CalibrationDataError`.
        recall: The images among a manifest's that this kind can give again without a file of their name, by
            name; None for one that is not there any more.
        word: Text that stands for the kind's one source, `synthetic` for example; empty for paths.
        suffix: What messages call such files, `.csv` for example; empty for what is no file.
        place: Where `suffix` stands in messages; lower ones come first.
    """

    recognizes: Callable[[str | Path], bool]
    open: Callable[[str | Path], ImageSource]
    recall: Callable[[CalibrationManifest], Mapping[str, ListedImage | None]] = recall_nothing
    word: str = ""
    suffix: str = ""
    place: int = 0


def source_kinds() -> list[SourceKind]:
    """All kinds that there are."""
    package = importlib.import_module(SOURCES_PACKAGE)
    modules = [
        importlib.import_module(f"{SOURCES_PACKAGE}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]
    kinds: list[SourceKind] = [module.KIND for module in modules]
    return sorted(kinds, key=attrgetter("place"))


def is_word(location: str | Path) -> bool:
    """Whether a location is a word for a source, not a path."""
    return any(kind.word == location and kind.recognizes(location) for kind in source_kinds())


def has_suffix(location: str | Path, suffix: str) -> bool:
    """Whether a location is a file with this ending."""
    path = Path(location)
    return path.suffix.lower() == suffix and path.is_file()


def open_images(
    location: str | Path, *, need_labels: bool = False, label_map: LabelMap | None = None
) -> ImageSource:
    """Lists the images of a source; none is decoded yet.

    Args:
        location: The path of a folder, of a `.csv` (columns `file` and, optional, `label`), a `.txt` (a path
            a line), an `.npz` (arrays `images` and, optional, `labels`), the `quantize.json` of an earlier
            run, or a folder of `calibrate`; as a text also the word `synthetic` or `digits`.
            Also a tar, a TFRecord or a Parquet file, a folder or a pattern of them, and as a text their URL.
        need_labels: Refuse a source without labels.
        label_map: How its class numbers are counted: from 0 (`zero`), from 1 (`one`), or as ILSVRC2012_ID of
            ImageNet's development kit (`devkit`); None for what the source tells.

    Raises:
        InputFileError: It does not exist, or cannot be read as what its name says.
        CalibrationDataError: It holds no images, or labels are missing or wrong.
    """
    kinds = source_kinds()
    location = local_path(location)
    kind = next((kind for kind in kinds if kind.recognizes(location)), None)
    if kind is None and is_url(location):
        raise InputFileError(
            f"images {location}",
            "a URL of none of these",
            "the URL of a .tar, a TFRecord or a .parquet, of a folder of them, or a pattern",
            "download other forms",
        )
    if kind is None:
        path = Path(location)
        got, hint = file_kind(path) if path.exists() else ("no such file or folder", "")
        *suffixes, last = (kind.suffix for kind in kinds if kind.suffix)
        raise InputFileError(
            f"images {location}",
            got,
            f"a folder, {', '.join(suffixes)} or {last}",
            hint,
        )
    source = kind.open(location)
    if source.available == 0:
        got = "; ".join(("none", *unread_warnings(source.unread)))
        raise CalibrationDataError(f"images {location}", got, "at least one image")
    source = numbered(source, label_map)
    if need_labels:
        check_labelled(source)
    return source
