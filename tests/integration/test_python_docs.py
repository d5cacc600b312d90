"""The examples of docs/python.md: run as one program, in an empty folder with images, and their outputs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import edge_mnv3
from edge_mnv3.core.process import run

pytestmark = pytest.mark.xdist_group("python_docs")  # examples run once
PAGE = Path(__file__).parent.parent.parent / "docs" / "python.md"
README = PAGE.parent.parent / "README.md"
MARK = "=== end of example ==="
ANYTHING = "…"


class Example(NamedTuple):
    """A block of code, and the block of text after it."""

    code: str
    output: str


def examples() -> list[Example]:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == text.count("```python\n"), "an example without its output"
    return [Example(*block) for block in blocks]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each example prints."""
    folder = tmp_path_factory.mktemp("docs")
    noise = np.random.default_rng(0)
    for index in range(16):
        _write_image(folder / "photos" / f"{index}.png", noise)
    for label in ("cat", "dog", "fox"):
        for index in range(4):
            _write_image(folder / "val" / label / f"{index}.png", noise)
    program = folder / "program.py"
    # `run` starts a program where this one is.
    go = f"import os\nos.chdir({str(folder)!r})\n"
    program.write_text(
        go + "\n".join(f"{example.code}\nprint({MARK!r})" for example in examples()), encoding="utf-8"
    )
    done = run([sys.executable, str(program)], timeout_s=500)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(f"{MARK}\n")[:-1]


def _write_image(path: Path, noise: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = noise.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC).save(path)


@pytest.mark.parametrize(
    "index", range(len(examples())), ids=lambda index: examples()[index].code.split("\n")[0]
)
def test_an_example_prints_what_the_page_says(outputs: list[str], index: int) -> None:
    expected = re.escape(examples()[index].output).replace(re.escape(ANYTHING), ".+")
    assert re.fullmatch(expected, outputs[index]), outputs[index]


def test_every_function_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    functions = [name for name in edge_mnv3.__all__ if name.islower() and not name.startswith("_")]
    assert [name for name in functions if f"em.{name}" not in text] == []
    assert set(re.findall(r"\bem\.(\w+)", text)) <= {*edge_mnv3.__all__}


def test_the_readme_leads_to_the_page() -> None:
    assert "](docs/python.md)" in README.read_text(encoding="utf-8")
