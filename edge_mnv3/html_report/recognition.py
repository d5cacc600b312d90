"""Which command wrote a JSON file: told by its keys, read through its format, whatever its version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.result_files import json_keys, read_result
from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.cost import CostResult
from edge_mnv3.core.results.demo import DemoResult
from edge_mnv3.core.results.diagnose import DiagnoseResult
from edge_mnv3.core.results.models import InspectResult
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.run import RunResult
from edge_mnv3.core.results.sweep import SweepResult
from edge_mnv3.core.results.validate import ValidateResult

Shown = (
    QuantizeResult
    | DemoResult
    | ValidateResult
    | DiagnoseResult
    | InspectResult
    | HostTurnsResult
    | DeviceBenchReport
    | HostBenchResult
    | CostResult
    | SweepResult
    | RunResult
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of result that the page shows.

    Attributes:
        command: What writes it.
        result: Its class.
        keys: Keys that all its versions have, and no other kind has together.
        without: Keys that it never has.
    """

    command: str
    result: type[Any]
    keys: frozenset[str]
    without: frozenset[str] = frozenset()


KINDS: Sequence[Kind] = (
    Kind("quantize", QuantizeResult, frozenset({"int8_sha256", "calibration", "checks"})),
    Kind("demo", DemoResult, frozenset({"quantize", "validate", "bench_float"})),
    Kind("validate", ValidateResult, frozenset({"float", "int8", "worst"})),
    Kind("diagnose", DiagnoseResult, frozenset({"layers", "costs", "other_noise_percent"})),
    Kind("inspect", InspectResult, frozenset({"ops", "xnnpack", "builtin"})),
    Kind("bench --host", HostTurnsResult, frozenset({"results", "comparisons"})),
    Kind(
        "bench --device",
        DeviceBenchReport,
        frozenset({"results", "profiles", "published"}),
        frozenset({"rank_orders"}),
    ),
    Kind("bench --host", HostBenchResult, frozenset({"conditions", "block_medians_us", "init_us"})),
    Kind("sweep", SweepResult, frozenset({"points", "rows", "recommendation"})),
    Kind("run", RunResult, frozenset({"stages", "gates", "finished"})),
    Kind("cost", CostResult, frozenset({"files", "emulator", "library_sha256"})),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundResult:
    """A result that was read.

    Attributes:
        path: Its file.
        sha256: SHA-256 of the file's bytes.
        command: What wrote it.
        result: What it says.
        named: The user named the file, and not the folder that it lies in.
    """

    path: Path
    sha256: str
    command: str
    result: Shown
    named: bool


def recognize(path: Path, *, named: bool) -> FoundResult | None:
    """Reads a result that the page shows; None where the file is something else.

    Raises:
        InputFileError: It cannot be read, or is a result of one of these commands that is damaged or of a
            later version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFileError(
            f"result {path}", why_unreadable(path, error), "a JSON file that a command wrote"
        ) from error
    except ValueError:
        return None  # other text than UTF-8 is no JSON
    keys = json_keys(text)
    for kind in KINDS:
        if kind.keys <= keys and not kind.without & keys:
            return FoundResult(
                path=path,
                sha256=sha256_file(path),
                command=kind.command,
                result=read_result(kind.result, path, command=kind.command),
                named=named,
            )
    return None
