"""What a run does again, what it keeps, and what its gates stop, with commands that only note their calls."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_mnv3.commands.run_config import read_config
from edge_mnv3.core.errors import InputFileError, OutputError
from edge_mnv3.core.owned_folders import owned_folder
from edge_mnv3.core.result_files import read_quantize_result
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.run import RunResult
from edge_mnv3.stages import run as stage
from edge_mnv3.stages import run_bundle
from edge_mnv3.stages.report import ReportRequest
from edge_mnv3.stages.report import report as report_stage
from edge_mnv3.stages.run_config_file import not_yet_run
from edge_mnv3.stages.run_plan import RUN_MARK
from recording_reporter import RecordingReporter
from report_runs import FORMATS
from run_doubles import ALL, EVERY, OUT, Commands, run, statuses

pytestmark = pytest.mark.usefixtures("run_folder")


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


def changed_int8() -> None:
    (OUT / "m_int8.tflite").write_bytes(b"other")


def damaged_notes() -> None:
    (OUT / "done.json").write_text("[")
    shutil.rmtree(OUT / "bundle")  # else it could be anybody's


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
    told = [f"{name}: kept" for name in kept]
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


def test_how_long_quantize_took_changes_the_page_and_the_bundle_only(commands: Commands) -> None:
    report = read_quantize_result(FORMATS / "quantize-v7.json").recipe_report
    assert report is not None
    commands.made = {"recipe_report": report}
    run(commands)
    assert commands.names == EVERY
    slower = dataclasses.replace(report, phases_s={"measure": 40.0})
    commands.made = {"timings_s": {"quantize": 60.0}, "float_from_cache": True, "recipe_report": slower}
    changed_image()
    run(commands)
    assert commands.names == ["quantize", "package", "report"]
    commands.made["name"] = "another"
    more_images()
    run(commands)
    assert commands.names == ["quantize", "validate", "diagnose", "package", "report"]


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


def test_what_is_the_users_is_not_overwritten(commands: Commands) -> None:
    """Nothing runs, and no earlier verdict stays."""
    run(commands)
    commands.called = []
    Path("p.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"p\.png exists already"):
        run(commands, ALL.replace("[diagnose]", '[diagnose]\nplot = "p.png"'))
    assert Path("p.png").read_bytes() == b"mine"
    assert not commands.names
    assert not (OUT / "run.json").exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_a_bundle_with_a_file_of_the_users_is_not_replaced(commands: Commands, zipped: bool) -> None:
    text = ALL.replace("[package]", "[package]\nzip = true") if zipped else ALL
    run(commands, text)
    mine = OUT / "bundle.zip" if zipped else OUT / "bundle" / "notes.txt"
    mine.write_text("mine")
    commands.called = []
    Path("val.csv").write_text("file,label\nval/1.png,1\n")
    with pytest.raises(
        OutputError, match=r"^bundle run_run/bundle\S*: got .* which it replaces; move"
    ) as error:
        run(commands, text)
    assert "\n" not in str(error.value)
    assert mine.read_text() == "mine"
    assert not commands.called


def test_a_bundle_that_was_made_before_an_interruption_is_replaced(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(commands)
    (OUT / "done.json").unlink()
    monkeypatch.setattr(run_bundle, "read_manifest", lambda files: None)
    monkeypatch.setattr(run_bundle, "file_differences", lambda files, manifest: [])
    assert run(commands).passed


@pytest.mark.parametrize(
    ("during", "change", "said"),
    [
        ("quantize", changed_image, "run.toml: [quantize] calibration: photos changed during the run"),
        ("quantize", lambda: shutil.rmtree("photos"), "[quantize] calibration: photos changed during"),
        ("validate", changed_listed_image, "run.toml: [validate] data: val.csv changed during the run"),
        ("diagnose", changed_int8, "diagnose: a file of an earlier stage changed during the run"),
        ("diagnose", lambda: (OUT / "m_int8.tflite").unlink(), "a file of an earlier stage changed"),
    ],
)
def test_what_changes_during_a_stage_is_not_kept(
    commands: Commands, during: Any, change: Any, said: str
) -> None:
    """The file is put back afterwards: the figure is of the other one, so that its stage runs again."""
    saved = {path: path.read_bytes() for path in [*Path("photos").iterdir(), *Path("val").iterdir()]}
    text = "".join(f"{part}" for part in ALL.partition("[cost]")[0])
    commands.during[during] = change
    reporter = RecordingReporter()
    result = run(commands, text, reporter)
    assert any(said in warning for warning in reporter.warnings)
    stage_of = {each.name: each for each in result.stages}
    assert any(said in warning for warning in stage_of[during].warnings)
    Path("photos").mkdir(exist_ok=True)
    for path, content in saved.items():
        path.write_bytes(content)
    commands.called = []
    again = run(commands, text)
    assert during in commands.names
    assert all(not each.warnings for each in again.stages)
    run(commands, text)
    assert not commands.names


def test_warnings_of_what_is_kept_are_repeated(commands: Commands) -> None:
    commands.warnings["validate"] = ("few images",)
    first = run(commands)
    assert first.stages[1].warnings == ("few images",)
    reporter = RecordingReporter()
    again = run(commands, reporter=reporter)
    assert (again.stages[1].status, again.stages[1].warnings) == ("kept", ("few images",))
    assert reporter.warnings == ["validate, when it ran: few images"]


def test_a_run_that_cannot_begin_leaves_no_verdict_of_the_one_before(commands: Commands) -> None:
    run(commands)
    Path("m.keras").unlink()
    with pytest.raises(InputFileError):
        run(commands)
    assert not (OUT / "run.json").exists()


def test_stages_without_a_turn_are_told(commands: Commands) -> None:
    run(commands)
    assert not_yet_run(OUT) == ()
    commands.interrupt = "validate"
    Path("m.keras").write_bytes(b"other")
    Path("val.csv").write_text("file,label\nval/1.png,1\n")
    with pytest.raises(KeyboardInterrupt):
        run(commands)
    missing = ("validate", "diagnose", "cost", "bench", "package")
    assert not_yet_run(OUT) == missing
    left_out = report_stage(ReportRequest(run=[OUT], force=True)).left_out
    said = f"the run is unfinished: {', '.join(missing)} had no turn, and their results are old"
    assert said in [each.reason for each in left_out]
    assert not_yet_run(Path("nowhere")) == ()


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
