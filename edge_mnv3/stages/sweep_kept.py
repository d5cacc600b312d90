"""What a sweep has done already: found by keys over all that it depends on, and by hashes of its files."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path

from edge_mnv3.core.cache import cache_key
from edge_mnv3.core.choices import IMAGENET_WEIGHTS
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.hashing import sha256_file, sha256_folder
from edge_mnv3.core.owned_folders import check_owned_folder, owned_folder
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.versions import versions
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.done_file import DONE_FILE, read_done, write_done
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.sweep_request import GridPoint

MARK_FILE = ".sweep"  # tells the folder of a sweep from others, and is locked by the one that writes in it
_CODE = ("edge_mnv3", "edge_mnv3_calibration_data", "edge_mnv3_quantization", "edge_mnv3_android_bench")
_CODE_SUFFIXES = (".py", ".toml", ".h5")
# What a request has that its files do not depend on; the images are told by what they hold.
_WITHOUT = ("output_dir", "force", "use_cache", "calibration")

VALIDATE_FILE = "validate.json"


def code_sha256() -> str:
    """Returns a hash over this program: a checkout that is worked on keeps its version, but not its code."""
    digest = sha256()
    for package in _CODE:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations if spec else None) or ():
            files = (path for path in Path(place).rglob("*") if path.suffix in _CODE_SUFFIXES)
            for path in sorted(files):
                digest.update(f"{path.relative_to(place).as_posix()} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def network_sha256(graph: GraphRequest | ModelRequest) -> str:
    """Returns a hash over a network's weights or whole model.

    Raises:
        InputFileError: They cannot be read.
    """
    path = Path(graph.weights if isinstance(graph, GraphRequest) else graph.path)
    if isinstance(graph, GraphRequest) and graph.weights == IMAGENET_WEIGHTS:
        return IMAGENET_WEIGHTS  # their hashes are in the code
    what, wanted = ("weights", "a weights file") if isinstance(graph, GraphRequest) else ("model", "a model")
    try:
        return sha256_folder(path) if path.is_dir() else sha256_file(path)
    except OSError as error:
        raise InputFileError(f"{what} {path}", why_unreadable(path, error), wanted) from error


def quantize_key(point: GridPoint, network: str, calibration: str, code: str) -> str:
    """Returns the key of a point's files.

    Args:
        point: The point.
        network: What `network_sha256` gave.
        calibration: What its calibration images hold.
        code: What `code_sha256` gave.
    """
    fields = [field.name for field in dataclasses.fields(point.request) if field.name not in _WITHOUT]
    return cache_key(
        "point of a sweep",
        {
            "request": {name: repr(getattr(point.request, name)) for name in fields},
            "network": network,
            "calibration": calibration,
            "versions": versions(),
            "code": code,
        },
    )


class Done:
    """The steps of one point that are done, in a file of its folder.

    A step counts as done if it has the same key, and all files that it made are what they were.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, step: str, key: str | None) -> bool:
        """Whether a step is done; never where there is no key."""
        noted = read_done(self._folder).get(step)
        if key is None or not isinstance(noted, dict) or noted.get("key") != key:
            return False
        files = noted.get("files")
        try:
            return isinstance(files, dict) and all(
                sha256_file(self._folder / name) == known for name, known in files.items()
            )
        except OSError:
            return False

    def note(self, step: str, key: str | None, files: Sequence[Path]) -> None:
        """Notes that a step is done, and the files that it made."""
        noted = {"key": key, "files": {path.name: sha256_file(path) for path in files}}
        write_done(self._folder, {**read_done(self._folder), step: noted})

    def forget(self) -> None:
        """Begins anew: removes the files of all steps, so that a point that fails leaves none of another."""
        for noted in read_done(self._folder).values():
            for name in noted.get("files", ()) if isinstance(noted, dict) else ():
                (self._folder / Path(name).name).unlink(missing_ok=True)
        (self._folder / VALIDATE_FILE).unlink(missing_ok=True)  # made again each time, and so not noted
        (self._folder / DONE_FILE).unlink(missing_ok=True)


def check_sweep_folder(folder: Path) -> None:
    """Refuses a folder that is neither new nor empty nor of an earlier sweep.

    Raises:
        OutputError: It is another one, or cannot be written to.
    """
    check_owned_folder(folder, mark=MARK_FILE, kind="sweep")


def sweep_folder(folder: Path) -> AbstractContextManager[None]:
    """Makes a sweep's folder, and keeps other sweeps out of it for the time of a block.

    Raises:
        OutputError: It is in use, is another one, or cannot be written to.
    """
    return owned_folder(folder, mark=MARK_FILE, kind="sweep")
