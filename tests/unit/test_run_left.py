"""What earlier runs wrote stays where this one has no such stage or reads it, and is no part of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.stages.report import ReportRequest
from edge_mnv3.stages.report import report as report_stage
from recording_reporter import RecordingReporter
from report_runs import diagnosed
from run_doubles import ALL, EVERY, OUT, Commands, run, statuses

pytestmark = pytest.mark.usefixtures("run_folder")


def test_what_a_config_no_longer_asks_for_is_left_and_told(commands: Commands) -> None:
    run(commands, ALL.replace("[diagnose]", '[diagnose]\nplot = "p.png"'))
    assert commands.names == EVERY
    reporter = RecordingReporter()
    text = ALL.replace("[diagnose]\n", "").replace("[package]", "[package]\nzip = true")
    result = run(commands, text, reporter)
    assert "diagnose" not in [each.name for each in result.stages]
    assert (OUT / "diagnose.json").is_file()
    assert Path("p.png").is_file()
    left = f"diagnose.json, {Path('p.png').absolute()}"
    assert reporter.notes[0] == f"left from an earlier run, and no part of this one: {left}"
    assert not (OUT / "bundle").exists()  # of a stage that ran again
    assert (OUT / "bundle.zip").is_file()

    def left_out() -> dict[str, str]:
        found = report_stage(ReportRequest(run=[OUT], force=True)).left_out
        return {Path(each.path).name: each.reason for each in found}

    assert left_out()["diagnose.json"] == "left out: it is left from an earlier run"
    # What is the user's by now is none of a run, and the stage is kept once it is asked for again.
    (OUT / "diagnose.json").write_text(to_json(diagnosed(n=9)))
    assert "diagnose.json" not in left_out()
    (OUT / "diagnose.json").write_text(to_json(diagnosed()))
    commands.called = []
    run(commands, ALL.replace("[diagnose]", '[diagnose]\nplot = "p.png"'))
    assert "diagnose" not in commands.names


def test_files_that_a_config_reads_are_not_removed(commands: Commands) -> None:
    """Those of a run with quantize, which a config without it names."""
    run(commands)
    assert commands.names == EVERY
    files = [OUT / "m_float.tflite", OUT / "m_int8.tflite"]
    pair = f'float = "{files[0].as_posix()}"\nint8 = "{files[1].as_posix()}"'
    reporter = RecordingReporter()
    result = run(commands, f'[validate]\ndata = "val.csv"\n{pair}\n[package]\n[report]\n', reporter)
    assert result.passed
    assert [path.read_bytes() for path in files] == [b"float", b"int8"]
    assert reporter.notes[0].startswith("left from an earlier run, and no part of this one: m_float.tflite, ")
    package = next(words for name, words in commands.called if name == "package")
    assert package[-1] == str(files[1])  # not the folder, with what another run measured
    assert f"--bench={OUT}/bench.json" not in package
    commands.called = []
    run(commands)
    assert "quantize" not in commands.names


def test_a_result_that_its_own_stage_reads_is_there_when_it_runs(commands: Commands) -> None:
    run(commands)
    old = (OUT / "cost.json").read_bytes()
    seen: list[bytes] = []
    commands.during["cost"] = lambda: seen.append((OUT / "cost.json").read_bytes())
    gates = f"[gates]\nmax_instructions_percent = 3\nbaseline = '{OUT.as_posix()}/cost.json'\n"
    assert run(commands, f"{ALL}{gates}").stages[3].status == "ran"
    assert seen == [old]


def test_a_plot_elsewhere_stays_where_its_stage_fails(commands: Commands) -> None:
    text = ALL.replace("[diagnose]", '[diagnose]\nplot = "p.png"')
    run(commands, text)
    commands.int8 = b"another int8 file"
    Path("m.keras").write_bytes(b"other")
    commands.fail = "diagnose"
    assert statuses(run(commands, text))[2] == "failed"
    assert Path("p.png").is_file()
    assert not (OUT / "diagnose.json").exists()
    commands.fail = None
    assert run(commands, text).passed  # the plot is still known as the run's own
    assert run(commands, text.replace("p.png", "q.png")).passed
    assert run(commands, text).passed
    assert Path("q.png").is_file()
