"""What is written to while a stage reads it, and put back before it ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.commands.run_config import read_config
from edge_mnv3.stages.run_plan import RunPlan
from edge_mnv3.stages.run_touched import Touched
from recording_reporter import RecordingReporter
from run_doubles import ALL, Commands, run

pytestmark = pytest.mark.usefixtures("run_folder")


@pytest.mark.parametrize(
    ("during", "path", "said"),
    [
        ("quantize", "m.keras", "[quantize] model: m.keras changed during the run"),
        ("quantize", "photos/0.png", "[quantize] calibration: photos changed during the run"),
        ("validate", "val/1.png", "[validate] data: val.csv changed during the run"),
        ("validate", "val.csv", "[validate] data: val.csv changed during the run"),
        ("diagnose", "run_run/m_int8.tflite", "diagnose: a file of an earlier stage changed during the run"),
    ],
)
def test_what_was_changed_and_put_back_during_a_stage_is_not_kept(
    commands: Commands, during: Any, path: str, said: str
) -> None:
    """The bytes and the time of the last change are what they were; the stage may have read the others."""

    def change_and_restore() -> None:
        file = Path(path)
        content, times = file.read_bytes(), file.stat()
        file.write_bytes(b"other")
        file.write_bytes(content)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    text = ALL.partition("[cost]")[0]
    commands.during[during] = change_and_restore
    reporter = RecordingReporter()
    run(commands, text, reporter)
    assert [said in warning for warning in reporter.warnings] == [True]
    commands.called = []
    assert [each.status for each in run(commands, text).stages if each.name == during] == ["ran"]
    commands.called = []
    run(commands, text)
    assert not commands.names


def test_a_list_that_is_gone_during_a_stage_and_back(commands: Commands) -> None:
    """Its images cannot be listed at the moment at which it is looked at."""
    plan = next(each for each in read_config_of(ALL).stages if each.name == "validate")
    before = Touched(plan, [])
    content = Path("val.csv").read_bytes()
    Path("val.csv").unlink()
    gone = Touched(plan, [])
    Path("val.csv").write_bytes(content)
    assert before.since(before) == []
    assert before.since(gone) == gone.since(before) == ["run.toml: [validate] data: val.csv"]


def test_words_and_urls_are_not_looked_at(commands: Commands) -> None:
    text = '[quantize]\nmodel = "m.keras"\ncalibration = "synthetic"\n[validate]\ndata = "https://a/b.tar"\n'
    quantize, validate = read_config_of(text).stages
    before = [Touched(quantize, []), Touched(validate, [])]
    assert before[1].since(Touched(validate, [])) == []
    Path("m.keras").write_bytes(b"other")
    assert before[0].since(Touched(quantize, [])) == ["run.toml: [quantize] model: m.keras"]


def read_config_of(text: str) -> RunPlan:
    Path("run.toml").write_text(text)
    return read_config(Path("run.toml"))
