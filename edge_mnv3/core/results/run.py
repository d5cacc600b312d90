"""The result of `run`: what became of each stage and gate of a configured pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edge_mnv3.core.results.formats import Format

StageStatus = Literal["ran", "kept", "failed", "skipped"]
StageName = Literal["quantize", "validate", "diagnose", "cost", "bench", "package", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutput:
    """A file or folder that a stage wrote.

    Attributes:
        path: Relative to the run's folder where it lies in it.
        sha256: SHA-256 of the file, or over the names and hashes of all files of a folder.
    """

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStage:
    """One stage of a run.

    Attributes:
        name: The command that it is.
        status: `ran`; `kept`, where nothing that it depends on has changed; `failed`; or `skipped`.
        seconds: How long it took in this run; 0 unless it ran or failed.
        reason: Why it was kept, failed or was skipped; empty where it ran.
        outputs: What it wrote.
        warnings: What its command warned of, now or, where it is kept, when it ran.
    """

    name: StageName
    status: StageStatus
    seconds: float
    reason: str
    outputs: tuple[RunOutput, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGate:
    """A limit, and what was measured.

    Attributes:
        name: As the table `[gates]` calls it; `int8_checks` for those of quantize, `bench_quotable` for
            figures that bench refuses to give.
        stage: The stage that measured it.
        limit: The limit, in the unit that the name tells.
        value: What was measured; None where there is no figure.
        passed: The value keeps to the limit, and nothing else is against it; never without a value.
        detail: What is against it, or must be known though it passed; empty where the two numbers tell.
    """

    name: str
    stage: StageName
    limit: float
    value: float | None
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run did.

    Attributes:
        folder: Where everything lies.
        config: The file that said what to do.
        finished: All stages had their turn; False in the file of a run that is going on or was interrupted.
        passed: No stage failed, and all gates passed.
        stages: In the order of the pipeline.
        gates: Those of the stages that ran or were kept.
        versions: Of Python and packages.
    """

    FORMAT: ClassVar[Format] = Format("run")
    schema_version: int = FORMAT.version
    folder: str
    config: str
    finished: bool
    passed: bool
    stages: tuple[RunStage, ...]
    gates: tuple[RunGate, ...]
    versions: dict[str, str]
