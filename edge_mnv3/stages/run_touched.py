"""When the files of a stage were last written to: tells what changed while it ran and was put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.stages.run_kept import listed_images
from edge_mnv3.stages.run_plan import Location, StagePlan
from edge_mnv3_calibration_data.archives.remote_files import is_url
from edge_mnv3_calibration_data.source_kinds import is_word

EARLIER_FILE = "a file of an earlier stage"
_State = tuple[tuple[str, tuple[int, ...]], ...]


class Touched:
    """The state of all files that a stage reads, at one moment.

    A file's times and number tell that it was written to or replaced, whatever its bytes are now: the time of
    the last change of a file's state is set by the system alone. Hashes of before and after a stage do not
    tell a change that was undone in between.

    Args:
        plan: The stage.
        used: What earlier stages wrote and it reads.
    """

    def __init__(self, plan: StagePlan, used: Sequence[Path]) -> None:
        self._states: dict[str, _State] = {
            f"{location.place}: {location.path}": _of_location(location) for location in plan.locations
        }
        self._states[f"{plan.name}: {EARLIER_FILE}"] = tuple(_states(used))

    def since(self, later: Touched) -> list[str]:
        """What was touched between this moment and a later one, each with its place."""
        return [place for place, state in self._states.items() if later._states.get(place) != state]


def _of_location(location: Location) -> _State:
    path = Path(location.path)
    if is_url(location.path) or (location.images and is_word(location.path)):
        return ()
    paths = [path]
    if location.images and not path.is_dir():
        try:
            paths += sorted(listed_images(location.path))
        except (EdgeMnv3Error, OSError):
            return ((str(path), ()),)  # gone, or no list any more
    return tuple(_states(paths))


def _states(paths: Sequence[Path]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The state of files, and of folders with all that is in them."""
    for path in paths:
        for each in (path, *(sorted(path.rglob("*")) if path.is_dir() else ())):
            try:
                state = each.stat()
            except OSError:
                yield str(each), ()
                continue
            yield str(each), (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
