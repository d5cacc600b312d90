"""The result of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edge_mnv3.core.results.formats import Format

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorCheck:
    """One thing that was looked at.

    Attributes:
        name: What it is, such as `python` or `weights`.
        status: `ok`; `warn`, where some commands need more; `fail`, where something is broken.
        detail: What was found, in a sentence.
        cure: What to do; empty where nothing needs to be done.
    """

    name: str
    status: Status
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult:
    """What was found on this machine.

    Attributes:
        version: Version of edge-mnv3.
        checks: In the order in which they were made.
    """

    FORMAT: ClassVar[Format] = Format("doctor")
    schema_version: int = FORMAT.version
    version: str
    checks: tuple[DoctorCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(check.status != "fail" for check in self.checks)
