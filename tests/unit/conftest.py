"""What the tests of runs share: a folder with inputs, and commands that only note their calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.stages import run as stage
from edge_mnv3.stages import run_tools
from run_doubles import Commands, made_inputs


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with what a run reads; the program's own code counts as unchanged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "code_sha256", lambda: "code")
    made_inputs()
    return tmp_path


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes an emulated Arm processor for there, where commands only note their calls."""
    monkeypatch.setattr(run_tools, "find_arm_runner", lambda: None)
