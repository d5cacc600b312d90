"""The result of `report`; `json_format` writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.formats import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A section of the page.

    Attributes:
        key: Its anchor in the page.
        title: Its heading.
        present: It shows results; otherwise it says how to get them.
    """

    key: str
    title: str
    present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSource:
    """A result that the page was made of.

    Attributes:
        path: The file.
        command: What wrote it.
        sha256: SHA-256 of the file's bytes.
    """

    path: str
    command: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutFile:
    """A file that the page does not show, or not whole, or that is not the one that it is about any more.

    Attributes:
        path: The file.
        reason: Which of these, and why.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """A page that was written.

    Attributes:
        path: The HTML file.
        size_bytes: Size of the file.
        sha256: SHA-256 of the file's bytes; the same results give the same bytes.
        float_sha256: SHA-256 of the float file that it is about.
        int8_sha256: SHA-256 of the int8 file that it is about.
        verdict: The page's first sentence.
        sections: Its sections, in order.
        sources: The results that it was made of.
        left_out: What else lay there, and why it is not shown.
        pictures: Pictures that it holds.
    """

    FORMAT: ClassVar[Format] = Format("report")
    schema_version: int = FORMAT.version
    path: str
    size_bytes: int
    sha256: str
    float_sha256: str
    int8_sha256: str
    verdict: str
    sections: tuple[ReportSection, ...]
    sources: tuple[ReportSource, ...]
    left_out: tuple[LeftOutFile, ...]
    pictures: int
