"""Commands on a small graph with random weights and a few pictures, for tests of what is kept of images."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result
from PIL import Image

from edge_mnv3.cli import main
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3_calibration_data.synthetic import synthetic_image

GRAPH = ["--variant", "small_minimalistic", "--alpha", "0.35", "--input-size", "64"]


def run(*arguments: object) -> Result:
    """Runs a command line."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def quantize(*arguments: object) -> QuantizeResult:
    """What `quantize` gives."""
    result = run("quantize", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return from_json(QuantizeResult, result.stdout)


def error(*arguments: object) -> str:
    """The line that a command ends with that fails."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    return result.stderr.splitlines()[-1]


def built_graph(folder: Path) -> list[str]:
    """Builds the graph; returns the options that give it, the same each time."""
    path = folder / "small.keras"
    made = run("build", *GRAPH, "--weights", "none", "--classes", 4, "-o", path)
    assert made.exit_code == 0, made.output
    return [*GRAPH, "--weights", str(path)]


def made_photos(folder: Path, count: int) -> Path:
    """Writes so many pictures; returns their folder."""
    for index in range(count):
        Image.fromarray(synthetic_image(index, size=80, seed=0)).save(folder / f"{index:02}.png")
    return folder
