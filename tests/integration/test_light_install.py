"""The package with its base dependencies alone, as `pip install edge-mnv3` leaves it: no TensorFlow.

`.ci/run` runs this on other Pythons, in environments into which the wheel was installed.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_mnv3.cli import COMMANDS
from edge_mnv3.core.tensorflow_package import TENSORFLOW_EXTRAS
from edge_mnv3.core.versions import __version__
from edge_mnv3.stages.demo import demo_weights
from small_network_inputs import write_inputs

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow") is not None,
    reason="TensorFlow is installed here: .ci/run runs this on Pythons that have none",
)
# Runs command lines in one process, and writes what came of each: nothing that they import may be missing.
RUNNER = """
import json, sys
from click.testing import CliRunner
from edge_mnv3.cli import main
import edge_mnv3
done = []
for line in json.load(sys.stdin):
    result = CliRunner().invoke(main, line)
    done.append([result.exit_code, result.stdout, result.stderr])
json.dump([edge_mnv3.__file__, done], sys.__stdout__)
"""


class Done(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    return tmp_path


def run(folder: Path, *lines: str) -> list[Done]:
    """Runs command lines of the installed package in a folder."""
    away = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**away, "EDGE_MNV3_CACHE": str(folder / "cache"), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps([line.split() for line in lines]),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    place, results = json.loads(done.stdout)
    assert "site-packages" in place, "the wheel is to be tested, not this checkout"
    return [Done(*each) for each in results]


def test_every_command_tells_its_options(folder: Path) -> None:
    lines = [f"{name} --help" for name in COMMANDS]
    for line, done in zip(lines, run(folder, *lines), strict=True):
        assert done.exit_code == 0, line
        assert done.stdout.startswith("Usage: "), line
    script = Path(sys.executable).with_name("edge-mnv3")
    shown = subprocess.run([script, "-V"], capture_output=True, text=True, timeout=60)
    assert shown.stdout == f"edge-mnv3, version {__version__}\n"


def test_the_way_of_a_float_file_to_the_report(folder: Path) -> None:
    """Quantizing a `.tflite` needs no TensorFlow either."""
    pair = "--float out/float_float.tflite --int8 out/float_int8.tflite"
    model = "float.tflite --input-range 0..255 --calibration pictures"
    (quantized, validated) = run(
        folder, f"quantize {model} -o out", f"validate {pair} --data labelled.csv --json"
    )
    assert (quantized.exit_code, validated.exit_code) == (0, 0), (quantized.stderr, validated.stderr)
    (folder / "out" / "validate.json").write_text(validated.stdout, encoding="utf-8")
    lines = (
        f"calibrate {model} -o calibration",
        f"statistics collect {model} -o statistics.npz",
        f"diagnose {pair} -o out/diagnose.json",
        "inspect out/float_int8.tflite",
        "bench --host out/float_float.tflite out/float_int8.tflite -o bench.json",
        "export bench.json",
        "package out -o bundle --labels names.txt",
        "verify bundle",
        "report out -o report.html",
        f"sweep {model} --samples 8 --budgets 0 -o sweep",
        "results list",
        "published",
        "benchmark-binary list",
        "schema quantize",
        "help quantize",
    )
    for line, done in zip(lines, run(folder, *lines), strict=True):
        assert done.exit_code == 0, (line, done.stderr)
        assert "Traceback" not in done.stderr, line
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1" in page
    assert f"{json.loads(validated.stdout)['n']} images" in page


def test_what_needs_something_else_says_what(folder: Path) -> None:
    """Commands that find nothing to work on, and no package that they lack."""
    (cost, history, doctor) = run(folder, "cost float.tflite", "history", "doctor --no-network --json")
    assert cost.stderr.startswith("error: cost needs an emulated Arm processor: ")
    assert history.stderr.startswith("error: history edge_mnv3_history.jsonl: got no such file")
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert doctor.exit_code == 0
    assert (checks["tensorflow"]["status"], checks["tensorflow"]["cure"]) == ("warn", TENSORFLOW_EXTRAS)
    assert checks["packages"]["status"] == "ok", checks["packages"]
    assert "tensorflow" not in checks["extras"]["detail"]


def test_what_needs_tensorflow_says_so_before_all_else(folder: Path) -> None:
    """Nothing is downloaded, read or written; there are no images where the commands are told to look."""
    weights = folder / "weights.h5"
    weights.write_bytes(demo_weights().read_bytes())
    (folder / "model.keras").write_bytes(keras_archive())
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").write_bytes(b"")
    before = sorted(folder.rglob("*"))
    variant, model = "building a MobileNetV3", "model {}"
    asked = {
        "quantize --variant small": variant,
        "quantize --variant small --weights weights.h5": variant,
        "quantize weights.h5": model.format("weights.h5"),
        "quantize model.keras": model.format("model.keras"),
        "quantize saved": model.format("saved"),
        "quantize float.tflite --recipe stock --calibration nowhere": "recipe stock",
        "build --variant small -o built.keras": variant,
        "build model.keras -o built.keras": model.format("model.keras"),
        "calibrate --variant small --calibration nowhere -o stored": variant,
        "statistics collect --variant small --calibration nowhere -o s.npz": variant,
        "sweep --variants small --calibration nowhere": variant,
        "sweep float.tflite --recipes stock --calibration nowhere": "recipe stock",
        "demo": "the demo",
    }
    for (line, what), done in zip(asked.items(), run(folder, *asked), strict=True):
        told = f"error: {what} needs TensorFlow, which is not installed; {TENSORFLOW_EXTRAS}\n"
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", told), line
    assert sorted(folder.rglob("*")) == before


def test_python_callers_get_an_import_error() -> None:
    code = (
        "try:\n import edge_mnv3.builder\nexcept ImportError as error:\n print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("MissingExtraError edge_mnv3.builder needs TensorFlow"), done.stderr


def keras_archive() -> bytes:
    """What `quantize` takes for a `.keras` by its entries; nobody opens them here."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(8))
    return held.getvalue()
