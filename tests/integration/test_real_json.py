"""What commands print with `--json`, and the files that they write, against the published JSON Schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from edge_mnv3.cli import main
from int8_pairs import CLASSES, IMAGES, float_file, small_network
from strict_schemas import problems

pytest.importorskip("jsonschema", reason="needs the extra: pip install -e '.[dev]'")
MODEL = "float.tflite --input-range 0..255 --calibration pictures"
PAIR = "--float out/float_float.tflite --int8 out/float_int8.tflite"
# In the order of a user's work; each with its schema.
LINES = {
    f"quantize {MODEL} -o out": "quantize",
    f"calibrate {MODEL} -o stored": "calibrate",
    f"statistics collect {MODEL} -o statistics.npz": "statistics",
    f"validate {PAIR} --data labelled.csv": "validate",
    f"diagnose {PAIR} --images pictures": "diagnose",
    "inspect out/float_int8.tflite": "inspect",
    "bench --host out/float_int8.tflite --runs 20": "bench-host",
    "bench --host out/float_float.tflite out/float_int8.tflite --runs 20": "bench-host-of-several-files",
    "package out -o bundle --labels names.txt": "package",
    "verify bundle": "verify",
    "report out -o report.html": "report",
    f"sweep {MODEL} --samples 8 --budgets 0 -o sweep --dry-run": "sweep-dry-run",
    f"sweep {MODEL} --samples 8 --budgets 0 -o sweep": "sweep",
    "results list": "results-list",
    "published": "published",
    "reproduce --modelled": "reproduce-modelled",
    "benchmark-binary list": "benchmark-binary-list",
}


def test_real_outputs_are_true_to_their_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strictly: no key too many either. Each command works on what those before it have made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path / "cache"))
    Path("float.tflite").write_bytes(float_file(small_network()))
    Path("pictures").mkdir()
    for place, image in enumerate(IMAGES):
        Image.fromarray(image).save(f"pictures/{place:02}.png")
    rows = [f"pictures/{place:02}.png,{place % CLASSES}" for place in range(len(IMAGES))]
    Path("labelled.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    Path("names.txt").write_text("\n".join(f"class {index}" for index in range(CLASSES)), encoding="utf-8")
    for line, name in LINES.items():
        done = CliRunner().invoke(main, [*line.split(), "--json"])
        assert done.exit_code == 0, (line, done.stderr)
        assert problems(name, json.loads(done.stdout)) == [], line
    files = {
        "out/quantize.json": "quantize",
        "sweep/sweep.json": "sweep",
        "bundle/manifest.json": "bundle-manifest",
    }
    for path, name in files.items():
        assert problems(name, json.loads(Path(path).read_text(encoding="utf-8"))) == [], path
