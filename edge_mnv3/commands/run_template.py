"""The config that `init` writes: every key of every command, with what it does and its default."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping

import tomli_w

from edge_mnv3.commands.run_tables import FROM_EARLIER, Key, default_of, keys
from edge_mnv3.core.choices import DEMO_WEIGHTS, DIGITS
from edge_mnv3.core.results.run import StageName
from edge_mnv3.stages.run_gates import BASELINE, GATES
from edge_mnv3.stages.run_plan import STAGES

_WIDTH = 100
# What the file runs as it stands: the demo's classifier of handwritten digits, without network.
_SET: Mapping[StageName, Mapping[str, object]] = {
    "quantize": {
        "variant": "small_minimalistic",
        "alpha": 0.5,
        "input_size": "64",
        "weights": DEMO_WEIGHTS,
        "calibration": DIGITS,
        "preprocess": "resize",
    },
    "validate": {"data": DIGITS, "preprocess": "resize"},
    "diagnose": {},
    "bench": {"host": True},
    "report": {},
}
_NEEDS: Mapping[StageName, str] = {  # of the stages that the file leaves to the user
    "cost": "It needs an emulated Arm processor: edge-mnv3 doctor says whether there is one.",
    "package": "It needs the names of the classes, but for ImageNet's: labels.",
}
_GATES = {"max_drop_points": 1.0, "min_agreement_percent": 95.0}
_HEAD = """\
# What edge-mnv3 run does: a table for each stage, whose keys are the options of its command.
# A key behind # has its default. Paths are relative to this file. As it stands it runs without network,
# on the demo's classifier of handwritten digits (pip install 'edge-mnv3[demo]'), and compares on images
# that it was trained on. For your own: take out variant, alpha, input_size and weights, give model, and
# give your images as calibration and data.

#   Where everything is kept. [default: the name of this file and _run]
# output_dir =
"""


def template() -> str:
    """Writes the config; `run` takes it as it stands."""
    return "\n".join((_HEAD, *_gates(), *(line for stage in STAGES for line in _table(stage))))


def _gates() -> Iterator[str]:
    yield "[gates]  # exit code 3 if one fails"
    for name, gate in GATES.items():
        yield from _said(f"{gate.says} Needs [{gate.stage}].")
        yield _line(name, _GATES[name]) if name in _GATES else f"# {name} ="
    yield from _said("The JSON of an earlier edge-mnv3 cost, for max_instructions_percent.")
    yield f"# {BASELINE} ="
    yield ""


def _table(stage: StageName) -> Iterator[str]:
    given = _SET.get(stage)
    mark = "" if given is not None else "# "
    yield f"{mark}[{stage}]"
    if given is None:
        yield from _said(_NEEDS[stage])
    for name, key in keys(stage).items():
        if name in FROM_EARLIER[stage]:
            yield from _said(f"{name}: what earlier stages wrote.")
        else:
            yield from _said(_help(key))
        if given is not None and name in given:
            yield _line(name, given[name])
        else:
            default = default_of(key)
            yield f"# {name} =" if default is None else f"# {_line(name, default)}"
    yield ""


def _line(name: str, value: object) -> str:
    return re.sub(r",?\n *", "", tomli_w.dumps({name: value}).strip())  # lists on one line


def _said(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH - 4, break_long_words=False, break_on_hyphens=False):
        yield f"#   {line}"


def _help(key: Key) -> str:
    text = getattr(key.parameter, "help", None) or f"{key.parameter.metavar or key.name}."
    return re.sub(r"\s+", " ", text).strip()
