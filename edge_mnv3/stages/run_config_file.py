"""The config that repeats a run: resolved paths, versions, and hashes of all that it read."""

from __future__ import annotations

from collections.abc import Mapping

import tomli_w

from edge_mnv3.stages.run_gates import BASELINE
from edge_mnv3.stages.run_plan import RunRequest, resolved_path

MADE_WITH, INPUTS = "made_with", "inputs"


def config_text(
    request: RunRequest, hashes: Mapping[str, Mapping[str, str | None]], versions: Mapping[str, str]
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
