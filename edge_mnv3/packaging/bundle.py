"""A bundle's files: written whole as a folder or a zip, and read without trust."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from edge_mnv3.core.errors import BundleError, InputFileError
from edge_mnv3.core.outputs import check_folder_writable, check_writable, staged, staged_folder
from edge_mnv3.core.special_files import special_kind
from edge_mnv3.core.stored_zip import DAMAGED_ZIP, write_entries
from edge_mnv3.packaging.manifest import MANIFEST_FILE

_ENCRYPTED = 1


class BundleFiles(NamedTuple):
    """What a bundle holds.

    Attributes:
        files: Path, with `/`, to content.
        zip_content: Content of the zip; None for a folder.
    """

    files: dict[str, bytes]
    zip_content: bytes | None


def check_output(path: Path, *, as_zip: bool, force: bool) -> None:
    """Refuses an output that could not be written, before any work.

    Raises:
        OutputError: It exists and may not be replaced, or cannot be written to.
    """
    if as_zip:
        check_writable([path], force=force)
    else:
        check_folder_writable(path, replaceable=MANIFEST_FILE, force=force)


def write_bundle(path: Path, files: Mapping[str, bytes], *, as_zip: bool, force: bool) -> None:
    """Writes a bundle whole or not at all.

    Raises:
        OutputError: `check_output` refused it, or the system refused to write.
    """
    if as_zip:
        with staged([path], force=force) as (temporary,):
            temporary.write_bytes(zip_bundle(files))
        return
    with staged_folder(path, replaceable=MANIFEST_FILE, force=force) as folder:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def zip_bundle(files: Mapping[str, bytes]) -> bytes:
    """Returns a zip whose bytes depend on the files only."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        write_entries(opened, {name: files[name] for name in sorted(files)})
    return archive.getvalue()


def read_bundle(path: Path) -> BundleFiles:
    """Reads a bundle into memory; nothing is unpacked to disk.

    Raises:
        InputFileError: There is no such folder or file.
        BundleError: It is no bundle, or a damaged or hostile one.
    """
    if path.is_dir():
        return BundleFiles(_read_folder(path), None)
    if not path.is_file():
        raise InputFileError(f"bundle {path}", "no such folder or file", "what edge-mnv3 package wrote")
    return read_zip(path.read_bytes())


def read_zip(content: bytes) -> BundleFiles:
    """Reads a zipped bundle.

    Raises:
        BundleError: It is no bundle, or a damaged or hostile one.
    """
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                _check_entry(info, files)
                files[info.filename] = archive.read(info)
    except DAMAGED_ZIP as error:
        raise BundleError("the zip archive is damaged", " ".join(str(error).split())) from error
    return BundleFiles(files, content)


def check_container(bundle: BundleFiles) -> None:
    """Compares a zip with the one that packaging would write of its files.

    Raises:
        BundleError: A byte differs, such as in a time or in a name's second copy.
    """
    if bundle.zip_content is None:
        return
    expected = zip_bundle(bundle.files)
    if expected != bundle.zip_content:
        pairs = zip(expected, bundle.zip_content, strict=False)
        first = next(
            (at for at, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(bundle.zip_content))
        )
        raise BundleError(f"the zip archive differs at byte {first} from the one that packaging writes")


def _read_folder(folder: Path) -> dict[str, bytes]:
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise BundleError(f"{name} is a link", expected="a file")
        if path.is_dir():
            continue
        kind = special_kind(path)
        if kind is not None:
            raise BundleError(f"{name} is a {kind}", expected="a file")
        try:
            files[name] = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{name} cannot be read: {error.strerror}") from error
    return files


def _check_entry(info: zipfile.ZipInfo, seen: Mapping[str, bytes]) -> None:
    name = info.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or str(path) != name:
        raise BundleError(f"the zip archive holds '{name}'", expected="paths inside the bundle only")
    if name in seen:
        raise BundleError(f"the zip archive holds '{name}' twice")
    if info.flag_bits & _ENCRYPTED or info.compress_type != zipfile.ZIP_STORED:
        raise BundleError(
            f"the zip archive holds '{name}' compressed or encrypted", expected="stored, as packaging writes"
        )
