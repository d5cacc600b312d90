"""The config that repeats a run: resolved paths, versions, and hashes of all that it read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.run import RunResult, StageName
from edge_mnv3.stages.run_gates import BASELINE
from edge_mnv3.stages.run_plan import CONFIG_FILE, RUN_FILE, STAGES, RunPlan, resolved_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MADE_WITH, INPUTS = "made_with", "inputs"


def config_text(
    request: RunPlan, hashes: Mapping[str, Mapping[str, str | None]], versions: Mapping[str, str]
) -> str:
    """Writes the config of a run, so that it can be read from everywhere.

    Args:
        request: The run.
        hashes: Stage to key of a location to its hash, as `location_sha256` gives it.
        versions: Of Python and packages.
    """
    tables: dict[str, object] = {plan.name: plan.resolved() for plan in request.stages}
    if request.gates:
        tables["gates"] = {
            name: resolved_path(str(limit)) if name == BASELINE else limit
            for name, limit in request.gates.items()
        }
    tables[MADE_WITH] = dict(versions)
    inputs = {
        resolved_path(location.path): known
        for plan in request.stages
        for location in plan.locations
        if (known := hashes[plan.name][location.key]) is not None and known != location.path
    }
    tables[INPUTS] = inputs
    head = "# Written by edge-mnv3 run: repeats the run. What is in [made_with] and [inputs] is compared.\n"
    return f"{head}\n{tomli_w.dumps(tables)}"


def not_yet_run(folder: Path) -> tuple[str, ...]:
    """The stages of an unfinished run that had no turn, but for `report`: what is there is older.

    Args:
        folder: A folder; one without a run has none.
    """
    planned = planned_stages(folder)
    try:
        result = from_json(RunResult, (folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    ended = {*(stage.name for stage in result.stages), "report"}
    return tuple(stage for stage in planned or () if not result.finished and stage not in ended)


def planned_stages(folder: Path) -> tuple[StageName, ...] | None:
    """The stages of the run that last began in a folder.

    Args:
        folder: A folder.

    Returns:
        None where there was no run, or its config is damaged.
    """
    try:
        tables = tomllib.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return tuple(stage for stage in STAGES if stage in tables)
