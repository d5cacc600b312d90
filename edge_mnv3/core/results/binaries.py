"""The lock file of `benchmark-binary`; `json_format` writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
