"""The whole pipeline of a config, as `edge-mnv3 run` does it, from Python."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from edge_mnv3.commands.run import execute, run_config
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call, optional_path
from edge_mnv3.core.results.run import RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest(Request):
    """Which config to run, and where.

    Attributes:
        config: A TOML file with a table for each stage; a `pyproject.toml`, of which `[tool.edge-mnv3]` is
            taken; or the folder of an earlier run, which is repeated. None for `edge-mnv3.toml` in the
            current folder, or its `pyproject.toml`.
        output_dir: Where everything is kept; None for what the config says, or its name and `_run`.
        junit: Also write a test case for each stage and each gate to this XML file; None for none.
    """

    config: AnyPath | None = None
    output_dir: AnyPath | None = None
    junit: AnyPath | None = None


def run(request: RunRequest, reporter: Reporter = SILENT) -> RunResult:
    """Runs the stages of a config one after the other, and keeps those of which nothing has changed.

    A stage that fails is no exception: the result has its `status` and `reason`, `passed` is False, and the
    stages after it are skipped. A gate that fails makes `passed` False as well. Stages run in this process,
    whose stdout and stderr they take over meanwhile: one run at a time in a process.

    Raises:
        InputFileError: There is no config, it cannot be read, or says what no command would take; or a file
            or folder that it names cannot be read. Nothing was run; the `run.json` of an earlier run is gone.
        RuntimeUnavailableError: A stage `cost` is asked for, and there is no emulated Arm processor.
        MissingExtraError: A plot is asked for, and matplotlib is not installed.
        OutputError: The folder is not one of a run, is in use, or cannot be written to.
    """
    check_call("run", (RunRequest,), request, reporter)
    return run_config(
        optional_path(request.config),
        optional_path(request.output_dir),
        optional_path(request.junit),
        functools.partial(execute, reporter=reporter),
        reporter,
    )
