"""Shows what wrong command lines and surroundings say, as a table: `python tools/malformed_commands.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from edge_mnv3.cli import COMMANDS, main
from edge_mnv3.commands.types import PathOrWord

LONG = "a" * 300
PATHS = ("pipe", "folder", "empty", "junk", "text.json", "nul.csv", "/proc/x/y", "\udcff\udcfe", LONG, "")
NUMBERS = ("x", "nan", "inf", "-1", "1e400", "0", "99999999999999999999", "")
TEXTS = ("", "\udcff", "x" * 5000, "=", "é", "1..2..3", "0..0")
# What a command needs before it looks at the rest; the files are not there.
NEEDED: dict[str, tuple[str, ...]] = {
    "quantize": ("none.keras",),
    "calibrate": ("none.keras", "-o", "calibrated"),
    "statistics": ("show", "none.npz"),
    "validate": ("--float", "none.tflite", "--int8", "none.tflite", "--data", "none.csv"),
    "sweep": ("none.keras",),
    "diagnose": ("--float", "none.tflite", "--int8", "none.tflite", "--data", "none.csv"),
    "inspect": ("none.tflite",),
    "bench": ("none.tflite", "--host"),
    "reproduce": ("--device", "none"),
    "compare": ("none.json", "none.json"),
    "history": ("none.jsonl",),
    "cost": ("none.tflite",),
    "export": ("none.json",),
    "package": ("none.tflite", "-o", "packaged"),
    "verify": ("none",),
    "build": ("--variant", "small", "--weights", "none.h5", "-o", "none.keras"),
    "demo": ("-o", "/proc/x"),
}
# What nothing is wrong with, and takes half a minute.
RIGHT = [["demo", "--output-dir", place] for place in ("folder", "\udcff\udcfe")]


class Said(NamedTuple):
    """What a command line came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        """The last line that it wrote."""
        return ((self.stderr + self.stdout).strip().splitlines() or [""])[-1]


class Surroundings(NamedTuple):
    """A command in an environment that is not what it should be."""

    name: str
    arguments: tuple[str, ...]
    shell: str  # a shell line, in which "$@" is the command
    environment: Mapping[str, str] = {}


SURROUNDINGS = [
    Surroundings("closed stdout", ("published",), '"$@" >&-'),
    Surroundings("closed stderr", ("inspect", "none.tflite"), '"$@" 2>&-'),
    Surroundings("closed stdin", ("inspect", "none.tflite"), '"$@" <&-'),
    Surroundings("all streams closed", ("published",), '"$@" <&- >&- 2>&-'),
    Surroundings("full stdout", ("published",), '"$@" >/dev/full'),
    Surroundings("full stdout, JSON", ("published", "--json"), '"$@" >/dev/full'),
    Surroundings("a reader that goes away", ("published", "--json"), '"$@" | head -n 1'),
    Surroundings("locale C", ("published",), '"$@"', {"LC_ALL": "C"}),
    Surroundings(
        "ASCII only",
        ("inspect", "é\udcff.tflite"),
        '"$@"',
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    Surroundings("no home", ("inspect", "none.tflite"), '"$@"', {"HOME": "/proc/none"}),
    Surroundings("no temporary folder", ("inspect", "none.tflite"), '"$@"', {"TMPDIR": "/proc/none"}),
    Surroundings(
        "a folder that is gone", ("inspect", "none.tflite"), 'mkdir gone; cd gone; rmdir ../gone; "$@"'
    ),
    Surroundings(
        "no search path", ("bench", "none.tflite", "--device", "none"), '"$@"', {"PATH": "/proc/none"}
    ),
    Surroundings("no memory for threads", ("inspect", "none.tflite"), 'ulimit -u 40; "$@"'),
    Surroundings("few open files", ("inspect", "none.tflite"), 'ulimit -n 20; "$@"'),
]


def write_files(folder: Path) -> None:
    """Writes what the command lines name: a pipe, a folder, files of nothing and of noise."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "empty").write_bytes(b"")
    (folder / "junk").write_bytes(bytes(range(256)) * 8)
    (folder / "text.json").write_bytes(b"[1,2")
    (folder / "nul.csv").write_bytes(b"file,label\n\0\xff,1\n")


def command_lines() -> Iterator[list[str]]:
    """Every option and argument of every command with values that are wrong for it."""
    yield from (["quantise"], ["help", "quantise"], ["help", "build", "x"], ["--nosuch"], ["Build"], [""])
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        if command is None:
            raise LookupError(name)
        of_groups = command.commands if isinstance(command, click.Group) else {"": command}
        for sub, each in of_groups.items():
            needed = NEEDED.get(name, ()) if not sub else ()
            for param in each.params:
                lines = _lines([name, *([sub] if sub else [])], list(needed), param)
                yield from (line for line in lines if line not in RIGHT)


def _lines(command: list[str], needed: list[str], param: click.Parameter) -> Iterator[list[str]]:
    if isinstance(param, click.Option) and (param.is_flag or param.is_eager):
        return
    for value in _values(param):
        if isinstance(param, click.Argument):
            first = 0 if not needed or needed[0].startswith("-") else 1
            yield [*command, value, *needed[first:]]
            continue
        rest = list(needed)
        for spelling in {*param.opts} & {*rest}:
            place = rest.index(spelling)
            del rest[place : place + 2]
        yield [*command, *rest, max(param.opts, key=len), *[value] * max(param.nargs, 1)]


def _values(param: click.Parameter) -> tuple[str, ...]:
    kind = param.type
    if isinstance(kind, click.Choice):
        words = [str(choice) for choice in kind.choices]
        return ("nosuch", words[0].swapcase(), words[-1][:-1], "")
    if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        return NUMBERS
    return PATHS if isinstance(kind, (click.Path, PathOrWord)) else TEXTS


def in_surroundings(each: Surroundings, folder: Path) -> Said:
    """Runs a command in its surroundings.

    Raises:
        subprocess.TimeoutExpired: It did not end within a minute.
    """
    program = [sys.executable, "-m", "edge_mnv3.cli", *each.arguments]
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", each.shell, "bash", *program],
        cwd=folder,
        env={**os.environ, **each.environment},
        capture_output=True,
        timeout=60,
        check=False,
    )
    out, err = (text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr))
    return Said(done.returncode, out, err)


def in_process(line: list[str]) -> Said:
    """Runs a command line in this process, in the current folder."""
    from click.testing import CliRunner

    result = CliRunner().invoke(main, line)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def _shown(words: list[str]) -> str:
    return " ".join(word if len(word) < 40 else f"{word[:8]}…" for word in words)


def _print_table() -> None:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(folder)
        os.chdir(folder)
        rows = [(_shown(line), in_process(line)) for line in command_lines()]
        rows += [
            (f"({each.name}) {_shown([*each.arguments])}", in_surroundings(each, folder))
            for each in SURROUNDINGS
        ]
        os.chdir("/")
    for line, said in rows:
        text = f"{said.exit_code} | {line} | {said.last_line[:200]}"
        sys.stdout.buffer.write((text + "\n").encode("utf-8", "backslashreplace"))


if __name__ == "__main__":
    _print_table()
