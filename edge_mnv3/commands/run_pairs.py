"""Keys of a table that exclude or need each other: refused with their place, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection

from edge_mnv3.stages.run_plan import StagePlan


def refused_pair(plan: StagePlan) -> tuple[str, str, str] | None:
    """The first pair of keys that the command of a stage would refuse.

    Returns:
        The key, what it is with, and what was expected; None where there is none.
    """
    if plan.name == "quantize":
        return _of_quantize(plan)
    return _of_bench(plan) if plan.name == "bench" else None


def _of_quantize(plan: StagePlan) -> tuple[str, str, str] | None:
    named = plan.given & {"model", "variant"}
    if len(named) == 1:
        return None
    got = "both model and variant" if named else "neither model nor variant"
    return ("variant" if named else "", got, "one of the two")


def _of_bench(plan: StagePlan) -> tuple[str, str, str] | None:
    host = "--host" in plan.options
    modes = [*(["host"] if host else []), *(name for name in ("device", "log") if name in plan.given)]
    if len(modes) != 1:
        got = " and ".join(modes) if modes else "host = false, without device and log"
        return ("host" if "host" in plan.given else modes[0], got, "one of host, device and log")
    wrong = {"host": ("variant",), "log": ("files", "variant")}.get(modes[0], ())
    for name in wrong:
        if name in plan.given:
            return (name, f"a {name} with {modes[0]}", "one of the two")
    if "log_result" in plan.given and modes != ["log"]:
        return ("log_result", "no log", "one: log_result goes with it")
    return None


# Keys that say which of its jobs a command does: of two keys that do not fit, the other one is shown.
_MODES = frozenset({"device", "host", "log", "model", "recipe", "variant"})


def as_keys(text: str) -> str:
    """Writes the options in a text as a file has them: `--input-size` is `input_size`, MODEL is `model`."""
    text = re.sub(r"(?<!\S)--([a-z][a-z0-9-]*)", lambda option: option[1].replace("-", "_"), text)
    return re.sub(r"\bMODEL\b", "model", text)


def key_of(text: str, given: Collection[str]) -> str:
    """The key that an error is of, so that its line can be told; empty where the text names none of them.

    Args:
        text: With options as `as_keys` writes them; `input range` is `input_range` as well.
        given: The keys of the table.
    """
    places = {key: re.search(rf"\b{key.replace('_', '[_ ]')}\b", text) for key in given}
    named = sorted((found.start(), key) for key, found in places.items() if found)
    return next((key for _, key in named if key not in _MODES), named[0][1] if named else "")
