"""Runs that are refused: what is gone of the run before, what must be there, and the same from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import edge_mnv3
from edge_mnv3 import pipeline
from edge_mnv3.cli import main
from edge_mnv3.commands import run as run_command
from edge_mnv3.commands.run_folder import folder_of_refused
from edge_mnv3.commands.run_pairs import as_keys, key_of
from edge_mnv3.core.errors import ArgumentError, InputFileError, OutputError, RuntimeUnavailableError
from edge_mnv3.core.owned_folders import owned_folder
from edge_mnv3.stages import run_tools
from edge_mnv3.stages.run_plan import RUN_MARK, Executed
from recording_reporter import RecordingReporter
from report_runs import FORMATS
from run_doubles import ALL, Commands
from tiny_models import write_classifier

TEXT = ALL.replace("[cost]\n", "")


pytestmark = pytest.mark.usefixtures("run_folder")


def run_file(commands: Commands, text: str | None, name: str = "run.toml", folder: str | None = None) -> bool:
    """Runs a config; None leaves the file away."""
    Path(name).unlink(missing_ok=True)
    if text is not None:
        Path(name).write_text(text)
    stated = None if folder is None else Path(folder)
    return run_command.run_config(Path(name), stated, None, commands, RecordingReporter()).passed


@pytest.mark.parametrize(
    ("name", "head", "folder", "refused"),
    [
        ("run.toml", "", "run_run", "[quantise]"),
        ("run.toml", "", "run_run", "[quantize"),
        ("run.toml", "", "run_run", None),
        ("run.toml", 'output_dir = "out"\n', "out", 'output_dir = "out"\n[quantise]'),
        ("run.toml", 'output_dir = "out"\n', "out", "output_dir = 'out'\n[quantize"),
        ("run.toml", 'output_dir = "out"\n', "out", 'output_dir = "out"\n[report]\nxyzzy = 1'),
        ("my-run.toml", "", "my_run_run", f'{TEXT}[bench]'),
        ("my-run.toml", "", "my_run_run", TEXT.replace("[bench]", "[bench]\ncores = 'big'")),
        ("my-run.toml", "", "my_run_run", TEXT.replace("val.csv", "none.csv")),
    ],
)  # fmt: skip
def test_no_verdict_stays_of_the_run_before(
    commands: Commands, name: str, head: str, folder: str, refused: str | None
) -> None:
    """Whoever reads `run.json` after a config that was refused would take it for that config's."""
    assert run_file(commands, head + TEXT, name)
    assert (Path(folder) / "run.json").is_file()
    with pytest.raises(InputFileError):
        run_file(commands, refused, name)
    assert not (Path(folder) / "run.json").exists()
    assert (Path(folder) / "quantize.json").is_file()
    commands.called = []
    assert run_file(commands, head + TEXT, name)
    assert not commands.names  # all of it was kept


def test_the_folder_that_is_stated_and_those_of_others(commands: Commands) -> None:
    assert run_file(commands, TEXT, folder="mine")
    with pytest.raises(InputFileError):
        run_file(commands, "[quantise]", folder="mine")
    assert not Path("mine/run.json").exists()
    # A run is going on there: the file is its own.
    assert run_file(commands, TEXT, folder="mine")
    with owned_folder(Path("mine"), mark=RUN_MARK, kind="run"), pytest.raises(InputFileError):
        run_file(commands, "[quantise]", folder="mine")
    assert Path("mine/run.json").is_file()
    # No run has been there: the file is the user's.
    Path("other").mkdir()
    Path("other/run.json").write_text("{}")
    with pytest.raises(InputFileError):
        run_file(commands, "[quantise]", folder="other")
    assert Path("other/run.json").read_text() == "{}"


def test_a_junit_file_that_is_the_users(commands: Commands) -> None:
    assert run_file(commands, TEXT)
    Path("j.xml").write_text("mine")
    with pytest.raises(OutputError, match="another file"):
        run_command.run_config(Path("run.toml"), None, Path("j.xml"), commands, RecordingReporter())
    assert not Path("run_run/run.json").exists()
    assert Path("j.xml").read_text() == "mine"


def test_the_folder_of_a_refused_config(tmp_path: Path) -> None:
    Path("pyproject.toml").write_text('[tool.edge-mnv3]\noutput_dir = "out"\n[tool.edge-mnv3.quantise]')
    assert folder_of_refused(Path("pyproject.toml")) == Path("out")
    Path("pyproject.toml").write_text("[tool]\nedge-mnv3 = 1")
    assert folder_of_refused(Path("pyproject.toml")) == Path("edge_mnv3_run")
    Path("a.toml").write_text('output_dir = ""\n[quantize]\n')
    assert folder_of_refused(Path("a.toml")) == Path("a_run")
    Path("a.toml").write_bytes(b"\xff")
    assert folder_of_refused(Path("a.toml")) == Path("a_run")
    Path("a_run").mkdir()
    Path("a_run", RUN_MARK).touch()
    assert folder_of_refused(Path("a_run/run.toml")) == Path("a_run")


def test_the_key_of_an_error() -> None:
    assert as_keys("--input-size with MODEL: got a--b") == "input_size with model: got a--b"
    assert key_of("host takes no cores", {"host", "cores"}) == "cores"
    assert key_of("input range: got 1", {"input_range", "model"}) == "input_range"
    assert key_of("recipe is unknown", {"recipe"}) == "recipe"
    assert key_of("something else", {"recipe"}) == ""


def test_an_emulated_processor_is_looked_for_first(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_MNV3_ARM", str(tmp_path / "nowhere"))
    assert run_file(commands, TEXT)
    commands.called = []
    with pytest.raises(RuntimeUnavailableError, match=r"^run\.toml: \[cost\]: .*nowhere") as error:
        run_file(commands, ALL)
    assert "\n" not in str(error.value)
    assert not commands.names
    assert not Path("run_run/run.json").exists()


def test_a_plot_of_no_known_type_is_refused_first(commands: Commands) -> None:
    with pytest.raises(OutputError, match=r"^run\.toml: \[diagnose\]: plot a\.bmp: got a file of type"):
        run_file(commands, TEXT.replace("[diagnose]", '[diagnose]\nplot = "a.bmp"'))
    assert not commands.names


def test_cost_is_counted_again_by_other_versions(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "arm" / "site" / "ai_edge_litert-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: 1.0\n")
    monkeypatch.setenv("EDGE_MNV3_ARM", str(tmp_path / "arm"))
    monkeypatch.setenv("EDGE_MNV3_LLVM_MCA", str(tmp_path / "none"))
    monkeypatch.setattr(run_tools, "find_arm_runner", lambda: None)
    known: dict[str, Any] = run_tools.arm_versions()
    assert known == {"folder": str(tmp_path / "arm"), "llvm": None, "ai-edge-litert": "1.0"}
    monkeypatch.delenv("EDGE_MNV3_LLVM_MCA")
    assert run_file(commands, ALL)
    commands.called = []
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: 1.1\n")
    assert run_file(commands, ALL)
    assert commands.names == ["cost"]


def test_an_llvm_of_another_kind_is_told_first(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tools, "find_arm_runner", lambda: None)
    monkeypatch.setenv("EDGE_MNV3_LLVM_MCA", "nowhere")
    with pytest.raises(RuntimeUnavailableError, match=r"\[cost\]: EDGE_MNV3_LLVM_MCA nowhere: got another"):
        run_file(commands, ALL)
    assert not commands.names


def test_from_python(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def execute(stage: Any, words: Any, reporter: Any) -> Executed:
        told.append(reporter)
        return commands(stage, words)

    monkeypatch.setattr(pipeline, "execute", execute)
    Path("edge-mnv3.toml").write_text(TEXT)
    reporter = RecordingReporter()
    result = edge_mnv3.run(edge_mnv3.RunRequest(output_dir="out", junit="j.xml"), reporter)
    assert (result.passed, result.folder) == (True, "out")
    assert set(map(id, told)) == {id(reporter)}
    assert "quantize:" in reporter.notes
    assert Path("j.xml").is_file()
    again = edge_mnv3.run(edge_mnv3.RunRequest(config="out"))
    assert {each.status for each in again.stages} == {"kept"}
    with pytest.raises(ArgumentError, match="run: request: got a str, expected a RunRequest"):
        edge_mnv3.run("out")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="RunRequest: config: got 1, expected a path"):
        edge_mnv3.RunRequest(config=1)  # type: ignore[arg-type]


def test_a_command_tells_the_reporter_and_not_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    write_classifier(Path("m.tflite"), "int8")
    folder = Path("out")
    folder.mkdir()
    (folder / "quantize.json").write_bytes((FORMATS / "quantize-v3.json").read_bytes())
    (folder / "odd.json").write_text("{}")
    reporter = RecordingReporter()
    done = run_command.execute("report", ["--json", "--", "out"], reporter)
    assert done.code == 0
    assert any("odd.json: left out" in each for each in reporter.warnings)
    assert list(done.warnings) == reporter.warnings
    assert reporter.steps
    log = Path("log.txt")
    log.write_text("nothing")
    done = run_command.execute(
        "bench",
        [
            "--json",
            "--log=log.txt",
            "--",
        ],
        reporter,
    )
    assert done.code == 1
    assert any(note.startswith("error: ") for note in reporter.notes)
    assert capfd.readouterr() == ("", "")


def test_on_the_command_line_in_one_line() -> None:
    Path("run.toml").write_text(TEXT.replace("[bench]", "[bench]\ncores = 'big'"))
    done = CliRunner().invoke(main, ["run", "run.toml"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "error: run.toml:8: [bench] cores: host takes no cores.\n"
