"""The stage `doctor`: whether this machine and its Python have what the commands need."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, check_call
from edge_mnv3.core.results.doctor import DoctorCheck, DoctorResult
from edge_mnv3.core.versions import __version__

_FRESH = "make a fresh virtual environment and install edge-mnv3 there"
# TensorFlow has a check of its own, and these would put a second one beside the first.
_UNLISTED_EXTRAS = frozenset({"demo", "dev", "tensorflow", "tensorflow-cpu"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorRequest(Request):
    """What to look at.

    Attributes:
        adb: The adb binary; None for the one that `bench` would find.
        network: Whether to ask the server of the published weights.
    """

    adb: AnyPath | None = None
    network: bool = True


def doctor(request: DoctorRequest | None = None, reporter: Reporter = SILENT) -> DoctorResult:
    """Looks at Python and its packages, the runtime, disk, caches, phones, the emulated Arm, the network.

    Nothing is changed. A check that cannot be made says so as a `fail` of its own.
    """
    asked = request or DoctorRequest()
    check_call("doctor", (DoctorRequest,), asked, reporter)
    checks: list[DoctorCheck] = []
    steps = _steps(asked)
    for number, step in enumerate(steps):
        reporter.step(step.text)
        reporter.progress(number, len(steps))
        checks += _looked(step)
    return DoctorResult(version=__version__, checks=tuple(checks))


class _Step(NamedTuple):
    text: str
    name: str  # of the check, where it cannot be made
    look: Callable[[], Sequence[DoctorCheck]]


def _looked(step: _Step) -> Sequence[DoctorCheck]:
    try:
        return step.look()
    except Exception as error:  # what is broken breaks in its own way, and the other checks are still wanted
        detail = f"cannot be looked at: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return [DoctorCheck(name=step.name, status="fail", detail=detail, cure=_FRESH)]


def _steps(asked: DoctorRequest) -> list[_Step]:
    """The checks in order; each imports what it looks at, for that may be broken."""
    adb = None if asked.adb is None else Path(asked.adb)
    steps = [
        _Step("looking at Python", "python", _python),
        _Step("looking at packages", "packages", _packages),
        _Step("looking at the machine", "machine", lambda: [_machine().machine_check()]),
        _Step("running a tiny model", "runtime", lambda: [_machine().runtime_check()]),
        _Step("importing TensorFlow", "tensorflow", _tensorflow),
        _Step("looking at the disk", "disk", lambda: _machine().disk_checks(_machine().working_folders())),
        _Step("reading the store of results", "store", lambda: [_machine().store_check()]),
        _Step("looking for phones", "adb", lambda: _machine().phone_checks(adb)),
        _Step("starting the emulated Arm", "emulated Arm", lambda: [_machine().arm_check()]),
    ]
    if asked.network:
        steps.append(_Step("asking for the weights", "weights", lambda: [_machine().weights_check()]))
    return steps


def _machine() -> ModuleType:
    return importlib.import_module("edge_mnv3.stages.doctor_machine")


def _python() -> list[DoctorCheck]:
    from edge_mnv3.stages.doctor_packages import python_check

    return [python_check(_own_metadata()[0])]


def _packages() -> list[DoctorCheck]:
    from edge_mnv3.stages import doctor_packages

    packages = doctor_packages.installed_packages()
    return [
        *doctor_packages.requirement_checks(packages, {}),
        *doctor_packages.conflict_checks(importlib.metadata.packages_distributions(), packages),
        doctor_packages.extras_check(packages, _own_metadata()[1]),
    ]


def _tensorflow() -> list[DoctorCheck]:
    from edge_mnv3.stages.doctor_packages import tensorflow_check

    return [tensorflow_check()]


def _own_metadata() -> tuple[str | None, list[str]]:
    """The versions of Python that this program is made for, and its extras; None and none in a checkout."""
    try:
        own = importlib.metadata.metadata("edge-mnv3")
    except importlib.metadata.PackageNotFoundError:
        return None, []
    extras = [name for name in own.get_all("Provides-Extra") or () if name not in _UNLISTED_EXTRAS]
    return own["Requires-Python"], extras
