"""Gates of a run, and its command, with commands that only note their calls."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.commands import run as run_command
from edge_mnv3.core.errors import ArgumentError, InputFileError
from edge_mnv3.core.results.run import RunResult
from recording_reporter import RecordingReporter
from report_runs import FORMATS
from run_doubles import ALL, OUT, Commands, run, statuses
from tiny_models import write_classifier

pytestmark = pytest.mark.usefixtures("run_folder", "no_tools")


def gates_of(result: RunResult) -> list[tuple[str, str, float, float | None, bool]]:
    return [(each.name, each.stage, each.limit, each.value, each.passed) for each in result.gates]


def test_gates(commands: Commands) -> None:
    Path("b.json").write_text("{}")
    result = run(
        commands,
        f"{ALL}[gates]\nmax_drop_points = 1\nmin_top1_percent = 1\nmin_agreement_percent = 100\n"
        "max_int8_bytes = 4\nmax_instructions = 5\nmax_instructions_percent = 1\nbaseline = 'b.json'\n",
    )
    by_name = {each.name: each for each in result.gates}
    assert gates_of(result)[:3] == [
        ("int8_checks", "quantize", 0.0, 0.0, True),
        ("max_int8_bytes", "quantize", 4.0, 4.0, True),
        ("max_drop_points", "validate", 1.0, 0.25, True),
    ]
    assert by_name["min_top1_percent"].passed
    agreement = by_name["min_agreement_percent"]
    assert agreement.value is not None
    assert agreement.passed == (agreement.value >= 100)
    assert by_name["max_instructions_percent"].value == 2.0
    assert by_name["max_instructions_percent"].detail == "m_int8.tflite on a76"
    assert not by_name["max_instructions"].passed
    assert (by_name["max_instructions"].value or 0) > 1000


def test_after_a_failed_gate_nothing_dear_is_made(commands: Commands) -> None:
    text = f"{ALL}[gates]\nmax_drop_points = 0.5\n"
    assert run(commands, text).passed
    assert (OUT / "bundle").is_dir()
    commands.drop_points, commands.called = 0.75, []
    Path("val.csv").write_text("file,label\nval/1.png,1\n")
    reporter = RecordingReporter()
    result = run(commands, text, reporter)
    assert statuses(result) == ["kept", "ran", "kept", "kept", "skipped", "skipped", "ran"]
    assert result.stages[4].reason == "the gate max_drop_points failed"
    assert not result.passed
    assert (result.gates[1].value, result.gates[1].detail) == (0.75, "top-1 drops")
    assert not (OUT / "bundle").exists()
    assert reporter.warnings == ["the gate max_drop_points failed"]


def test_a_latency_that_is_not_to_be_quoted_is_a_failed_gate(commands: Commands) -> None:
    commands.codes["bench"] = 3
    result = run(commands)
    assert gates_of(result)[-1] == ("bench_quotable", "bench", 0.0, None, False)
    assert statuses(result)[4:] == ["ran", "skipped", "ran"]
    assert statuses(run(commands))[4:] == ["kept", "skipped", "kept"]


def test_noise_on_this_machine_is_told_and_fails_nothing(commands: Commands) -> None:
    result = run(commands)
    assert gates_of(result)[-1] == ("bench_quotable", "bench", 0.0, 0.0, True)
    assert not result.gates[-1].detail
    commands.warnings["bench"] = ("a: unstable: 120 %", "b: unstable: 30 %", "else")
    (OUT / "bench.json").unlink()
    for _ in range(2):  # the second time it is kept
        reporter = RecordingReporter()
        result = run(commands, reporter=reporter)
        assert result.passed
        assert result.gates[-1].detail == "warned: a: unstable: 120 % (and 1 more)"
    assert reporter.warnings[0] == "bench, when it ran: a: unstable: 120 %"
    assert "bench_quotable  warned   a: unst" in run_command.table(result)


def test_the_command_keeps_the_warnings_of_a_stage() -> None:
    write_classifier(Path("m.tflite"), "int8")
    OUT.mkdir()
    shutil.copy(FORMATS / "quantize-v3.json", OUT / "quantize.json")
    (OUT / "odd.json").write_text("{}")
    done = run_command.execute("report", ["--json", "--", str(OUT)])
    assert any("odd.json: left out" in each for each in done.warnings)


def test_a_run_that_cannot_begin_is_in_the_junit_file(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("run.toml").write_text(ALL)
    assert invoked(monkeypatch, commands, "--junit", "j.xml").exit_code == 0
    Path("run.toml").write_text("[quantise]")
    assert invoked(monkeypatch, commands, "--junit", "j.xml").exit_code == 1
    (error,) = ElementTree.parse("j.xml").getroot().iter("error")
    assert "Did you mean 'quantize'?" in str(error.get("message"))


def test_files_of_the_users_instead_of_quantize(commands: Commands) -> None:
    for name in ("f.tflite", "q.tflite"):
        Path(name).write_bytes(b"0123456789")
    text = (
        '[validate]\nfloat = "f.tflite"\nint8 = "q.tflite"\ndata = "val.csv"\n[cost]\n[bench]\n'
        "[package]\nvalidate = []\n[gates]\nmax_int8_bytes = 9\n"
    )
    result = run(commands, text)
    assert gates_of(result) == [("max_int8_bytes", "validate", 9.0, 10.0, False)]
    assert dict(commands.called)["cost"] == ("--json", "--", "q.tflite")
    commands.called = []
    run(commands, text.replace("= 9", "= 10"))
    assert dict(commands.called)["package"][2:] == (
        *(f"--output={OUT}/bundle", f"--bench={OUT}/bench.json", "--", "q.tflite"),
    )


def invoked(monkeypatch: pytest.MonkeyPatch, commands: Commands, *arguments: str) -> Result:
    monkeypatch.setattr(run_command, "execute", commands)
    return CliRunner().invoke(main, ["run", "run.toml", *arguments])


def test_an_error_names_its_stage_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `report` says of itself begins with its name already."""
    Path("run.toml").write_text("[report]\n")
    done = CliRunner().invoke(main, ["run", "run.toml"])
    assert done.exit_code == 1
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("error: ")]
    assert line.startswith("error: report: ")
    assert line.count("report: ") == 1


def test_the_command(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("run.toml").write_text(f"{ALL}[gates]\nmax_drop_points = 0.5\n")
    done = invoked(monkeypatch, commands, "--json", "-o", "out")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["passed"]
    commands.drop_points = 2
    Path("val.csv").write_text("file,label\nval/1.png,1\n")
    done = invoked(monkeypatch, commands, "--junit", "j.xml", "-o", "out")
    assert done.exit_code == 3
    assert "max_drop_points  FAILED   2 points, limit 0.5 points; top-1 drops" in done.stdout
    suites = ElementTree.parse("j.xml").getroot()
    assert suites.get("failures") == "1"
    commands.fail = "diagnose"
    (Path("out") / "diagnose.json").unlink()
    done = invoked(monkeypatch, commands, "--junit", "j.xml", "-o", "out")
    assert done.exit_code == 1
    assert "error: diagnose: diagnose of a test: got nothing, expected something\n" in done.stderr
    assert done.stderr.endswith("Next: edge-mnv3 run run.toml -o out\n")
    assert "\nwhat the other stages made is in out\n" in done.stdout
    commands.fail = "quantize"
    done = invoked(monkeypatch, commands, "-o", "new")
    assert "\nno stage has made anything; run.json in new says why\n" in done.stdout
    Path("j.xml").write_text("mine")
    assert "another file of that name" in invoked(monkeypatch, commands, "--junit", "j.xml").stderr
    assert Path("j.xml").read_text() == "mine"


def test_commands_run_as_on_the_command_line() -> None:
    """A result, an error, and a command line that is refused."""
    write_classifier(Path("m.tflite"), "int8")
    OUT.mkdir()
    shutil.copy(FORMATS / "quantize-v3.json", OUT / "quantize.json")
    code, text, _ = run_command.execute("report", ["--json", "--", str(OUT)])
    assert (code, json.loads(text)["path"]) == (0, str(OUT / "report.html"))
    with pytest.raises(InputFileError, match="nowhere"):
        run_command.execute("report", ["--json", "--", "nowhere"])
    with pytest.raises(ArgumentError, match="No such option"):
        run_command.execute("report", ["--jsn", "--", "nowhere"])
    with pytest.raises(ArgumentError, match="Give --host for this machine"):
        run_command.execute("bench", ["--json", "--", "m.tflite"])
