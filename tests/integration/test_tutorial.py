"""The commands of docs/tutorial.md, run in order in an empty folder, and their outputs but the clock's."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_mnv3.core.process import run

pytestmark = pytest.mark.xdist_group("tutorial")  # its commands run once
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(
    r"^(?:<!-- exit code (?P<code>\d) -->\n)?```(?P<language>sh|text)\n(?P<text>.*?)^```\n", re.M | re.DOTALL
)
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
LEFT_OUT = "…"
# Figures move where another processor rounds otherwise: an image of 360 is 0.28 points, a decibel is little.
ALWAYS_NEAR, LARGEST_DIFFERENCE, LARGEST_RATIO = 1.0, 5.0, 0.25


class Step(NamedTuple):
    """Commands, the exit code of the last one, and the blocks of its output that the page shows."""

    commands: str
    code: int
    shown: list[str]


def steps() -> list[Step]:
    found: list[Step] = []
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["language"] == "text":
            found[-1].shown.append(block["text"])
        elif "pip install" not in block["text"]:
            found.append(Step(block["text"], int(block["code"] or 0), []))
    return found


STEPS = steps()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def outputs(folder: Path) -> list[str]:
    """What each step prints."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "edge-mnv3"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m edge_mnv3.cli "$@"\n')
    program.chmod(0o755)
    done = []
    for step in STEPS:
        script = f"cd {shlex.quote(str(folder))}\nPATH=$PWD/bin:$PATH\n{step.commands}"
        ran = run(["bash", "-c", script], timeout_s=400)
        done.append(ran.stdout)
        assert ran.returncode == step.code, ran.stdout + ran.stderr
    return done


def alike(shown: str, printed: str) -> bool:
    """A line of the page against one of the output: words are equal, numbers nearly, and `…` is anything."""
    parts = [NUMBER.split(part) for part in shown.split(LEFT_OUT)]
    pattern = ".*".join(f"({NUMBER.pattern})".join(map(re.escape, part)) for part in parts)
    match = re.fullmatch(re.sub(r"(\\ )+", r"\\s+", pattern), printed)
    if match is None:
        return False
    pairs = zip(NUMBER.findall(shown.replace(LEFT_OUT, " ")), match.groups(), strict=True)
    return all(_near(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)


def _near(shown: float, printed: float) -> bool:
    return abs(shown - printed) <= max(ALWAYS_NEAR, min(LARGEST_DIFFERENCE, LARGEST_RATIO * abs(shown)))


def missing(shown: str, printed: str) -> str | None:
    """The first line of the page that is not in its place in the output; a line `…` is any number of them."""
    rest = printed.splitlines()
    any_number = False
    for line in shown.splitlines():
        if line == LEFT_OUT:
            any_number = True
            continue
        place = next((number for number, each in enumerate(rest) if alike(line, each)), None)
        if place is None or (place > 0 and not any_number):
            return line
        rest, any_number = rest[place + 1 :], False
    return None if any_number or not rest else f"(the end, before {rest[0]!r})"


def test_lines_are_compared_by_words_and_numbers() -> None:
    assert alike("int8  97.78 of 360, …", "int8   97.50 of 360, and more")
    assert not alike("int8  97.78 of 360", "int8  90.00 of 360")
    assert not alike("loads, 1 partition", "fails, 1 partition")
    assert missing("a 1\n…\nb 2\n", "a 1\nx\ny\nb 2\n") is None
    assert missing("a 1\nb 2\n", "a 1\nx\nb 2\n") == "b 2"
    assert missing("a 1\n", "a 1\nx\n") == "(the end, before 'x')"
    assert missing("a 1\n…\n", "a 1\nx\n") is None


@pytest.mark.parametrize(
    "number", range(len(STEPS)), ids=lambda number: STEPS[number].commands.split("\n")[0]
)
def test_a_step_prints_what_the_page_says(outputs: list[str], number: int) -> None:
    for shown in STEPS[number].shown:
        # A page shows parts of a long output one after the other, each from where it begins.
        assert missing(shown, outputs[number]) is None, outputs[number]


def test_the_page_has_every_step() -> None:
    assert [sum(len(step.shown) for step in STEPS), len(STEPS)] == [10, 10]


def test_pictures_are_those_of_the_commands(outputs: list[str], folder: Path) -> None:
    images = PAGE.parent / "images"
    now, kept = (
        re.findall(r'(?:width|height)="([\d.]+)pt"', path.read_text(encoding="utf-8"))
        for path in (folder / "noise.svg", images / "tutorial-noise.svg")
    )
    assert now == kept
    assert (folder / "report.html").stat().st_size > 50_000
    assert (images / "tutorial-report.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
