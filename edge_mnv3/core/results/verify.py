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
    """Accuracy measured now against the stated one: on other images, or image by image on the same.

    Attributes:
        model: File in the bundle.
        data: The labelled images.
        n: Images counted.
        top1_percent: Share of images whose highest output is the label.
        ci95_percent: Its 95 % Wilson interval; None in results of earlier releases.
        stated_n: Images of the stated accuracy; None in results of earlier releases.
        stated_top1_percent: The bundle's top-1; None in results of earlier releases.
        stated_ci95_percent: The bundle's interval.
        test: Name of the test: of two samples, or of pairs where the images have the names and labels of the
            stated ones; None in results of earlier releases, which asked whether `top1_percent` lies
            in the stated interval.
        level: Share of intact models that the test may tell to differ: 0.05 divided by how many models
            of the bundle are tested so; None in results of earlier releases.
        p_value: How often images of one share differ as much as these; None in results of earlier releases.
        told_below_percent: Below this accuracy so many images tell a difference in 8 of 10 cases, and the
            same images whenever none is won; None where they are too few to tell any drop, and in results of
            earlier releases.
        lost: Images that were right and are not now; None where the images are others.
        won: Images that are right now and were not; None where the images are others.
        passed: `p_value` is above `level`.
    """

    model: str
    data: str
    n: int
    top1_percent: float
    ci95_percent: tuple[float, float] | None
    stated_n: int | None
    stated_top1_percent: float | None
    stated_ci95_percent: tuple[float, float]
    test: str | None
    level: float | None
    p_value: float | None
    told_below_percent: float | None
    lost: int | None
    won: int | None
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


_OF_TWO_SAMPLES = (
    "ci95_percent",
    "stated_n",
    "stated_top1_percent",
    "test",
    "level",
    "p_value",
    "told_below_percent",
    "lost",
    "won",
)


def _without_test(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of version 2, which asked whether accuracies lie in the stated interval."""
    unknown = dict.fromkeys(_OF_TWO_SAMPLES)
    return {**data, "accuracy": [{**unknown, **accuracy} for accuracy in data["accuracy"]]}


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

    FORMAT: ClassVar[Format] = Format("verify", (_of_one_output, _without_test))
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
