"""Reads a config, and refuses in one line what no command would take, with its place in the file."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from edge_mnv3.commands.options import CHECK_ONLY
from edge_mnv3.commands.run_folder import FOLDER_KEY, PYPROJECT, folder_of, own_table
from edge_mnv3.commands.run_pairs import as_keys, key_of, refused_pair
from edge_mnv3.commands.run_tables import (
    FROM_EARLIER,
    IMAGE_KEYS,
    OWN_KEYS,
    WRITTEN_KEYS,
    Key,
    default_of,
    keys,
    located,
    stage_command,
    texts,
    words,
)
from edge_mnv3.commands.types import alike
from edge_mnv3.core.choices import RUN_CONFIG
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.results.run import StageName
from edge_mnv3.core.special_files import check_no_special_file
from edge_mnv3.stages.run_config_file import INPUTS, MADE_WITH
from edge_mnv3.stages.run_gates import BASELINE, GATES, SIZE
from edge_mnv3.stages.run_plan import (
    CONFIG_FILE,
    RUN_MARK,
    STAGES,
    Location,
    Repeated,
    RunPlan,
    StagePlan,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OWN_CONFIG = str(RUN_CONFIG)
_TABLE = "tool.edge-mnv3"
_GATES = "gates"
_KNOWN = (*STAGES, _GATES, FOLDER_KEY)
_MOST = 1e300  # of a number without a limit of its own: TOML has whole numbers of any length
_DUMMY = "given-by-an-earlier-stage"


def find_config(stated: Path | None) -> Path:
    """The file that a user means: the one that is named, else `edge-mnv3.toml` or `pyproject.toml` here.

    Raises:
        InputFileError: There is none.
    """
    if stated is not None:
        return stated / CONFIG_FILE if (stated / RUN_MARK).is_file() else stated
    for name in (OWN_CONFIG, PYPROJECT):
        if Path(name).is_file() and (name == OWN_CONFIG or _has_table(Path(name))):
            return Path(name)
    raise InputFileError(
        "config",
        f"neither {OWN_CONFIG} nor [{_TABLE}] in a {PYPROJECT} in this folder",
        "one of them, or the name of a file",
        "write one with edge-mnv3 init",
    )


def _has_table(path: Path) -> bool:
    text = _read(path)
    try:
        tool = tomllib.loads(text).get("tool")
    except (tomllib.TOMLDecodeError, RecursionError):
        return "edge-mnv3" in text  # what reads it says what is wrong
    return isinstance(tool, dict) and "edge-mnv3" in tool


def read_config(path: Path, *, folder: Path | None = None, junit: Path | None = None) -> RunPlan:
    """Reads what to run.

    Args:
        path: The file; of a `pyproject.toml` the table `[tool.edge-mnv3]`.
        folder: Where to write; None for what the file says, or its name and `_run`.
        junit: As `RunPlan.junit`.

    Raises:
        InputFileError: It cannot be read, or no command would take what it says; the text names the place.
    """
    return _Reading(path).request(folder, junit)


def _read(path: Path) -> str:
    check_no_special_file(path, f"config {path}")
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise InputFileError(f"config {path}", why_unreadable(path, error), "a TOML file") from error
    except ValueError as error:
        raise InputFileError(f"config {path}", "text that is no UTF-8", "a TOML file") from error


class _Reading:
    """One config that is read."""

    def __init__(self, path: Path) -> None:
        self._path, self._base, self._text = path, path.parent, _read(path)
        try:
            data: Any = tomllib.loads(self._text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputFileError(f"config {path}", f"no TOML: {error}", "a TOML file") from error
        self._prefix = f"{_TABLE}." if path.name == PYPROJECT else ""
        own = own_table(path, data)
        if own is None:
            raise InputFileError(f"config {path}", f"no table [{_TABLE}]", "one", "see edge-mnv3 init")
        self._data = own

    def request(self, folder: Path | None, junit: Path | None) -> RunPlan:
        """What to run."""
        for name, value in self._data.items():
            if name not in (*_KNOWN, MADE_WITH, INPUTS):
                self._unknown(name, "", _KNOWN)
            if name != FOLDER_KEY and not isinstance(value, dict):
                got = "several tables" if isinstance(value, list) else _toml(value)
                self._refuse(name, "", got, f"a table, [{self._prefix}{name}]")
        stages = [self._plan(stage, self._data[stage]) for stage in STAGES if stage in self._data]
        if not stages:
            raise InputFileError(
                f"config {self._path}",
                "no stage",
                f"a table for one: {', '.join(STAGES)}",
                "see edge-mnv3 init",
            )
        gates = self._gates()
        stages = [self._gated(plan, gates) for plan in stages]
        self._check_files(stages)
        return RunPlan(
            config=self._path,
            folder=folder or self._folder(),
            stages=stages,
            gates=gates,
            repeated=Repeated(versions=self._texts(MADE_WITH), inputs=self._texts(INPUTS)),
            junit=junit,
        )

    def _folder(self) -> Path:
        stated = self._data.get(FOLDER_KEY)
        if stated is not None and (not isinstance(stated, str) or not stated):
            self._refuse("", FOLDER_KEY, _toml(stated), "the path of a folder")
        return folder_of(self._path, self._data)

    def _texts(self, table: str) -> Mapping[str, str]:
        return {key: value for key, value in self._data.get(table, {}).items() if isinstance(value, str)}

    def _plan(self, stage: StageName, table: dict[str, Any]) -> StagePlan:
        known = keys(stage)
        # A key that a phone alone needs stands for nothing on this machine where it has its default.
        on_host = stage == "bench" and not {"device", "log"} & table.keys()
        options: list[str] = []
        arguments: list[str] = []
        settings: dict[str, object] = {}
        paths: set[str] = set()
        locations: list[Location] = []
        for name, value in table.items():
            if name not in known:
                self._unknown(stage, name, known)
            key = known[name]
            given, found = self._values(stage, key, value)
            settings[name] = (
                value if not key.is_location else (given if isinstance(value, list) else given[0])
            )
            paths.update(found)
            if key.is_read:
                place = f"{self._path}: [{self._prefix}{stage}] {name}"
                locations += [
                    Location(f"{name} {number}", place, path, name in IMAGE_KEYS)
                    for number, path in enumerate(found, start=1)
                ]
            if isinstance(key.parameter, click.Argument):
                arguments += given
            elif not on_host or value != default_of(key):
                options += words(key, given)
        if stage == "bench" and not {"host", "device", "log"} & table.keys():
            options.append("--host")
        written = tuple(Path(str(settings[name])) for name in WRITTEN_KEYS & settings.keys())
        plan = StagePlan(
            name=stage,
            options=tuple(options),
            arguments=tuple(arguments),
            given=frozenset(table),
            settings=settings,
            paths=frozenset(paths),
            locations=tuple(locations),
            outputs=written,
        )
        self._parse(plan)
        refused = refused_pair(plan)
        if refused is not None:
            self._refuse(stage, *refused)
        self._parse(plan, to_request=True)
        return plan

    def _values(self, stage: StageName, key: Key, value: object) -> tuple[list[str], list[str]]:
        """The texts of a value as the command gets them, and the paths in them."""
        try:
            stated = texts(key, value)
        except ValueError as error:
            self._refuse(stage, key.name, _toml(value), str(error))
        pairs = [located(key, text, self._base) for text in stated]
        return [text for text, _ in pairs], [path for _, path in pairs if path is not None]

    def _parse(self, plan: StagePlan, *, to_request: bool = False) -> None:
        """Lets the command itself read the words, and where asked for make its request, as before it runs."""
        command = stage_command(plan.name)
        words = [*plan.options, *_dummies(plan)]
        try:
            with command.make_context(plan.name, words) as context:
                if to_request:
                    context.meta[CHECK_ONLY] = True
                    command.invoke(context)
        except click.UsageError as error:
            option = getattr(error, "param", None)
            name = next((name for name, key in keys(plan.name).items() if key.parameter is option), "")
            if isinstance(error, click.MissingParameter):
                self._refuse(plan.name, name, "", f"a value: {_said(error)}")
            self._refuse_text(plan, _said(error), name)
        except ArgumentError as error:
            self._refuse_text(plan, str(error), "")

    def _refuse_text(self, plan: StagePlan, text: str, name: str) -> NoReturn:
        """Refuses what a command refuses, in its words, at the key that these are of."""
        said = as_keys(text)
        name = name or key_of(said, plan.given)
        self._refuse(plan.name, name, "", "", said.removeprefix(f"{name}: "))

    def _gates(self) -> dict[str, float | str]:
        gates: dict[str, float | str] = {}
        for name, value in self._data.get(_GATES, {}).items():
            if name == BASELINE:
                if not isinstance(value, str) or not value:
                    self._refuse(_GATES, name, _toml(value), "the JSON of an earlier edge-mnv3 cost")
                gates[name] = str(self._base / value)
                continue
            if name not in GATES:
                self._unknown(_GATES, name, (*GATES, BASELINE))
            gate = GATES[name]
            right = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not right or not gate.least <= value <= min(gate.most, _MOST):
                to = "" if gate.most == math.inf else f" to {gate.most:g}"
                limit = f"{gate.least:g}{to}" if to else f"at least {gate.least:g}"
                self._refuse(_GATES, name, _toml(value), f"a number, {limit}")
            if gate.stage not in self._data and not (name == SIZE and self._names_int8()):
                self._refuse(
                    _GATES, name, f"no table [{gate.stage}]", "one: it measures what this gate limits"
                )
            if gate.option and gate.option in self._data[gate.stage]:
                self._refuse(_GATES, name, f"{gate.option} in [{gate.stage}] too", "one of the two")
            gates[name] = value
        if (BASELINE in gates) != ("max_instructions_percent" in gates):
            self._refuse(
                _GATES, "", f"only one of {BASELINE} and max_instructions_percent", "both or neither"
            )
        return gates

    def _names_int8(self) -> bool:
        """Whether a table names the int8 file, which is then nothing that quantize makes."""
        return any("int8" in self._data[stage] for stage in STAGES if stage in self._data)

    def _gated(self, plan: StagePlan, gates: Mapping[str, float | str]) -> StagePlan:
        """The stage with the gates that are options of its command."""
        mine = {
            name: float(gates[name]) for name in gates if name in GATES and GATES[name].stage == plan.name
        }
        gated = {GATES[name].option: limit for name, limit in mine.items() if GATES[name].option}
        options = [f"--{option.replace('_', '-')}={limit!r}" for option, limit in gated.items()]
        locations = list(plan.locations)
        if plan.name == "cost" and BASELINE in gates:
            path = str(gates[BASELINE])
            options.append(f"--{BASELINE}={path}")
            place = f"{self._path}: [{self._prefix}{_GATES}] {BASELINE}"
            locations.append(Location(BASELINE, place, path, images=False))
        return dataclasses.replace(
            plan, options=(*plan.options, *options), gated=gated, locations=tuple(locations)
        )

    def _check_files(self, stages: list[StagePlan]) -> None:
        """Refuses a stage whose float and int8 file no stage before it gives."""
        have: set[str] = set()
        for plan in stages:
            have |= {"float", "int8"} if plan.name == "quantize" else {"float", "int8"} & plan.given
            needs = {"cost": ("int8",), "package": ("int8",), "bench": ("float", "int8")}.get(
                plan.name, FROM_EARLIER[plan.name]
            )
            free = plan.name == "report" or plan.given & {"files", "models", "log", "variant"}
            missing = () if free else [name for name in needs if name not in have]
            if missing:
                self._refuse(
                    plan.name,
                    "",
                    f"no {' and '.join(missing)} file",
                    "[quantize], which makes both, or their paths here or in a table before",
                )

    def _unknown(self, table: str, name: str, known: Any) -> NoReturn:
        if name in OWN_KEYS and table in STAGES:
            self._refuse(table, name, "a key", "none: run gives it itself, and writes to one folder, its -o")
        names = ", ".join(known)
        meant = alike(name or table, known)
        what = "key" if name else "table or key"
        hint = f"Did you mean '{meant}'?" if meant else f"Known are {names}"
        self._refuse(table, name, "", "", f"there is no such {what}. {hint}")

    def _refuse(self, table: str, name: str, got: str, expected: str, said: str = "") -> NoReturn:
        line = _line(self._text, self._prefix, table, name)
        place = f"{self._path}{f':{line}' if line else ''}"
        inside = name or table in _KNOWN or isinstance(self._data.get(table), dict)
        shown = f"[{self._prefix}{table}]" if inside else f"{self._prefix}{table}"
        named = f"{shown} {name}".strip() if table else name
        raise InputFileError(f"{place}: {named}{f': {said}' if said else ''}", got, expected)


def _dummies(plan: StagePlan) -> list[str]:
    """The last words of a command line: arguments, and names in place of what earlier stages will write."""
    options, arguments = [], list(plan.arguments)
    for name in FROM_EARLIER[plan.name]:
        if name in ("float", "int8"):
            options += [] if name in plan.given else [f"--{name}={_DUMMY}"]
        elif not plan.given & {"files", "models", "log", "variant"}:
            arguments = [f"{_DUMMY} {number}" for number in range(2 if plan.name == "bench" else 1)]
    return [*options, "--", *arguments]


def _said(error: click.UsageError) -> str:
    """What click says of a value, without the option's name, which the place has."""
    text = (
        error.message if isinstance(error, click.BadParameter) and error.message else error.format_message()
    )
    return " ".join(text.split())


def _toml(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MOST:
        return "a number of more than 300 digits"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _line(text: str, prefix: str, table: str, name: str) -> int | None:
    """The line of a key or table, from 1 on; None where it is written in some other form."""
    header, found = "", None
    for number, line in enumerate(text.splitlines(), start=1):
        opened = re.match(r"\s*\[?\[([^\[\]]+)\]", line)
        if opened:
            header = re.sub(r"[\s\"']", "", opened[1])
        inside = header == f"{prefix}{table}" or (not table and header == prefix.rstrip("."))
        if opened and inside and table:
            found = number
        if inside and name and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line):
            return number
        if (
            not name
            and not opened
            and header == prefix.rstrip(".")
            and re.match(rf"\s*{re.escape(table)}\s*=", line)
        ):
            return number
    return found
