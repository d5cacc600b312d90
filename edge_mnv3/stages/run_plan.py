"""What a config asks of a run: its stages with the words of their command lines, and its gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, get_args

from edge_mnv3.core.results.run import StageName
from edge_mnv3_calibration_data.archives.remote_files import is_url
from edge_mnv3_calibration_data.source_kinds import is_word

STAGES: tuple[StageName, ...] = get_args(StageName)
RUN_FILE = "run.json"
CONFIG_FILE = "run.toml"
RUN_MARK = ".run"  # tells the folder of a run from others, and is locked by the one that writes in it


class Location(NamedTuple):
    """A file or folder that an option names.

    Attributes:
        key: The key, with a number where there are several; tells a stage's locations apart.
        place: What errors call it, such as `run.toml: [quantize] calibration`.
        path: As the command gets it, or a word such as `synthetic`.
        images: They are images, or a list of images, of which each counts.
    """

    key: str
    place: str
    path: str
    images: bool


def resolved_path(path: str) -> str:
    """A path that is the same from everywhere; a URL, and a word that stands for images, is so already."""
    return path if is_url(path) or is_word(path) else str(Path(path).absolute())


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """A stage as a config gives it.

    Attributes:
        name: The stage.
        options: Words of the command line, `--name=value` each.
        arguments: Files and folders that are no options.
        given: Keys that the config gives.
        settings: The same as the config's table has it, paths as the command gets them; repeats the stage.
        paths: The texts of `settings` that are paths or words for images.
        locations: What the stage reads, beside what earlier stages wrote.
        outputs: What it writes beside its results.
        gated: Gates that are options of the command, and no settings.
    """

    name: StageName
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    settings: Mapping[str, object] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()
    locations: tuple[Location, ...] = ()
    outputs: tuple[Path, ...] = ()
    gated: Mapping[str, float] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """The value of a key that is one text; None where it is not given."""
        value = self.settings.get(key)
        return value if isinstance(value, str) else None

    def resolved(self) -> dict[str, object]:
        """The settings with paths that are the same from everywhere."""
        return {key: self._resolved(value) for key, value in self.settings.items()}

    def _resolved(self, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return [self._resolved(each) for each in value]
        if not isinstance(value, str):
            return value
        name, separator, path = value.partition("=")
        if value in self.paths:
            return resolved_path(value)
        return f"{name}={resolved_path(path)}" if separator and path in self.paths else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """What a config that a run wrote says of that run.

    Attributes:
        versions: Name to version.
        inputs: Absolute path or word to SHA-256.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What to run.

    Attributes:
        config: The file that says it.
        folder: Where everything is written.
        stages: In the order of `STAGES`, each once.
        gates: Limits by name, as the table `[gates]` has them, and the file of `baseline`.
        repeated: Of a config that a run wrote, what it was made with.
        junit: For a report in the form of JUnit; None for none.
    """

    config: Path
    folder: Path
    stages: Sequence[StagePlan]
    gates: Mapping[str, float | str] = field(default_factory=dict)
    repeated: Repeated = field(default_factory=Repeated)
    junit: Path | None = None


class Executed(NamedTuple):
    """What a command gave.

    Attributes:
        code: Its exit code: 0, 1 for a part that failed, 3 for a gate that failed.
        text: What it printed on stdout: its result as JSON.
        warnings: What it warned of.
    """

    code: int
    text: str
    warnings: tuple[str, ...] = ()


class Execute(Protocol):
    """Runs a stage's command, as the command line does."""

    def __call__(self, stage: StageName, words: Sequence[str]) -> Executed:
        """Runs it.

        Raises:
            EdgeMnv3Error: As the command does.
            KeyboardInterrupt: Ctrl-C.
        """
