"""What `doctor` looks at in Python's environment: the interpreter, the packages, TensorFlow."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from edge_mnv3.core import process
from edge_mnv3.core.results.doctor import DoctorCheck
from edge_mnv3.core.tensorflow_package import TENSORFLOW_EXTRAS
from edge_mnv3.core.versions import OLDEST_TENSORFLOW, UNTRIED_TENSORFLOW

_DISTRIBUTION = "edge-mnv3"
# Modules of which several distributions have files, and overwrite each other's.
_SHARED_MODULES = ("tensorflow", "keras", "ai_edge_litert", "tflite_runtime")
_TENSORFLOW_TIMEOUT_S = 180.0  # its first import after the installation compiles thousands of files
_TENSORFLOW = (
    "import os; os.environ.update(KERAS_BACKEND='tensorflow', TF_CPP_MIN_LOG_LEVEL='3')\n"
    "import keras, tensorflow\n"
    "float(tensorflow.constant(1.0) + 1.0)\n"
    "print(tensorflow.__version__, keras.__version__)"
)


class Package(NamedTuple):
    """An installed distribution: its version, and its requirements as its metadata has them."""

    version: str
    requirements: tuple[str, ...]


def installed_packages() -> dict[str, Package]:
    """Returns what is installed, by normalized name; of a name that is there twice, what Python takes."""
    found: dict[str, Package] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(_normal(name), Package(distribution.version, tuple(distribution.requires or ())))
    return found


def python_check(wanted: str | None) -> DoctorCheck:
    """Checks the interpreter.

    Args:
        wanted: The versions that this program is made for, such as `>=3.10,<3.14`; None where its own
            metadata are not installed.
    """
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    bits = 64 if sys.maxsize > 2**32 else 32
    detail = f"Python {version}, {bits} bits, {platform.machine()}, {platform.system()}"
    if bits == 32:
        return DoctorCheck(
            name="python",
            status="fail",
            detail=detail,
            cure="install a Python of 64 bits: no wheels are made for 32",
        )
    if wanted and not SpecifierSet(wanted).contains(version, prereleases=True):
        cure = f"make an environment with Python {wanted}"
        return DoctorCheck(name="python", status="fail", detail=detail, cure=cure)
    return DoctorCheck(name="python", status="ok", detail=detail)


def requirement_checks(packages: Mapping[str, Package], environment: Mapping[str, str]) -> list[DoctorCheck]:
    """Checks that what this program requires, and what that requires in turn, is there in the right version.

    Args:
        packages: From `installed_packages`.
        environment: Values of environment markers that replace those of this machine.
    """
    if _DISTRIBUTION not in packages:
        detail = "edge-mnv3 runs from its source folder and is not installed: its requirements are not known"
        return [DoctorCheck(name="packages", status="warn", detail=detail, cure="pip install edge-mnv3")]
    problems, seen = _broken(packages, environment)
    if not problems:
        detail = f"{len(seen)} packages, each in a version that the others take"
        return [DoctorCheck(name="packages", status="ok", detail=detail)]
    return [
        DoctorCheck(name="packages", status="fail", detail=detail, cure=f'pip install "{requirement}"')
        for detail, requirement in problems
    ]


def _broken(
    packages: Mapping[str, Package], environment: Mapping[str, str]
) -> tuple[list[tuple[str, str]], set[str]]:
    """Returns what is not met, each with the requirement; and the names of all that was looked at."""
    from packaging.requirements import Requirement

    problems, seen, waiting = [], {_DISTRIBUTION}, [_DISTRIBUTION]
    while waiting:
        name = waiting.pop()
        for text in packages[name].requirements:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": "", **environment}):
                continue
            needed = _normal(requirement.name)
            bare = f"{requirement.name}{requirement.specifier}"
            found = packages.get(needed)
            if found is None:
                problems.append((f"{name} needs {bare}, which is not installed", bare))
            elif not requirement.specifier.contains(found.version, prereleases=True):
                problems.append((f"{name} needs {bare}, and {found.version} is installed", bare))
            elif needed not in seen:
                seen.add(needed)
                waiting.append(needed)
    return problems, seen


def conflict_checks(
    providers: Mapping[str, Sequence[str]], packages: Mapping[str, Package]
) -> list[DoctorCheck]:
    """Looks for packages that are known to break each other.

    Args:
        providers: The distributions that have files of each module, from `importlib.metadata`.
        packages: From `installed_packages`.
    """
    checks = []
    for module in _SHARED_MODULES:
        names = sorted(set(map(_normal, providers.get(module, ()))))
        if len(names) > 1:
            both = " and ".join(f"{name} {packages[name].version}" for name in names if name in packages)
            detail = f"{both} have the same files: the last one has overwritten the other's"
            again = packages.get(names[0])
            cure = f"pip uninstall -y {' '.join(names)} && pip install {names[0]}"
            cure += f"=={again.version}" if again else ""
            checks.append(DoctorCheck(name="conflicts", status="fail", detail=detail, cure=cure))
    numpy, old = packages.get("numpy"), packages.get("tflite-runtime")
    if old and numpy and int(numpy.version.split(".")[0]) >= 2:
        checks.append(
            DoctorCheck(
                name="conflicts",
                status="warn",
                detail=f"tflite-runtime {old.version} was built for NumPy 1, and NumPy {numpy.version} is "
                "installed: --runtime tflite-runtime does not work here, everything else does",
                cure="pip uninstall tflite-runtime, or give it an environment of its own",
            )
        )
    return checks or [DoctorCheck(name="conflicts", status="ok", detail="no packages that break each other")]


def extras_check(packages: Mapping[str, Package], extras: Iterable[str]) -> DoctorCheck:
    """Tells which extras are installed.

    Args:
        packages: From `installed_packages`.
        extras: Names of extras, those for development left out.
    """
    from packaging.requirements import Requirement

    have: list[str] = []
    lack: list[str] = []
    own = packages[_DISTRIBUTION].requirements if _DISTRIBUTION in packages else ()
    for extra in extras:
        needed = [
            requirement
            for requirement in map(Requirement, own)
            if requirement.marker
            and requirement.marker.evaluate({"extra": extra})
            and not requirement.marker.evaluate({"extra": ""})
        ]
        met = needed and all(
            _normal(each.name) in packages
            and each.specifier.contains(packages[_normal(each.name)].version, prereleases=True)
            for each in needed
        )
        (have if met else lack).append(extra)
    detail = f"installed: {', '.join(have) or 'none'}"
    if lack:
        detail += f"; not installed: {', '.join(lack)} (pip install 'edge-mnv3[{lack[0]}]')"
    return DoctorCheck(name="extras", status="ok", detail=detail)


def tensorflow_check(program: Sequence[str] = (sys.executable, "-c", _TENSORFLOW)) -> DoctorCheck:
    """Imports TensorFlow and Keras in a process of their own, and computes one sum.

    Args:
        program: What to run.
    """
    done = process.run(program, timeout_s=_TENSORFLOW_TIMEOUT_S)
    if done.returncode == 0:
        tensorflow, keras = [*done.stdout.split(), "?", "?"][:2]
        unfit = _unfit_tensorflow(tensorflow)
        if unfit is not None:
            return unfit
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        other = "" if backend == "tensorflow" else f"; KERAS_BACKEND={backend} has no say in edge-mnv3"
        detail = f"TensorFlow {tensorflow}, Keras {keras}{other}"
        return DoctorCheck(name="tensorflow", status="ok", detail=detail)
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    if "No module named 'tensorflow'" in last[0] or "No module named 'keras'" in last[0]:
        return DoctorCheck(
            name="tensorflow",
            status="warn",
            detail="TensorFlow is not installed: build, demo, and quantize of anything but a float .tflite "
            "need it, nothing else does",
            cure=TENSORFLOW_EXTRAS,
        )
    ended = "did not end in time" if done.returncode is None else "fails"
    return DoctorCheck(
        name="tensorflow",
        status="fail",
        detail=f"importing TensorFlow {ended}: {last[0][:300]}",
        cure="make a fresh virtual environment and install edge-mnv3 there",
    )


def _unfit_tensorflow(version: str) -> DoctorCheck | None:
    found = re.match(r"(\d+)\.(\d+)", version)
    minor = (int(found[1]), int(found[2])) if found else OLDEST_TENSORFLOW
    if OLDEST_TENSORFLOW <= minor < UNTRIED_TENSORFLOW:
        return None
    oldest, untried = (".".join(map(str, each)) for each in (OLDEST_TENSORFLOW, UNTRIED_TENSORFLOW))
    is_old = minor < OLDEST_TENSORFLOW
    return DoctorCheck(
        name="tensorflow",
        status="fail" if is_old else "warn",
        detail=f"TensorFlow {version} is {'too old' if is_old else 'newer than those that were tried'}",
        cure=f"install one from {oldest} on that is older than {untried}",
    )


def _normal(name: str) -> str:
    """The name as package indexes compare it."""
    from packaging.utils import canonicalize_name

    return str(canonicalize_name(name))
