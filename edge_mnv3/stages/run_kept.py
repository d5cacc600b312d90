"""What a run has done already: found by hashes of what a stage depends on, and of what it wrote."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from edge_mnv3.core.cache import cache_key
from edge_mnv3.core.errors import EdgeMnv3Error, InputFileError
from edge_mnv3.core.hashing import sha256_file, sha256_folder
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.run import RunOutput, StageName
from edge_mnv3.stages.done_file import read_done, write_done
from edge_mnv3.stages.run_plan import Location, StagePlan
from edge_mnv3_calibration_data.archives.remote_files import is_url
from edge_mnv3_calibration_data.source_kinds import is_word, open_images

_OUTPUTS, _LEFT = "outputs", "left"  # what a stage wrote, and what it wrote before and was not removed


class Noted(NamedTuple):
    """A stage that is done.

    Attributes:
        code: The exit code of its command, 0 or 3.
        outputs: What it wrote.
        warnings: What it warned of.
    """

    code: int
    outputs: tuple[RunOutput, ...]
    warnings: tuple[str, ...] = ()


def location_sha256(location: Location) -> str | None:
    """Returns a hash over all that lies at a location, and over the images that a list or manifest names.

    Returns:
        None where that cannot be told: of a URL. A word for images stands for itself.

    Raises:
        EdgeMnv3Error: Nothing lies there, or it cannot be read; the text begins with the place.
    """
    text, path = location.path, Path(location.path)
    if is_url(text):
        return None
    if location.images and is_word(text):
        return text
    try:
        if not location.images:
            return path_sha256(path)
        own = path_sha256(path) if path.exists() else text  # a pattern
        return own if path.is_dir() else cache_key("images", {"own": own, "files": _listed(text)})
    except OSError as error:
        raise InputFileError(
            f"{location.place}: {path}", why_unreadable(path, error), "a file or folder"
        ) from error
    except EdgeMnv3Error as error:
        raise type(error)(
            f"{location.place}: {error.what}", error.got, error.expected, error.next_step
        ) from error


def changed_locations(plan: StagePlan, known: Mapping[str, str | None]) -> list[str]:
    """What a stage reads and is not what it was, each with its place; of URLs that cannot be told."""
    changed = []
    for location in plan.locations:
        try:
            same = location_sha256(location) == known[location.key]
        except EdgeMnv3Error:
            same = False
        if not same:
            changed.append(f"{location.place}: {location.path}")
    return changed


def path_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, or over the names and hashes of all files of a folder.

    Raises:
        OSError: It cannot be read.
    """
    return sha256_folder(path) if path.is_dir() else sha256_file(path)


def listed_images(location: str) -> set[Path]:
    """The files of images that a list, a manifest or a pattern names.

    Raises:
        EdgeMnv3Error: They cannot be listed.
    """
    source = open_images(location)
    contents = (source.content(index) for index in range(source.available or 0))
    return {content.path for content in contents if content is not None and content.path is not None}


def _listed(location: str) -> dict[str, str]:
    """The hashes of the files of images that a location names, those too that cannot be read."""
    return {
        str(path.absolute()): sha256_file(path) if path.is_file() else "unreadable"
        for path in sorted(listed_images(location))
    }


def stage_key(
    plan: StagePlan,
    hashes: Mapping[str, str | None],
    used: Sequence[Path],
    surroundings: Mapping[str, object],
) -> str | None:
    """Returns a hash over all that a stage depends on; None where that cannot be told.

    Args:
        plan: The stage.
        hashes: Of its locations, by their keys.
        used: What earlier stages wrote and it reads.
        surroundings: Versions and code, and for measurements the machine.
    """
    if None in hashes.values():
        return None
    return cache_key(
        "stage of a run",
        {
            "stage": plan.name,
            "settings": plan.resolved(),
            "gates": dict(plan.gated),
            "locations": dict(hashes),
            "used": [(path.name, _used_sha256(plan.name, path)) for path in used],
            "surroundings": dict(surroundings),
        },
    )


def measures_what_is_there(result: Path) -> bool:
    """Whether the files that a result of `bench` names are there, and still those that it measured."""
    try:
        measured = list(_measured(json.loads(result.read_text(encoding="utf-8"))))
        return bool(measured) and all(sha256_file(Path(path)) == sha256 for path, sha256 in measured)
    except (OSError, ValueError, RecursionError):
        return False


def _measured(part: Any) -> Iterator[tuple[str, str]]:
    """The path and hash of each model in a part of a result."""
    if isinstance(part, dict):
        if "model_path" in part and "model_sha256" in part:
            yield str(part["model_path"]), str(part["model_sha256"])
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from _measured(inner)


def _used_sha256(stage: StageName, path: Path) -> str:
    """The hash of what a stage reads of a file that an earlier one wrote.

    Of `quantize.json`, only the page and the bundle tell how long quantize took, which differs each time.
    """
    if path.name == QUANTIZE_FILE and stage in ("validate", "diagnose", "bench"):
        try:
            made = read_quantize_result(path)
        except InputFileError:  # which the stage says
            return path_sha256(path)
        report = made.recipe_report and replace(made.recipe_report, phases_s={})
        read = replace(made, recipe_report=report, timings_s={}, float_from_cache=False)
        return hashlib.sha256(to_json(read).encode()).hexdigest()
    return path_sha256(path)


class Notes:
    """The stages that are done, in a file of the run's folder."""

    def __init__(self, folder: Path, reads: Sequence[Path] = ()) -> None:
        """Takes whose notes they are.

        Args:
            folder: The run's folder.
            reads: What the config reads: never removed, whoever wrote it.
        """
        self._folder, self._reads = folder, [path.resolve() for path in reads]

    def left(self, planned: Collection[str]) -> list[str]:
        """What earlier runs wrote, still as they wrote it, that is no part of a run of these stages.

        Returns:
            Names of files and folders as `RunOutput.path` has them.
        """
        found: dict[str, str] = {}
        for stage, noted in read_done(self._folder).items():
            found.update(_known(noted, _LEFT))
            if stage not in planned:
                found.update(_known(noted, _OUTPUTS))
        return [name for name, known in found.items() if self._is_same(name, known)]

    def done(self, stage: StageName, key: str | None) -> Noted | None:
        """A stage that has the same key, and whose files are what they were; None for any other."""
        noted = read_done(self._folder).get(stage)
        if key is None or not isinstance(noted, dict) or noted.get("key") != key:
            return None
        outputs, code, warnings = noted.get("outputs"), noted.get("code"), noted.get("warnings")
        if not (isinstance(outputs, dict) and isinstance(code, int) and isinstance(warnings, list)):
            return None
        try:
            same = all(path_sha256(self._folder / name) == known for name, known in outputs.items())
        except OSError:
            return None
        return Noted(code, _outputs(outputs), tuple(map(str, warnings))) if same else None

    def note(
        self, stage: StageName, key: str | None, code: int, paths: Sequence[Path], warnings: Sequence[str]
    ) -> Noted:
        """Notes that a stage is done, what it wrote, and what it warned of; without a key it runs again."""
        outputs = {self._name(path): path_sha256(path) for path in paths}
        noted = {"key": key, "code": code, _OUTPUTS: outputs, "warnings": list(warnings)}
        done = read_done(self._folder)
        left = {name: known for name, known in _known(done.get(stage), _LEFT).items() if name not in outputs}
        write_done(self._folder, {**done, stage: {**noted, _LEFT: left} if left else noted})
        return Noted(code, _outputs(outputs), tuple(warnings))

    def wrote(self, path: Path) -> bool:
        """Whether a stage wrote what lies at a path now."""
        name = self._name(path)
        known = [
            _known(noted, kind).get(name)
            for noted in read_done(self._folder).values()
            for kind in (_OUTPUTS, _LEFT)
        ]
        return path.exists() and path_sha256(path) in known

    def forget(self, stage: str) -> None:
        """Removes what a stage wrote, and the note of it; not what the config reads or lies elsewhere."""
        data = read_done(self._folder)
        noted = data.pop(stage, None)
        left: dict[str, str] = {}
        for name, known in {**_known(noted, _LEFT), **_known(noted, _OUTPUTS)}.items():
            path = self._folder / name
            if not self._is_same(name, known):
                continue  # somebody else's by now
            if self._stays(path.resolve()):
                left[name] = known
            elif path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if left:
            data[stage] = {_LEFT: left}
        if noted is not None:
            write_done(self._folder, data)

    def _is_same(self, name: str, known: str) -> bool:
        try:
            return path_sha256(self._folder / name) == known
        except OSError:
            return False

    def _stays(self, path: Path) -> bool:
        is_read = any(read == path or path in read.parents for read in self._reads)
        return is_read or self._folder.resolve() not in path.parents

    def _name(self, path: Path) -> str:
        inside = path.parent == self._folder
        return path.name if inside else str(path.absolute())


def _known(noted: object, kind: str) -> dict[str, str]:
    """Files and folders of a note with their hashes; none where it is damaged."""
    found = noted.get(kind) if isinstance(noted, dict) else None
    return {name: str(sha256) for name, sha256 in found.items()} if isinstance(found, dict) else {}


def _outputs(known: Mapping[str, str]) -> tuple[RunOutput, ...]:
    return tuple(RunOutput(path=name, sha256=sha256) for name, sha256 in known.items())
