"""What a run does again, what it keeps, and what its gates stop, with commands that only note their calls."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edge_mnv3.cli import main
from edge_mnv3.commands import run as run_command
from edge_mnv3.commands.run_config import read_config
from edge_mnv3.core.errors import ArgumentError, InputFileError, OutputError
from edge_mnv3.core.owned_folders import owned_folder
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.run import RunResult
from edge_mnv3.stages import run as stage
from edge_mnv3.stages.run_plan import RUN_MARK
from recording_reporter import RecordingReporter
from report_runs import FORMATS
from run_doubles import Commands
from tiny_models import write_classifier

ALL = """\
[quantize]
model = "m.keras"
calibration = "photos"
[validate]
data = "val.csv"
[diagnose]
[cost]
[bench]
[package]
[report]
"""
EVERY = ["quantize", "validate", "diagnose", "cost", "bench", "package", "report"]
OUT = Path("run_run")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "code_sha256", lambda: "code")
    Path("m.keras").write_bytes(b"model")
    for folder in ("photos", "val"):
        Path(folder).mkdir()
        for index in range(2):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(Path(folder, f"{index}.png"))
    Path("val.csv").write_text("file,label\nval/0.png,0\nval/1.png,1\n")


@pytest.fixture
def commands() -> Commands:
    return Commands()


def run(commands: Commands, text: str = ALL, reporter: RecordingReporter | None = None) -> RunResult:
    Path("run.toml").write_text(text)
    return stage.run(read_config(Path("run.toml")), commands, reporter or RecordingReporter())


def statuses(result: RunResult) -> list[str]:
    return [each.status for each in result.stages]


def test_stages_take_what_earlier_ones_wrote(commands: Commands) -> None:
    result = run(commands)
    assert (result.finished, result.passed) == (True, True)
    assert [each.name for each in result.stages] == EVERY
    assert statuses(result) == ["ran"] * 7
    calls = dict(commands.called)
    assert calls["quantize"] == (
        *("--calibration=photos", "--json", "--force", f"--output-dir={OUT}", "--", "m.keras"),
    )
    pair = (f"--float={OUT}/m_float.tflite", f"--int8={OUT}/m_int8.tflite")
    assert calls["validate"] == ("--data=val.csv", "--json", *pair, "--")
    assert calls["diagnose"] == ("--json", "--force", *pair, "--")
    assert calls["cost"] == ("--json", "--", f"{OUT}/m_int8.tflite")
    files = (f"{OUT}/m_float.tflite", f"{OUT}/m_int8.tflite")
    assert calls["bench"] == ("--host", "--json", "--force", "--", *files)
    assert calls["package"][2:] == (
        f"--output={OUT}/bundle",
        f"--validate={OUT}/validate.json",
        f"--bench={OUT}/bench.json",
        "--",
        str(OUT),
    )
    assert calls["report"] == ("--json", "--force", f"--output={OUT}/report.html", "--", str(OUT))
    written = from_json(RunResult, (OUT / "run.json").read_text())
    assert written == result
    (quantize, *_) = written.stages
    assert [each.path for each in quantize.outputs] == ["m_float.tflite", "m_int8.tflite", "quantize.json"]


def changed_image() -> None:
    Image.new("RGB", (8, 8), (9, 9, 9)).save("photos/1.png")


def more_images() -> None:
    Image.new("RGB", (8, 8), (9, 9, 9)).save("photos/2.png")


def changed_listed_image() -> None:
    Image.new("RGB", (8, 8), (9, 9, 9)).save("val/1.png")


def lost_result() -> None:
    (OUT / "diagnose.json").unlink()


def changed_bundle() -> None:
    (OUT / "bundle" / "manifest.json").write_text("[]")


def changed_int8() -> None:
    (OUT / "m_int8.tflite").write_bytes(b"other")


def damaged_notes() -> None:
    (OUT / "done.json").write_text("[")


def foreign_notes() -> None:
    notes = json.loads((OUT / "done.json").read_text())
    notes["cost"] = 1
    notes["bench"]["outputs"] = []
    (OUT / "done.json").write_text(json.dumps(notes))


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda: None, []),
        (lambda: Path("m.keras").write_bytes(b"other"), ["quantize"]),
        (changed_image, ["quantize"]),
        (more_images, ["quantize"]),
        (lambda: Path("val.csv").write_text("file,label\nval/0.png,1\nval/1.png,1\n"), ["validate"]),
        (changed_listed_image, ["validate"]),
        (lost_result, ["diagnose"]),
        (changed_bundle, ["package"]),
        (changed_int8, ["quantize"]),
        (damaged_notes, EVERY),
        (foreign_notes, ["cost", "bench"]),
    ],
)
def test_what_has_not_changed_is_kept(commands: Commands, change: Any, again: list[str]) -> None:
    """The doubles write the same bytes each time: what depends on a stage that ran again is kept with it."""
    run(commands)
    assert commands.names == EVERY
    change()
    reporter = RecordingReporter()
    result = run(commands, reporter=reporter)
    assert commands.names == again
    assert result.passed
    kept = [each.name for each in result.stages if each.status == "kept"]
    assert kept == [name for name in EVERY if name not in again]
    told = [f"{name}: kept, nothing that it depends on has changed" for name in kept]
    assert [each for each in reporter.notes if "kept" in each] == told


def test_what_depends_on_a_change_is_made_anew(commands: Commands) -> None:
    run(commands)
    assert commands.names == EVERY
    commands.int8 = b"another int8 file"
    changed_image()
    run(commands)
    assert commands.names == EVERY
    run(commands, ALL.replace("[diagnose]", "[diagnose]\nsamples = 8"))
    assert commands.names == ["diagnose"]
    run(commands, ALL.replace('"val.csv"', '"val.csv"\nworkers = 1'))
    assert commands.names == ["validate", "diagnose"]


def test_other_versions_and_another_machine(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    run(commands)
    assert commands.names == EVERY
    monkeypatch.setattr("platform.node", lambda: "another")
    run(commands)
    assert commands.names == ["bench"]
    monkeypatch.setattr(stage, "versions", lambda: {"ai-edge-litert": "9"})
    run(commands)
    assert commands.names == EVERY


def test_a_url_is_never_known_to_be_the_same(commands: Commands) -> None:
    text = ALL.replace('"photos"', '"https://example.org/a.tar"')
    run(commands, text)
    assert commands.names == EVERY
    run(commands, text)
    assert commands.names == ["quantize"]


def test_what_a_config_no_longer_asks_for_goes(commands: Commands) -> None:
    run(commands, ALL.replace("[diagnose]", '[diagnose]\nplot = "p.png"'))
    assert Path("p.png").is_file()
    result = run(commands, ALL.replace("[diagnose]\n", "").replace("[package]", "[package]\nzip = true"))
    assert not (OUT / "diagnose.json").exists()
    assert not Path("p.png").exists()
    assert not (OUT / "bundle").exists()
    assert (OUT / "bundle.zip").is_file()
    assert "diagnose" not in [each.name for each in result.stages]


def test_what_is_the_users_is_not_overwritten(commands: Commands) -> None:
    Path("p.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"p\.png exists already"):
        run(commands, ALL.replace("[diagnose]", '[diagnose]\nplot = "p.png"'))
    assert Path("p.png").read_bytes() == b"mine"
    assert "diagnose" not in commands.names


def test_a_failed_stage_ends_the_run_and_the_same_call_goes_on(commands: Commands) -> None:
    run(commands)
    commands.fail = "cost"
    commands.called = []
    (OUT / "cost.json").unlink()
    result = run(commands)
    assert statuses(result) == ["kept", "kept", "kept", "failed", "skipped", "skipped", "skipped"]
    assert (result.finished, result.passed) == (True, False)
    assert result.stages[3].reason == "cost of a test: got nothing, expected something"
    assert {each.reason for each in result.stages[4:]} == {"cost failed"}
    assert not (OUT / "bundle").exists()
    commands.fail, commands.called = None, []
    assert run(commands).passed
    assert commands.names == ["cost", "bench", "package", "report"]


def test_a_part_that_failed_is_a_failure(commands: Commands) -> None:
    commands.codes["bench"] = 1
    result = run(commands)
    assert statuses(result)[4:] == ["failed", "skipped", "skipped"]
    assert "exit code 1" in result.stages[4].reason


@pytest.mark.parametrize("interrupted", EVERY)
def test_ctrl_c_leaves_what_is_done(commands: Commands, interrupted: Any) -> None:
    commands.interrupt = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(commands)
    written = from_json(RunResult, (OUT / "run.json").read_text())
    assert (written.finished, written.passed) == (False, False)
    place = EVERY.index(interrupted)
    assert [each.name for each in written.stages] == EVERY[:place]
    (OUT / ".edge-mnv3-left").mkdir()  # what a killed command was just writing
    commands.interrupt, commands.called = None, []
    assert run(commands).passed
    assert commands.names == EVERY[place:]
    assert not (OUT / ".edge-mnv3-left").exists()


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


def test_the_folder_repeats_the_run(commands: Commands) -> None:
    run(commands, f"{ALL}[gates]\nmax_drop_points = 1\nmax_instructions_percent = 2\nbaseline = 'm.keras'\n")
    assert commands.names == [*EVERY[:4], "report"]
    assert run(commands).passed
    commands.called = []
    text = (OUT / "run.toml").read_text()
    assert f'model = "{Path("m.keras").absolute()}"' in text
    # The same from another place, into the same folder: everything is kept.
    reporter = RecordingReporter()
    again = stage.run(read_config(OUT / "run.toml"), commands, reporter)
    assert (commands.names, again.passed, reporter.warnings) == ([], True, [])
    # What is not as it was is said.
    Path("m.keras").write_bytes(b"other")
    changed = re.sub(r"^python = .*", 'python = "2.7"\nnothing = "1"', text, flags=re.MULTILINE)
    (OUT / "run.toml").write_text(changed)
    stage.run(read_config(OUT / "run.toml"), commands, reporter)
    assert commands.names == ["quantize"]
    assert len(reporter.warnings) == 3
    assert reporter.warnings[1].startswith("nothing is not here, and was 1 when ")
    assert "[quantize] model: " in reporter.warnings[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ALL.replace("m.keras", "n.keras"), "run.toml: [quantize] model: n.keras: got no such file"),
        (
            ALL.replace('"photos"', '"nowhere"'),
            "run.toml: [quantize] calibration: images nowhere: got no such",
        ),
        (
            f"{ALL}[gates]\nmax_instructions_percent = 1\nbaseline = 'b'",
            "run.toml: [gates] baseline: b: got no",
        ),
    ],
)
def test_nothing_runs_where_an_input_is_missing(commands: Commands, text: str, said: str) -> None:
    with pytest.raises(InputFileError) as error:
        run(commands, text)
    assert str(error.value).startswith(said)
    assert not commands.called
    assert not OUT.exists()


def test_folders_of_others_and_in_use(commands: Commands) -> None:
    OUT.mkdir()
    (OUT / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="a folder with other files"):
        run(commands)
    (OUT / "mine.txt").unlink()
    with (
        owned_folder(OUT, mark=RUN_MARK, kind="run"),
        pytest.raises(OutputError, match="another run is writing in"),
    ):
        run(commands)


def invoked(monkeypatch: pytest.MonkeyPatch, commands: Commands, *arguments: str) -> Result:
    monkeypatch.setattr(run_command, "execute", commands)
    return CliRunner().invoke(main, ["run", "run.toml", *arguments])


def test_the_command(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("run.toml").write_text(f"{ALL}[gates]\nmax_drop_points = 0.5\n")
    done = invoked(monkeypatch, commands, "--json", "-o", "out")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["passed"]
    commands.drop_points = 2
    Path("val.csv").write_text("file,label\nval/1.png,1\n")
    done = invoked(monkeypatch, commands, "--junit", "j.xml", "-o", "out")
    assert done.exit_code == 3
    assert "max_drop_points  FAILED   2, limit 0.5; top-1 drops" in done.stdout
    suites = ElementTree.parse("j.xml").getroot()
    assert suites.get("failures") == "1"
    commands.fail = "diagnose"
    (Path("out") / "diagnose.json").unlink()
    done = invoked(monkeypatch, commands, "--junit", "j.xml", "-o", "out")
    assert done.exit_code == 1
    assert "error: diagnose: diagnose of a test: got nothing, expected something\n" in done.stderr
    assert done.stderr.endswith("Next: edge-mnv3 run run.toml -o out\n")
    Path("j.xml").write_text("mine")
    assert "another file of that name" in invoked(monkeypatch, commands, "--junit", "j.xml").stderr
    assert Path("j.xml").read_text() == "mine"


def test_commands_run_as_on_the_command_line() -> None:
    """A result, an error, and a command line that is refused."""
    write_classifier(Path("m.tflite"), "int8")
    OUT.mkdir()
    shutil.copy(FORMATS / "quantize-v3.json", OUT / "quantize.json")
    code, text = run_command.execute("report", ["--json", "--", str(OUT)])
    assert (code, json.loads(text)["path"]) == (0, str(OUT / "report.html"))
    with pytest.raises(InputFileError, match="nowhere"):
        run_command.execute("report", ["--json", "--", "nowhere"])
    with pytest.raises(ArgumentError, match="No such option"):
        run_command.execute("report", ["--jsn", "--", "nowhere"])
    with pytest.raises(ArgumentError, match="Give either --host or --device"):
        run_command.execute("bench", ["--json", "--", "m.tflite"])
