"""Every code block of the documentation: commands are parsed by the real command line, programs are read.

What runs is in tests/integration: test_tutorial, test_python_docs, test_fine_tune_docs.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import edge_mnv3
from edge_mnv3.cli import COMMANDS, main
from shell_lines import LEFT_OUT, commands

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```([\w-]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"", "sh", "text", "python", "kotlin", "toml", "yaml", "json"}
# Programs that are not this project's: their arguments are theirs to judge.
OTHERS = {
    "check-jsonschema",
    "pipx",
    "uv",
    "uvx",
    *("apt-get", "dask", "do", "done", "echo", "eval", "export", "for", "jq", "ln", "npm", "printf", "."),
    *(
        "bencher",
        "curl",
        "docker",
        "git",
        "kubectl",
        "mkdocs",
        "model-explorer",
        "pre-commit",
        "sbatch",
        "source",
    ),
}
OF_OTHER_PACKAGES = {"dask", "dask_jobqueue", "dask_kubernetes", "distributed", "keras", "numpy"}


class Block(NamedTuple):
    """A block of code of a page."""

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.strip().splitlines()[0] if self.text.strip() else ''}"


BLOCKS = [
    Block(page.name, match[1], match[2])
    for page in PAGES
    for match in FENCE.finditer(page.read_text(encoding="utf-8"))
]


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def parse(words: list[str]) -> None:
    """Parses a command line up to what the command would do; raises `click.UsageError`."""
    words = [word for word in words if word != LEFT_OUT]
    context = click.Context(main, info_name="edge-mnv3")
    command: click.Command = main
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            return  # `--help` and `--version`
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    command.make_context(context.info_name, list(words), parent=context.parent)


def problem(words: list[str], *, may_lack: bool = False) -> str | None:
    """What is wrong with a command of this project; `may_lack`: it leaves out what the reader fills in."""
    try:
        parse(words)
    except click.exceptions.Exit:
        return None  # `--help`
    except click.UsageError as error:
        lacks = isinstance(error, click.MissingParameter) or "requires an argument" in error.message
        stands_for = isinstance(error, click.BadParameter) and any(word.isupper() for word in words)
        return None if may_lack and (lacks or stands_for) else f"{' '.join(words)}: {error.message}"
    return None


def test_the_check_sees_what_is_wrong() -> None:
    assert problem(["quantize", "--variant", "small", "-o", "out"]) is None
    assert problem(["validate", LEFT_OUT, "--engine", "dask"], may_lack=True) is None
    for wrong in (
        ["quantise"],
        ["quantize", "--varinat", "small"],
        ["quantize", "--variant", "smal"],
        ["quantize", "--samples", "many"],
        ["statistics", "colect"],
        ["validate", "--engine", "dask"],
    ):
        assert problem(wrong)


def test_languages_are_known() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(BLOCKS)


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_shell_blocks(block: Block) -> None:
    for words in commands(block.text):
        program = words[0].rpartition("/")[2]
        if program == "edge-mnv3":
            assert problem(words[1:], may_lack=LEFT_OUT in words) is None
        elif program in ("python", "python3"):
            check_program(words[1:])
        elif program == "pytest":
            check_files([word.partition("::")[0] for word in words[1:] if word.startswith("tests")])
        elif program == "pip":
            check_extras(words)
        elif program == "sh":
            check_files(re.findall(r"edge_mnv3/\S+", words[1]))
        else:
            assert program in OTHERS, f"{block}: {program}"


def check_program(words: list[str]) -> None:
    """Checks `python FILE.py` and `python -m MODULE`: the file is there, and knows the options."""
    if words[:1] == ["-m"] and words[1] in ("venv", "pip", "pyperf"):
        return
    path = ROOT / (words[1].replace(".", "/") + ".py" if words[0] == "-m" else words[0])
    assert path.is_file(), path
    options = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
    text = path.read_text(encoding="utf-8")
    for module in re.findall(r"^from (edge_mnv3\.commands\.\w+|benchmarks\.\w+) import", text, re.MULTILINE):
        text += (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    assert sorted(option for option in options if f'"{option}' not in text and f"[{option}" not in text) == []


def check_files(paths: list[str]) -> None:
    assert [path for path in paths if not (ROOT / path).exists()] == []


def check_extras(words: list[str]) -> None:
    """Checks that the extras of this package that pip is given are there."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = known["optional-dependencies"]
    for named in re.findall(r"(?:^| )(?:\.|edge-mnv3)\[([^]]*)\]", " ".join(words)):
        assert set(named.split(",")) <= set(extras), words


INLINE = [
    Block(page.name, "sh", match[1].replace("\n", " "))
    for page in PAGES
    for match in re.finditer(
        r"(?<!`)`(edge-mnv3 [a-z][^`]*)`(?!`)", FENCE.sub("", page.read_text(encoding="utf-8"))
    )
]


@pytest.mark.parametrize("block", INLINE, ids=str)
def test_commands_in_sentences(block: Block) -> None:
    text = block.text.replace("...", "")
    if "COMMAND" not in text:
        for words in commands(text):
            assert problem(words[1:], may_lack=True) is None


def test_examples_in_help_texts() -> None:
    text = COMMANDS_PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ {4}(edge-mnv3 .*)$", text, re.MULTILINE)
    assert len(lines) > 60
    for line in lines:
        for words in commands(line):
            if words[0] == "edge-mnv3":
                assert problem(words[1:]) is None


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_blocks(block: Block) -> None:
    tree = ast.parse(block.text)
    known = {*dir(builtins)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            check_import(node)
            known |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            known.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            known.add(node.name)
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            known.add(node.name)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if block.page != "python.md":  # whose examples are one program, and run
        assert used <= known
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
             and isinstance(node.value, ast.Name) and node.value.id == "em"}  # fmt: skip
    assert names <= {*edge_mnv3.__all__}


def check_import(node: ast.Import | ast.ImportFrom) -> None:
    """Checks that what is imported of this project and of Python is there, without loading Keras."""
    names = [alias.name for alias in node.names]
    for module in [node.module or ""] if isinstance(node, ast.ImportFrom) else names:
        if module.partition(".")[0] in OF_OTHER_PACKAGES:
            continue
        known = builder_names() if module == "edge_mnv3.builder" else dir(importlib.import_module(module))
        if isinstance(node, ast.ImportFrom):
            assert [name for name in names if name not in known] == []


def builder_names() -> list[str]:
    tree = ast.parse((ROOT / "edge_mnv3" / "builder.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def test_data_blocks() -> None:
    for block in of("toml", "json", "yaml"):
        if block.language == "toml":
            assert tomllib.loads(block.text), block
        elif block.language == "json":
            assert json.loads(block.text), block
        else:
            yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: YAML is not read")
            assert yaml.safe_load(block.text), block


def every_option() -> list[tuple[str, click.Option]]:
    """Each option of each command that is not hidden, with the command's words."""
    found = []
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {}
        for path, each in {name: command, **{f"{name} {key}": value for key, value in below.items()}}.items():
            found += [
                (path, param) for param in each.params if isinstance(param, click.Option) and not param.hidden
            ]
    return found


def test_every_option_is_explained() -> None:
    text = COMMANDS_PAGE.read_text(encoding="utf-8")
    usage = r"^Usage: edge-mnv3 ([a-z -]*[a-z]) .*\n((?:(?!^Usage).*\n)*)"
    sections = dict(re.findall(usage, text, re.MULTILINE))
    options = every_option()
    assert len(options) > 200
    for path, option in options:
        shown = [name for name in option.opts if re.search(rf"^  .*{name}\b", sections[path], re.MULTILINE)]
        assert shown, (path, option.opts)
        sentence = re.sub(r"\s*\[[^]]*\]$", "", option.help or "")
        assert re.fullmatch(r"[A-Z].*[.)]", sentence, re.DOTALL), (path, option.opts, option.help)
