"""The frozen result of verifying a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.package import StepDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRun:
    """The golden images run through one model somewhere.

    Attributes:
        model: File in the bundle.
        output: Name of the output; None in results of earlier releases, which know one output.
        runner: Where and under which kernels.
        runtime: Name and version.
        exact: Equality bit for bit is demanded; otherwise `limit` holds.
        limit: Largest difference allowed, in the unit of `difference`.
        difference: The outputs compared with the golden outputs.
        passed: No value differs by more than is allowed.
    """

    model: str
    output: str | None
    runner: str
    runtime: str
    exact: bool
    limit: int
    difference: StepDifference
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAccuracy:
    """Accuracy measured now against the stated interval.

    Attributes:
        model: File in the bundle.
        data: The labelled images.
        n: Images counted.
        top1_percent: Share of images whose highest output is the label.
        stated_ci95_percent: The bundle's interval.
        passed: The accuracy lies in the stated interval.
    """

    model: str
    data: str
    n: int
    top1_percent: float
    stated_ci95_percent: tuple[float, float]
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyCheck:
    """One thing that was verified.

    Attributes:
        name: What was checked.
        passed: No difference was seen.
        detail: What the check says; for a failed one, every difference.
    """

    name: str
    passed: bool
    detail: tuple[str, ...]


def _of_one_output(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of version 1, which knows one output."""
    return {**data, "golden": [{**run, "output": None} for run in data["golden"]]}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """Whether a bundle is still what was packaged.

    Attributes:
        path: The folder or zip.
        sha256: SHA-256 of `SHA256SUMS`; None if that file is missing.
        name: Name in the manifest; None if it cannot be read.
        checks: The checks in the order in which they were made; those after a failure may be missing.
        golden: The golden images run by each model and runner, output by output.
        accuracy: Accuracies measured now; empty without labelled images.
        passed: Every check passed.
        differences: One line each; empty when `passed`.
        versions: Package to version, when it was verified.
    """

    FORMAT: ClassVar[Format] = Format("verify", (_of_one_output,))
    schema_version: int = FORMAT.version
    path: str
    sha256: str | None
    name: str | None
    checks: tuple[VerifyCheck, ...]
    golden: tuple[GoldenRun, ...]
    accuracy: tuple[VerifiedAccuracy, ...]
    passed: bool
    differences: tuple[str, ...]
    versions: dict[str, str]
