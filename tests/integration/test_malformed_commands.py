"""Wrong command lines and surroundings end in a line that says what is wrong, never in a traceback."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from malformed_commands import (
    SURROUNDINGS,
    Surroundings,
    command_lines,
    in_process,
    in_surroundings,
    write_files,
)

LINES = list(command_lines())
CODES = {0, 1, 2, 3}
MOST_S = 60  # for a command that waits for ever; none takes seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("malformed")
    write_files(path)
    return path


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the folder, and not waiting for ever."""

    def hang(_: int, __: FrameType | None) -> None:
        raise AssertionError("it waits for ever")

    monkeypatch.chdir(folder)
    before = signal.signal(signal.SIGALRM, hang)
    yield
    signal.signal(signal.SIGALRM, before)


def test_there_are_hundreds() -> None:
    assert len({tuple(line) for line in LINES}) + len(SURROUNDINGS) >= 300


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("name", sorted({line[0] for line in LINES}))
def test_each_is_told_in_a_line(name: str) -> None:
    for line in LINES:
        if line[0] != name:
            continue
        said = in_process(line)
        assert said.exit_code in CODES, line
        assert said.last_line, line
        assert "Traceback" not in said.stderr, line


@pytest.mark.usefixtures("inside")
def test_json_or_nothing_on_stdout() -> None:
    for line in LINES:
        said = in_process([*line, "--json"])
        if said.stdout.strip():
            json.loads(said.stdout)


@pytest.mark.unmeasured
@pytest.mark.parametrize("each", SURROUNDINGS, ids=lambda each: each.name)
def test_surroundings(each: Surroundings, folder: Path) -> None:
    said = in_surroundings(each, folder)
    assert "Traceback" not in said.stderr
    assert "Exception ignored" not in said.stderr
    assert said.exit_code in CODES
