"""What the command line answers to slips, and how much it says."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import COMMANDS, main
from edge_mnv3.commands.types import PATH, PATH_OR_WORD, alike
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.special_files import check_no_special_file, is_text, special_kind


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["quantise"], "quantize"),
        (["Build"], "build"),
        (["help", "diagnos"], "diagnose"),
        (["quantize", "--variant", "smal"], "small"),
        (["quantize", "--variant", "small-minimalistic"], "small_minimalistic"),
        (["quantize", "--variant", "Small"], "small"),
        (["quantize", "--recipe", "acurate"], "accurate"),
        (["export", "a.json", "--as", "benchr"], "bencher"),
    ],
)
def test_what_was_meant(arguments: list[str], meant: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.rstrip().endswith(f"Did you mean '{meant}'?")


def test_nothing_is_guessed_of_what_is_like_nothing() -> None:
    assert alike("xyzzy", COMMANDS) is None
    assert run("xyzzy").stderr.rstrip().endswith("No such command 'xyzzy'.")
    assert "Did you mean" not in run("quantize", "--recipe", "xyzzy").stderr


@pytest.mark.parametrize("name", ["inspect", "published"])
def test_help_of_a_command(name: str) -> None:
    shown = run("help", name)
    assert shown.exit_code == 0
    assert shown.stdout.split("\n", 1)[1] == run(name, "--help").stdout.split("\n", 1)[1]
    assert shown.stdout.startswith(f"Usage: main {name} [OPTIONS]")


def test_help_of_commands_of_commands() -> None:
    assert run("help", "benchmark-binary", "fetch").stdout.startswith("Usage: main benchmark-binary fetch ")
    assert "'build' has no commands of its own: 'x' is too much." in run("help", "build", "x").stderr
    assert run("help").stdout == run("--help").stdout


def test_versions() -> None:
    assert run("-V").stdout == run("--version").stdout != ""


def test_every_command_has_the_same_switches() -> None:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for each in commands:
            assert each is not None
            names = [param.name for param in each.params]
            assert (names.count("quiet"), names.count("verbose")) == (1, 1)


def test_where_an_error_comes_from_is_shown_where_it_is_asked_for() -> None:
    plain, verbose = run("inspect", "none.tflite"), run("inspect", "none.tflite", "-v")
    assert (plain.exit_code, verbose.exit_code) == (1, 1)
    assert plain.stderr.count("\n") == 1
    assert f"{ModelFileError.__name__}: model none.tflite" in verbose.stderr
    assert verbose.stderr.endswith(plain.stderr)


def test_what_is_no_file_is_refused_by_every_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for kind, value in ((PATH, f"{tmp_path}/pipe"), (PATH_OR_WORD, f"a={tmp_path}/pipe")):
        with pytest.raises(click.BadParameter, match="pipe' is a pipe, and a file or folder is expected"):
            kind.convert(value, None, None)
    for kind in (PATH, PATH_OR_WORD):
        with pytest.raises(click.BadParameter, match="it is empty"):
            kind.convert("", None, None)
        with pytest.raises(click.BadParameter, match="cannot be a file or folder: file name too long"):
            kind.convert("a" * 300, None, None)
    assert PATH_OR_WORD.convert("synthetic", None, None) == "synthetic"
    assert PATH.convert(str(tmp_path), None, None) == tmp_path


def test_all_paths_of_all_commands_are_looked_at() -> None:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for param in (param for each in commands if each is not None for param in each.params):
            if isinstance(param.type, click.Path):
                assert param.type is PATH, f"{name} {param.name}"


def test_special_kinds(tmp_path: Path) -> None:
    assert [special_kind(path) for path in (tmp_path, tmp_path / "none", Path("/dev/null"))] == [
        *(None, None, "device"),
    ]
    with pytest.raises(Exception, match=r"^image x: got a device, expected a file$"):
        check_no_special_file(Path("/dev/null"), "image x")
    with pytest.raises(Exception, match=r"^image x: got file name too long, expected the path of a file$"):
        check_no_special_file(tmp_path / ("a" * 300), "image x")


def test_a_path_that_is_no_text() -> None:
    assert is_text(Path("é"))
    assert not is_text(Path(os.fsdecode(b"\xff\xfe")))


def test_published_figures_fit_80_columns() -> None:
    shown = run("published").stdout
    figures, _, _ = shown.partition("\nsources:\n")
    assert [line for line in figures.splitlines() if len(line) > 80] == []
    head, *latencies = figures.partition("small, alpha 1.0, int8\n")[2].splitlines()
    assert head == "  Pixel 1           15.5  tf_slim"
    # Networks have their latencies of all sources together.
    assert "paper" in "".join(latencies[:6])
    assert figures.count("\nsmall, alpha 1.0, int8\n") == 1


def test_an_output_that_is_full_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge_mnv3.commands.published._table", full)
    result = run("published")
    assert (result.exit_code, result.stderr) == (1, "error: output: no space left on device\n")


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_mnv3.commands.published._table", interrupted)
    result = run("published")
    assert (result.exit_code, result.stderr.strip(), result.stdout) == (130, "Interrupted.", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    source = CliRunner().invoke(main, prog_name="edge-mnv3", env={"_EDGE_MNV3_COMPLETE": f"{shell}_source"})
    assert f"_EDGE_MNV3_COMPLETE={shell}_complete" in source.stdout
    words = {"COMP_WORDS": "edge-mnv3 quantize --variant small_m", "COMP_CWORD": "3"}
    if shell == "fish":
        words["COMP_CWORD"] = "small_m"
    asked = {"_EDGE_MNV3_COMPLETE": f"{shell}_complete", **words}
    completed = CliRunner().invoke(main, prog_name="edge-mnv3", env=asked)
    assert "small_minimalistic" in completed.stdout.replace(",", "\n").split("\n")
