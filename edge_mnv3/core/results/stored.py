"""What the store of results holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edge_mnv3.core.results.formats import Format

Purpose = Literal["comparison", "input range tried"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A file that was run.

    Attributes:
        file: Where it lay when it was run last.
        sha256: SHA-256 of its bytes.
        kernels: `xnnpack` or `builtin`.
    """

    file: str
    sha256: str
    kernels: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvaluation:
    """Files that were run over the same images in the same way.

    Attributes:
        key: What the store knows it by, in hexadecimal.
        purpose: `comparison` of a float and an int8 file; or `input range tried`: some images with which
            `validate` looked whether the float file is fed right.
        models: The files: for `validate` the float and the int8 one.
        preprocess: Name of the preprocessing.
        runtime: Name and version of the TFLite runtime.
        kept: What was kept of the outputs, and of which.
        images: How many images.
        data: Where its images came from, as far as that is known: what `results compare` takes.
        used: When it was used last, in UTC, as ISO 8601.
    """

    key: str
    purpose: Purpose
    models: tuple[StoredModel, ...]
    preprocess: str
    runtime: str
    kept: str
    images: int
    data: tuple[str, ...]
    used: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResults:
    """The store of results.

    Attributes:
        folder: Its folder.
        size_bytes: What it takes on the disk.
        evaluations: What it holds, that used last at the end.
    """

    FORMAT: ClassVar[Format] = Format("stored results")
    schema_version: int = FORMAT.version
    folder: str
    size_bytes: int
    evaluations: tuple[StoredEvaluation, ...]
