"""Builds of `benchmark_model`: the lock file of them, and what results say of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkBinary:
    """A locked build.

    Attributes:
        name: The user's word for it, such as `current` or `era-2019`.
        abi: Android's name of the processor kind that it runs on.
        sha256: Hash of the file.
        size_bytes: Size of the file.
        source: Address or file that it came from.
        help_sha256: Hash over the flags, types and defaults that it prints; None before its first run.
        version: The version of TFLite that it reports; None before its first run, or where it does not.
    """

    name: str
    abi: str
    sha256: str
    size_bytes: int
    source: str
    help_sha256: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryLock:
    """The lock file.

    Attributes:
        binaries: The builds that are accepted, in the order of their acceptance.
        refused: Files that came under the name of one of them and wait to be accepted.
    """

    binaries: tuple[BenchmarkBinary, ...] = ()
    refused: tuple[BenchmarkBinary, ...] = ()
    FORMAT: ClassVar[Format] = Format("binary lock")
    schema_version: int = FORMAT.version


# Of which time a build is: of the published figures', of a later one, or nobody can tell.
PUBLISHED_ERA, LATER_ERA, UNKNOWN_ERA = "published", "later", "unknown"


def _add_era(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a build of version 1, of which nothing but a name told the time."""
    return {**data, "era": UNKNOWN_ERA, "era_evidence": ["recorded by an earlier release"]}


TENSORFLOW_LITE, LITERT = "TensorFlow Lite", "LiteRT"  # whose benchmark_model a build is
UNKNOWN_RUNTIME = "unknown"


def _add_runtime(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a build of version 2, which did not tell whose it was."""
    return {**data, "runtime": UNKNOWN_RUNTIME}


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryInfo:
    """A build of `benchmark_model`.

    Attributes:
        name: Name under which it is registered.
        sha256: SHA-256 of its file.
        version: TFLite version that it reports; None where it reports none.
        runtime: `TensorFlow Lite` or `LiteRT`, by its flags; `unknown` where they were not recorded.
        era: `published` for a build of the published figures' time, `later`, or `unknown`.
        era_evidence: By what it is of that time: flags that it knows, words that it prints, its version.
    """

    FORMAT: ClassVar[Format] = Format("build", (_add_era, _add_runtime), first_is_silent=True)
    schema_version: int = FORMAT.version
    name: str
    sha256: str
    version: str | None
    runtime: str
    era: str
    era_evidence: tuple[str, ...]

    @property
    def of_published_time(self) -> bool:
        """Whether it is known to be a build of the published figures' time."""
        return self.era == PUBLISHED_ERA
