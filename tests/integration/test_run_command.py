"""`edge-mnv3 run` on real commands: from a float file and pictures to a report, interrupted and resumed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image

import edge_mnv3
from edge_mnv3.cli import main
from edge_mnv3.commands.run_config import read_config
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.run import RunResult
from edge_mnv3.stages.run_gates import GATES
from int8_pairs import IMAGES
from small_network_inputs import write_inputs

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CONFIG = """\
[gates]
min_agreement_percent = 0
max_int8_bytes = 1_000_000

[quantize]
model = "float.tflite"
input_range = "0..255"
calibration = "pictures"
recipe = "fast"

[validate]
data = "labelled.csv"
no_store = true

[diagnose]
samples = 4

[package]
labels = "names.txt"

[report]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_inputs(tmp_path)
    (tmp_path / "edge-mnv3.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


def statuses(result: Result) -> dict[str, str]:
    told = from_json(RunResult, result.stdout)
    return {stage.name: stage.status for stage in told.stages}


def test_from_a_float_file_to_a_report(folder: Path) -> None:
    first = run("--json", "--junit", "junit.xml")
    assert first.exit_code == 0, first.output
    assert set(statuses(first).values()) == {"ran"}
    out = folder / "edge_mnv3_run"
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    sources = {source["command"] for source in json.loads((out / "report.json").read_text())["sources"]}
    assert sources == {"quantize", "validate", "diagnose"}
    assert (out / "bundle" / "manifest.json").is_file()
    assert "left out" not in first.stderr
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="gates"' in page
    assert "gate of the run failed" not in page
    later = CliRunner().invoke(main, ["report", "edge_mnv3_run", "-o", "later.html"])
    assert later.exit_code == 0, later.output
    assert (folder / "later.html").read_text(encoding="utf-8") == page  # run.json was not whole then

    assert set(statuses(run("--json")).values()) == {"kept"}
    assert set(statuses(run("--json", "edge_mnv3_run")).values()) == {"kept"}
    assert {stage.status for stage in edge_mnv3.run(edge_mnv3.RunRequest()).stages} == {"kept"}

    # Another calibration image: the int8 file is another one, and all that is of it is made anew.
    Image.fromarray(IMAGES[0][::-1]).save(folder / "pictures" / "01.png")
    changed = run("--json")
    assert changed.exit_code == 0, changed.output
    assert statuses(changed)["quantize"] == statuses(changed)["validate"] == "ran"

    (folder / "edge-mnv3.toml").write_text(CONFIG.replace("1_000_000", "10"), encoding="utf-8")
    refused = run("--json")
    assert refused.exit_code == 3
    assert statuses(refused)["quantize"] == "kept"
    assert statuses(refused)["package"] == "skipped"
    assert not (out / "bundle").exists()
    told = json.loads((out / "report.json").read_text())
    assert told["verdict"].startswith("A gate of the run failed: size of the int8 file is ")
    again = CliRunner().invoke(main, ["report", str(out), "--force"])
    assert (again.exit_code, "left out" in again.stderr) == (0, False), again.stderr


def test_ctrl_c_and_the_same_command_again(folder: Path) -> None:
    """A process of its own gets SIGINT when quantize is done: it ends with 130, and the next goes on."""
    program = (
        "import os, signal\n"
        "from edge_mnv3.cli import main\n"
        "from edge_mnv3.commands import run\n"
        "real = run.execute\n"
        "def execute(stage, words):\n"
        "    if stage == 'validate':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(stage, words)\n"
        "run.execute = execute\n"
        "main(['run'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (130, "Interrupted."), done.stderr
    state = json.loads((folder / "edge_mnv3_run" / "run.json").read_text())
    assert (state["finished"], [stage["name"] for stage in state["stages"]]) == (False, ["quantize"])
    result = run("--json")
    assert result.exit_code == 0, result.output
    assert list(statuses(result).items())[:2] == [("quantize", "kept"), ("validate", "ran")]


def test_the_page_of_docs_shows_a_config_that_is_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- runs:config -->\n```toml\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "flowers.toml"
    path.write_text(block, encoding="utf-8")
    request = read_config(path)
    assert [stage.name for stage in request.stages] == [
        "quantize",
        "validate",
        "diagnose",
        "package",
        "report",
    ]
    assert request.folder == tmp_path / "out"
    wrong = (block.replace("data =", "dta ="), f"{block}\n[bench]\ncores = 'big'\n")
    shown = re.findall(r"^error: (flowers\.toml:.*)$", text, re.MULTILINE)
    for changed, said in zip(wrong, shown, strict=True):
        path.write_text(changed, encoding="utf-8")
        refused = CliRunner().invoke(main, ["run", str(path)])
        place = re.sub(r":\d+:", ":N:", refused.stderr.strip().removeprefix("error: "))
        assert place.endswith(re.sub(r":\d+:", ":N:", said))
    gates = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE)
    assert gates == [(name, gate.stage) for name, gate in GATES.items()]


def command_lines(text: str) -> list[list[str]]:
    """The command lines of edge-mnv3 in a script."""
    joined = text.replace("\\\n", " ")
    return [
        shlex.split(line.strip())[1:] for line in joined.splitlines() if line.strip().startswith("edge-mnv3 ")
    ]


def check_command_line(words: list[str]) -> None:
    """Lets the command read its options, without running it."""
    import click

    command = main.get_command(click.Context(main), words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:]).close()


def scripts(data: Any) -> list[str]:
    """Every `run` of a workflow, and every `entry` of a hook."""
    if isinstance(data, dict):
        return [
            text
            for key, value in data.items()
            for text in ([value] if key in ("run", "entry") and isinstance(value, str) else scripts(value))
        ]
    return [text for each in data for text in scripts(each)] if isinstance(data, list) else []


def test_the_workflow() -> None:
    data = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text(encoding="utf-8"))
    # YAML 1.1 takes the key `on` for true.
    assert set(data) == {"name", True, "permissions", "jobs"}
    (job,) = data["jobs"].values()
    assert job["runs-on"].startswith("ubuntu-")
    assert all(set(step) <= {"name", "uses", "with", "run", "if", "id"} for step in job["steps"])
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    lines = [line for script in scripts(data) for line in command_lines(script)]
    assert [line[0] for line in lines] == ["run"]
    for line in lines:
        check_command_line(line)


def test_the_hooks() -> None:
    data = yaml.safe_load((EXAMPLES / "pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = data["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert {"id", "name", "entry", "language", "pass_filenames"} <= set(hook)
        assert hook["language"] == "system"
        re.compile(hook["files"])
        check_command_line(shlex.split(hook["entry"])[1:])


def test_the_config_of_the_examples() -> None:
    request = read_config(EXAMPLES / "flowers.toml")
    assert [stage.name for stage in request.stages] == ["quantize", "validate", "cost", "report"]
    assert {"max_drop_points", "max_int8_bytes", "max_instructions_percent"} <= set(request.gates)
    text = (ROOT / "docs" / "continuous-integration.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in command_lines(block):
            check_command_line(line)
    for name in ("flowers.toml", "github-actions.yml", "pre-commit-config.yaml"):
        assert f"examples/{name}" in text
