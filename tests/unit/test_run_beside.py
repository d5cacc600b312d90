"""What stands beside the files that a config names counts for the stages that read it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.result_files import read_quantize_result
from edge_mnv3.core.results.json_format import to_json
from report_runs import FORMATS
from run_doubles import Commands, run

pytestmark = pytest.mark.usefixtures("run_folder")


def test_what_is_said_beside_a_model_counts(commands: Commands) -> None:
    for name in ("ext/f", "ext/q"):
        Path(name).mkdir(parents=True)
        (Path(name) / "m.tflite").write_bytes(name.encode())
    files = 'float = "ext/f/m.tflite"\nint8 = "ext/q/m.tflite"'
    config = f'[validate]\n{files}\ndata = "val.csv"\n[diagnose]\n'
    described = Path("ext/f/quantize.json")

    def stages_run() -> list[str]:
        run(commands, config)
        names = list(commands.names)
        run(commands, config)
        assert commands.names == []
        return names

    assert stages_run() == ["validate", "diagnose"]
    described.write_text(json.dumps({"int8": "of another release"}))
    assert stages_run() == ["validate", "diagnose"]
    described.write_text((FORMATS / "quantize-v7.json").read_text())
    assert stages_run() == ["validate", "diagnose"]
    described.unlink()
    assert stages_run() == ["validate", "diagnose"]
    Path("ext/f/m.tflite").write_bytes(b"another")  # both files have one name
    assert stages_run() == ["validate", "diagnose"]


@pytest.mark.parametrize(("where", "again"), [('device = "all"', ["bench"]), ("host = true", [])])
def test_what_is_said_beside_a_model_counts_where_bench_shows_what_is_published(
    commands: Commands, where: str, again: list[str]
) -> None:
    Path("m.tflite").write_bytes(b"model")
    config = f'[bench]\nfiles = "m.tflite"\n{where}\n'
    run(commands, config)
    assert commands.names == ["bench"]
    made = read_quantize_result(FORMATS / "quantize-v7.json")
    Path("quantize.json").write_text(to_json(made))
    run(commands, config)
    assert commands.names == again
    Path("quantize.json").write_text(to_json(dataclasses.replace(made, timings_s={"quantize": 60.0})))
    run(commands, config)
    assert commands.names == []
    Path("quantize.json").write_text(to_json(dataclasses.replace(made, recipe="stock")))
    run(commands, config)
    assert commands.names == again


def test_bench_measures_a_variant_again_if_its_files_are_others(commands: Commands) -> None:
    """bench finds or makes them itself, so that the config names none."""
    config = '[bench]\nvariant = "small"\ndevice = "all"\n'
    model = Path("edge_mnv3_models/m.tflite")
    model.parent.mkdir()
    model.write_bytes(b"model")
    measured = {"model_path": str(model), "model_sha256": sha256_file(model)}
    commands.bench = json.dumps({"results": [{"launches": [], "conditions": measured}]})

    def again() -> list[str]:
        run(commands, config)
        return commands.names

    assert again() == ["bench"]
    assert again() == []
    model.write_bytes(b"another")
    assert again() == again() == ["bench"]  # what the double gives is of the first file
    model.write_bytes(b"model")
    assert again() == []
    model.unlink()
    assert again() == ["bench"]
    for commands.bench in ("no JSON", json.dumps({"results": []})):
        assert again() == again() == ["bench"]
