"""Writing results: refused early, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge_mnv3.core.errors import OutputError
from edge_mnv3.core.special_files import special_kind

STAGING_PREFIX = ".edge-mnv3-"


def check_writable(paths: Sequence[Path], *, force: bool) -> None:
    """Refuses outputs that could not be written, before any long work begins.

    Raises:
        OutputError: A path exists and `force` is off, is a folder, or its folder cannot be written to.
    """
    for path in paths:
        _check_output(path, force=force)


def _check_output(path: Path, *, force: bool) -> None:
    try:
        kind = special_kind(path)
        if path.is_dir() or kind:
            raise OutputError(f"output {path}", f"a {kind or 'folder'} of that name", "a file name")
        if path.exists() and not force:
            raise OutputError(
                f"output {path} exists already", next_step="use --force to overwrite it, or another -o"
            )
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
    except OSError as error:
        raise OutputError(f"output {path}: {_reason(error)}", next_step="use another -o") from error
    if not folder.is_dir():
        raise OutputError(f"output {path}", f"{folder}, which is a file", "a folder")
    try:
        # Only writing shows it: root has all permissions, and file systems such as /proc refuse all the same.
        with tempfile.TemporaryFile(dir=folder, prefix=STAGING_PREFIX):
            pass
    except OSError as error:
        raise OutputError(
            f"output {path}: cannot write in {folder} ({_reason(error)})", next_step="use another -o"
        ) from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def check_apart(
    files: Mapping[str, Path], *, folders: Mapping[str, Path] | None = None, inputs: Sequence[Path] = ()
) -> None:
    """Refuses outputs of which one would overwrite another or an input, or lie in another, by whatever links.

    Args:
        files: Files that will be written, by what errors call them.
        folders: Folders that will be filled; files may lie in them.
        inputs: Files that are read.

    Raises:
        OutputError: Two of them are one; the text names both.
    """
    known = [(name, path, _real(path)) for name, path in files.items()]
    others = known + [(name, path, _real(path)) for name, path in (folders or {}).items()]
    for place, (name, path, real) in enumerate(known):
        for other_name, other, other_real in others[place + 1 :]:
            inside_other = other_name in files and other_real in real.parents
            if _is_same(path, other) or real in other_real.parents or inside_other:
                raise OutputError(
                    f"{name} {path}", f"the path of the {other_name} too ({other})", "a file of its own"
                )
        for given in inputs:
            if _is_same(path, given):
                raise OutputError(f"{name} {path}", "a file that is read", "a file of its own", "use another")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, through links of any kind too."""
    if _real(one) == _real(other):
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


@contextmanager
def staged(paths: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """Yields temporary paths to write to; on success they are renamed to `paths`, else removed.

    The temporary files lie in a folder beside the outputs, so that renaming never copies. Folders that had
    to be made are removed again when the block fails. All paths must lie in one folder.

    Raises:
        OutputError: `check_writable` refused it, or the system refused to write.
    """
    check_writable(paths, force=force)
    target = paths[0].parent
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=target))
    except OSError as error:
        raise OutputError(f"output folder {target}: {error.strerror}") from error
    written = False
    try:
        temporary = [staging / path.name for path in paths]
        yield temporary
        for source, path in zip(temporary, paths, strict=True):
            source.replace(path)
        written = True
    except OSError as error:
        if error.errno is None or (error.filename and not str(error.filename).startswith(str(staging))):
            raise
        raise OutputError(
            f"output folder {target}: {error.strerror}", next_step="free some space or use another -o"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not written:
            for folder in missing:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()


def check_folder_writable(path: Path, *, replaceable: str, force: bool) -> None:
    """Refuses an output folder that could not be written, before any long work begins.

    Args:
        path: The folder.
        replaceable: Name of a file that shows that a folder is an earlier output of the same kind; no other
            folder is ever replaced, unless it is empty.
        force: Replace an earlier output.

    Raises:
        OutputError: It exists and may not be replaced, or its parent cannot be written to.
    """
    earlier = path.is_dir() and (path / replaceable).is_file()
    if path.is_dir() and not earlier and any(path.iterdir()):
        raise OutputError(
            f"output folder {path}",
            f"a folder with other files, without {replaceable}",
            next_step="use another -o",
        )
    if earlier and not force:
        raise OutputError(
            f"output folder {path} exists already", next_step="use --force to replace it, or another -o"
        )
    if path.exists() and not path.is_dir():
        raise OutputError(f"output folder {path}", "a file of that name", "a folder", "use another -o")
    check_writable([path / replaceable], force=True)
    check_writable([path.parent / STAGING_PREFIX], force=True)


@contextmanager
def staged_folder(path: Path, *, replaceable: str, force: bool) -> Iterator[Path]:
    """Yields a temporary folder to fill; on success it becomes `path`, else it is removed.

    Args:
        path: The folder to make.
        replaceable: Name of a file that shows that a folder is an earlier output of the same kind.
        force: Replace an earlier output.

    Raises:
        OutputError: `check_folder_writable` refused it, or the system refused to write.
    """
    check_folder_writable(path, replaceable=replaceable, force=force)
    missing = [folder for folder in path.absolute().parents if not folder.exists()]
    staging = None
    written = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=path.parent))
        filled = staging / path.name
        filled.mkdir()
        yield filled
        if path.exists():
            path.replace(staging / "earlier")
        filled.replace(path)
        written = True
    except OSError as error:
        raise OutputError(f"output folder {path}: {error.strerror}", next_step="use another -o") from error
    finally:
        if staging is not None:
            earlier = staging / "earlier"
            if earlier.exists() and not path.exists():
                earlier.replace(path)
            shutil.rmtree(staging, ignore_errors=True)
        if not written:
            for folder in missing:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()


def check_appendable(path: Path, *, name: str) -> None:
    """Refuses a file that could not be appended to, before any long work begins.

    Args:
        path: The file; it need not exist.
        name: What errors call it.

    Raises:
        OutputError: It is a folder, it or its folder cannot be written to, or it lies in no folder.
    """
    try:
        check_writable([path], force=True)
    except OutputError as error:
        raise OutputError(f"{name}: {error.what}", error.got, error.expected, error.next_step) from error
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise OutputError(f"{name} {path}: no permission to read and write it")


def append_line(path: Path, line: str, *, name: str) -> None:
    """Appends a line to a text file, which is made, with its folder, where there is none.

    It is written by one call, so that programs that append at once do not mix their lines, and is on the
    disk when this returns. A line before it that a crash cut stays as it is, and the new one begins a line.

    Args:
        path: The file.
        line: The text, without a line break.
        name: What errors call the file.

    Raises:
        OutputError: The system refused to write, or wrote a part only.
    """
    content = line.encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if _last_byte(descriptor) not in (b"", b"\n"):
                content = b"\n" + content
            written = os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutputError(f"{name} {path}: {error.strerror}") from error
    if written < len(content):
        raise OutputError(f"{name} {path}: the line was cut", next_step="free some space")


def _last_byte(descriptor: int) -> bytes:
    size_bytes = os.fstat(descriptor).st_size
    if size_bytes == 0:
        return b""
    os.lseek(descriptor, size_bytes - 1, os.SEEK_SET)
    return os.read(descriptor, 1)


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Writes one text file through `staged`."""
    with staged([path], force=force) as (temporary,):
        temporary.write_text(text, encoding="utf-8")
