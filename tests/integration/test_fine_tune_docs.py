"""The ordinary fine-tune of docs/your-own-classes.md, run as it stands but for its size."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from edge_mnv3.cli import main
from edge_mnv3.core.process import run
from edge_mnv3_calibration_data.synthetic import synthetic_image

PAGE = Path(__file__).parents[2] / "docs" / "your-own-classes.md"
# No network in tests, and no time for 224 px.
SMALLER = {
    "SIZE = 224": "SIZE = 32",
    'weights="imagenet"': "weights=None, alpha=0.05",
    "epochs=5": "epochs=1",
}


def block(name: str, language: str) -> str:
    found = re.search(
        rf"<!-- {name} -->\n```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None
    return found[1]


def test_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(20):
        path = tmp_path / "photos" / f"class {index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(synthetic_image(index, size=40, seed=0)).save(path)
    program = block("fine-tune", "python")
    for stands, smaller in SMALLER.items():
        assert stands in program
        program = program.replace(stands, smaller)
    script = tmp_path / "fine_tune.py"
    script.write_text(f"import os\nos.chdir({str(tmp_path)!r})\n{program}", encoding="utf-8")
    done = run([sys.executable, str(script)], timeout_s=400)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "labels.txt").read_text() == "class 0\nclass 1"
    monkeypatch.chdir(tmp_path)
    for line in block("quantize", "sh").splitlines():
        result = CliRunner().invoke(
            main, [*line.split()[1:], *(["--samples", "4"] if " quantize " in line else [])]
        )
        assert result.exit_code == 0, result.output
    assert (tmp_path / "bundle" / "labels.txt").exists()
