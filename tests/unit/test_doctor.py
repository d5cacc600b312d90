"""What `doctor` says of environments, from their values."""

from __future__ import annotations

import importlib.metadata
import platform
from email.message import Message
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_mnv3.commands.doctor import table
from edge_mnv3.core import process
from edge_mnv3.core.results.doctor import DoctorCheck, DoctorResult, Status
from edge_mnv3.core.tensorflow_package import TENSORFLOW_EXTRAS
from edge_mnv3.stages import doctor
from edge_mnv3.stages.doctor_machine import disk_checks
from edge_mnv3.stages.doctor_packages import (
    Package,
    conflict_checks,
    extras_check,
    python_check,
    requirement_checks,
    tensorflow_check,
)

OWN = Package("1.0", ("numpy>=1.26", "Keras.Core >=3; python_version >= '3'", "six; extra == 'plot'"))
WHOLE = {"edge-mnv3": OWN, "numpy": Package("2.1", ()), "keras-core": Package("3.1", ("protobuf>=5",))}


@pytest.mark.parametrize(("wanted", "status"), [(">=3.8", "ok"), ("<3.8", "fail"), (None, "ok")])
def test_versions_of_python(wanted: str | None, status: str) -> None:
    check = python_check(wanted)
    assert check.status == status
    assert platform.python_version() in check.detail
    assert bool(check.cure) == (status == "fail")


def test_requirements_are_followed_to_their_end() -> None:
    """A package that a package needs is missing; names are compared as pip does."""
    (check,) = requirement_checks(WHOLE, {})
    assert check == DoctorCheck(
        name="packages",
        status="fail",
        detail="keras-core needs protobuf>=5, which is not installed",
        cure='pip install "protobuf>=5"',
    )
    (check,) = requirement_checks({**WHOLE, "protobuf": Package("4.25.3", ())}, {})
    assert check.detail == "keras-core needs protobuf>=5, and 4.25.3 is installed"
    (check,) = requirement_checks({**WHOLE, "protobuf": Package("5.29", ("numpy",))}, {})
    assert (check.status, check.detail) == ("ok", "4 packages, each in a version that the others take")
    (check,) = requirement_checks({}, {})
    assert (check.status, check.cure) == ("warn", "pip install edge-mnv3")


def test_requirements_of_other_machines_do_not_count() -> None:
    packages = {"edge-mnv3": Package("1.0", ("tensorflow; platform_system == 'Nowhere'",))}
    assert requirement_checks(packages, {})[0].status == "ok"
    assert requirement_checks(packages, {"platform_system": "Nowhere"})[0].status == "fail"


def test_two_packages_with_the_same_files() -> None:
    packages = {"tensorflow": Package("2.21.0", ()), "tensorflow-cpu": Package("2.20.0", ())}
    providers = {"tensorflow": ["tensorflow", "tensorflow_cpu", "tensorflow_cpu"], "yaml": ["a", "b"]}
    (check,) = conflict_checks(providers, packages)
    assert check.status == "fail"
    assert check.detail.startswith("tensorflow 2.21.0 and tensorflow-cpu 2.20.0 have the same files")
    assert check.cure == "pip uninstall -y tensorflow tensorflow-cpu && pip install tensorflow==2.21.0"
    (check,) = conflict_checks({"tensorflow": ["tensorflow_cpu", "tensorflow_cpu"]}, packages)
    assert check.status == "ok"


@pytest.mark.parametrize(("numpy", "status"), [("2.4.0", "warn"), ("1.26.4", "ok")])
def test_numpy_and_the_old_runtime(numpy: str, status: str) -> None:
    packages = {"numpy": Package(numpy, ()), "tflite-runtime": Package("2.14.0", ())}
    assert [check.status for check in conflict_checks({}, packages)] == [status]


def test_extras() -> None:
    assert extras_check({**WHOLE, "six": Package("1.0", ())}, ["plot"]).detail == "installed: plot"
    lacking = extras_check(WHOLE, ["plot"])
    assert lacking.status == "ok"
    assert lacking.detail == "installed: none; not installed: plot (pip install 'edge-mnv3[plot]')"


def test_folders_that_do_not_exist_yet(tmp_path: Path) -> None:
    """They are judged by the nearest that does, and not made."""
    later = tmp_path / "cache" / "of" / "models"
    (check,) = disk_checks({"cache folder": later})
    assert check.detail.startswith(f"cache folder {later}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_files() -> None:
    (cache, current) = disk_checks({"cache folder": Path("/proc/1"), "current folder": Path("/proc/1")})
    assert (cache.status, current.status) == ("fail", "warn")
    assert cache.detail.startswith("cache folder /proc/1 cannot be written to: ")
    assert cache.cure == "free some room there, or use another folder (EDGE_MNV3_CACHE)"


@pytest.mark.parametrize(
    ("statuses", "last"),
    [
        (["ok", "ok"], "edge-mnv3 1.0: everything is there."),
        (["ok", "warn"], "edge-mnv3 1.0: nothing is broken; each warning tells what some commands need."),
        (
            ["warn", "fail"],
            "edge-mnv3 1.0: broken: 1 of 2 checks failed; the cure stands under each.",
        ),
    ],
)
def test_the_table_and_its_verdict(statuses: list[Status], last: str) -> None:
    checks = tuple(
        DoctorCheck(name="adb", status=status, detail="seen", cure="" if status == "ok" else "do it")
        for status in statuses
    )
    result = DoctorResult(version="1.0", checks=checks)
    lines = table(result).split("\n")
    assert lines[0] == f"{statuses[0]:<6}adb  seen"
    assert lines.count(f"{'':<11}-> do it") == len(statuses) - statuses.count("ok")
    assert lines[-1] == last
    assert result.passed == ("fail" not in statuses)


@pytest.mark.parametrize(
    ("printed", "status", "said"),
    [
        ("2.18.1 3.6.0", "fail", "TensorFlow 2.18.1 is too old"),
        ("2.21.0 3.12.0", "ok", "TensorFlow 2.21.0, Keras 3.12.0"),
        ("2.22.0rc0 3.15.0", "warn", "TensorFlow 2.22.0rc0 is newer than those that were tried"),
        ("main", "ok", "TensorFlow main, Keras ?"),
    ],
)
def test_versions_of_tensorflow(
    printed: str, status: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(
        process, "run", lambda program, timeout_s: SimpleNamespace(returncode=0, stdout=printed)
    )
    check = tensorflow_check()
    assert (check.status, check.detail) == (status, said)
    assert check.cure == ("" if status == "ok" else "install one from 2.19 on that is older than 2.22")


def test_no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a second build beside the first would not break is advised: the extras, by name."""
    failed = SimpleNamespace(returncode=1, stderr="Traceback\nModuleNotFoundError: No module named 'keras'\n")
    monkeypatch.setattr(process, "run", lambda program, timeout_s: failed)
    check = tensorflow_check()
    assert (check.status, check.cure) == ("warn", TENSORFLOW_EXTRAS)


def test_extras_that_would_overwrite_a_tensorflow_are_not_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Message()
    own["Requires-Python"] = ">=3.10"
    for extra in ("tensorflow", "tensorflow-cpu", "demo", "dev", "plot"):
        own["Provides-Extra"] = extra
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: own)
    assert doctor._own_metadata() == (">=3.10", ["plot"])
