"""`edge-mnv3 doctor` on this machine, and on one where things are broken."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.results.doctor import DoctorResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.model.weights import PUBLISHED
from edge_mnv3.packaging.arm import FOLDER_VARIABLE
from edge_mnv3.stages import doctor_machine
from edge_mnv3.stages.doctor_machine import phone_checks, runtime_check, store_check, weights_check
from edge_mnv3.stages.doctor_packages import tensorflow_check
from edge_mnv3_quantization.evaluation.store import Store
from strict_schemas import problems

NEEDS = {
    "python",
    "packages",
    "conflicts",
    "extras",
    "machine",
    "runtime",
    "tensorflow",
    "disk",
    "store",
    "adb",
}


def doctor(folder: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "edge_mnv3.cli", "doctor", "--no-network", "--json"],
        env={
            **os.environ,
            FOLDER_VARIABLE: str(folder / "none"),
            "EDGE_MNV3_CACHE": str(folder),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    assert from_json(DoctorResult, done.stdout).version == data["version"]
    assert problems("doctor", data) == []
    return done.returncode, data


def test_this_machine(tmp_path: Path) -> None:
    """Everything that the tests need is here, and the emulated Arm is told to be missing with its cure."""
    code, data = doctor(tmp_path)
    found = {check["name"]: check for check in data["checks"]}
    assert {*found} - {"phone"} == {*NEEDS, "emulated Arm"}
    failed = [check for check in data["checks"] if check["status"] == "fail"]
    assert code == (3 if failed else 0)
    for name in ("python", "runtime", "tensorflow", "store"):
        assert found[name]["status"] == "ok", found[name]
    assert found["emulated Arm"]["status"] == "warn"
    assert "arm_sysroot.sh" in found["emulated Arm"]["cure"]
    assert all(check["cure"] for check in data["checks"] if check["status"] != "ok")


def test_a_broken_numpy_is_told_and_does_not_end_it(tmp_path: Path) -> None:
    """What imports it fails, each on its own; the others are still looked at."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise AttributeError('half an installation')\n")
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    code, data = doctor(tmp_path, PYTHONPATH=path)
    found = {check["name"]: check for check in data["checks"]}
    assert code == 3
    assert found["runtime"]["status"] == found["tensorflow"]["status"] == "fail"
    assert "half an installation" in found["runtime"]["detail"]
    assert "half an installation" in found["tensorflow"]["detail"]
    assert found["python"]["status"] == "ok"


def test_a_runtime_that_computes_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong number is a failure, though it loads and runs."""
    right = runtime_check()
    assert right.status == "ok"
    wrong = doctor_machine.tiny_model()
    monkeypatch.setattr(doctor_machine, "_OFFSET", 2.0)
    monkeypatch.setattr(doctor_machine, "tiny_model", lambda: wrong)
    check = runtime_check()
    assert check.status == "fail"
    assert check.detail == "xnnpack computes 21.0 where 22.0 is right"


def test_phones_that_adb_lists(tmp_path: Path) -> None:
    """Each with what to do about its state."""
    adb = tmp_path / "adb"
    adb.write_text(
        "#!/bin/sh\ncat <<'END'\nList of devices attached\n"
        "8A1X device usb:1-1 product:p model:Pixel_3 device:b transport_id:1\n"
        "9B2Y unauthorized usb:1-2 transport_id:2\n\nEND\n"
    )
    adb.chmod(0o755)
    found, ready, waiting = phone_checks(adb)
    assert (found.name, found.status, found.detail) == ("adb", "ok", f"{adb}; 2 phones")
    assert (ready.status, ready.detail) == ("ok", "8A1X Pixel 3: ready")
    assert waiting.status == "warn"
    assert "allow USB debugging" in waiting.cure
    (missing,) = phone_checks(tmp_path / "none")
    assert missing.status == "fail"  # it was asked for


def test_tensorflow_that_is_missing_or_broken() -> None:
    python = (sys.executable, "-c")
    missing = tensorflow_check((*python, "raise ModuleNotFoundError(\"No module named 'tensorflow'\")"))
    assert missing.status == "warn"
    broken = tensorflow_check((*python, "raise ImportError('libx.so: no such file')"))
    assert (broken.status, broken.detail) == (
        "fail",
        "importing TensorFlow fails: ImportError: libx.so: no such file",
    )


def test_a_store_that_was_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path))
    assert store_check().detail == "nothing is kept yet"
    assert list(tmp_path.iterdir()) == []
    store = tmp_path / "results"
    with Store(store, SILENT) as opened:
        opened.keep_files([("signature", "path", "hash")])
    assert store_check().detail.startswith("0 evaluations, ")
    (file,) = store.glob("*.sqlite")
    file.write_bytes(b"no database" * 100)
    check = store_check()
    assert check.status == "warn"
    assert "nothing" in check.cure


def test_weights_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("EDGE_MNV3_WEIGHTS_URL", "http://127.0.0.1:9/weights")
    check = weights_check()
    assert check.status == "warn"
    assert " cannot be reached, or does not have these files (ConnectionError)" in check.detail
    assert check.detail.startswith(
        "0 of 12 published files are in the cache; http://127.0.0.1:9/weights/ cannot"
    )
    asked: list[str] = []
    assert weights_check(asked.append).status == "ok"
    assert [url.rpartition("/")[0] for url in asked] == ["http://127.0.0.1:9/weights"]
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("EDGE_MNV3_WEIGHTS_URL", f"http://127.0.0.1:{server.server_port}")
        assert weights_check().status == "warn"  # it answers, and has nothing
        name = next(iter(PUBLISHED.values())).name
        (tmp_path / name).touch()
        assert weights_check().status == "ok"
        server.shutdown()
