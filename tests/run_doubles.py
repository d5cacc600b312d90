"""A run's commands without what they do: each gives a result of an earlier release."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from edge_mnv3.commands.run_config import read_config
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.results.cost import CostGate, CostResult, GateLine
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.run import RunResult, StageName
from edge_mnv3.core.results.validate import Gate
from edge_mnv3.stages import run as stage
from edge_mnv3.stages.run_plan import Executed
from recording_reporter import RecordingReporter
from report_runs import FORMATS, diagnosed, quantized, validated

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


def made_inputs() -> None:
    """Writes into the current folder what `ALL` reads."""
    Path("m.keras").write_bytes(b"model")
    for folder in ("photos", "val"):
        Path(folder).mkdir()
        for index in range(2):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(Path(folder, f"{index}.png"))
    Path("val.csv").write_text("file,label\nval/0.png,0\nval/1.png,1\n")


def option(words: Sequence[str], name: str) -> str | None:
    """The value of an option of a command line."""
    return next((word.partition("=")[2] for word in words if word.startswith(f"--{name}=")), None)


class Commands:
    """Commands that note how they were called.

    Attributes:
        called: Stage and words of each call.
        codes: Exit codes of stages that are not 0.
        fail: A stage that fails.
        interrupt: A stage during which Ctrl-C is pressed.
        drop_points: What validate measures.
        int8: What quantize writes.
        bench: What bench gives, other than usual.
        made: What the result of quantize has other than usual.
        warnings: What stages warn of.
        during: What happens to the user's files while a stage runs.
    """

    def __init__(self) -> None:
        self.called: list[tuple[StageName, tuple[str, ...]]] = []
        self.codes: dict[StageName, int] = {}
        self.fail: StageName | None = None
        self.interrupt: StageName | None = None
        self.drop_points = 0.25
        self.int8 = b"int8"
        self.bench = ""
        self.made: dict[str, Any] = {}
        self.warnings: dict[StageName, tuple[str, ...]] = {}
        self.during: dict[StageName, Callable[[], object]] = {}

    @property
    def names(self) -> list[str]:
        """The stages that were called since the last look."""
        names: list[str] = [name for name, _ in self.called]
        self.called = []
        return names

    def __call__(self, stage: StageName, words: Sequence[str]) -> Executed:
        """Does what the command does to the run's folder."""
        self.called.append((stage, tuple(words)))
        if stage == self.fail:
            raise ModelFileError(f"{stage} of a test", "nothing", "something")
        if stage == self.interrupt:
            raise KeyboardInterrupt
        if stage in self.during:
            self.during.pop(stage)()
        text = getattr(self, f"_{stage}")(words)
        return Executed(self.codes.get(stage, 0), text, self.warnings.get(stage, ()))

    def _quantize(self, words: Sequence[str]) -> str:
        folder = Path(str(option(words, "output-dir")))
        (folder / "m_float.tflite").write_bytes(b"float")
        (folder / "m_int8.tflite").write_bytes(self.int8)
        result = quantized(float_path=str(folder / "m_float.tflite"), int8_path=str(folder / "m_int8.tflite"))
        result = dataclasses.replace(result, **self.made)
        (folder / "quantize.json").write_text(to_json(result))
        return to_json(result)

    def _validate(self, words: Sequence[str]) -> str:
        limit = option(words, "max-drop-points")
        gate = None
        if limit is not None:
            passed = self.drop_points <= float(limit)
            problems = () if passed else ("top-1 drops",)
            gate = Gate(
                max_drop_points=float(limit),
                drop_points=self.drop_points,
                passed=passed,
                problems=problems,
            )
        return to_json(validated(gate=gate))

    def _diagnose(self, words: Sequence[str]) -> str:
        plot = option(words, "plot")
        if plot is not None:
            Path(plot).write_bytes(b"picture")
        return to_json(diagnosed())

    def _cost(self, words: Sequence[str]) -> str:
        result = from_json(CostResult, (FORMATS / "cost-v1.json").read_text())
        limit = option(words, "max-instructions-percent")
        if limit is not None:
            line = GateLine(
                path="m_int8.tflite",
                cpu="a76",
                baseline=100,
                instructions=102,
                change_percent=2.0,
                passed=False,
            )
            gate = CostGate(
                baseline=str(option(words, "baseline")), max_percent=float(limit), lines=(line,), passed=False
            )
            result = dataclasses.replace(result, gate=gate)
        return to_json(result)

    def _bench(self, words: Sequence[str]) -> str:
        return self.bench or (FORMATS / "host-bench-v2.json").read_text()

    def _package(self, words: Sequence[str]) -> str:
        output = Path(str(option(words, "output")))
        if output.suffix == ".zip":
            output.write_bytes(b"zip")
        else:
            output.mkdir(exist_ok=True)
            (output / "manifest.json").write_text("{}")
        return "{}\n"

    def _report(self, words: Sequence[str]) -> str:
        Path(str(option(words, "output"))).write_text("<html>")
        return "{}\n"


def run(commands: Commands, text: str = ALL, reporter: RecordingReporter | None = None) -> RunResult:
    """Runs a config."""
    Path("run.toml").write_text(text)
    return stage.run(read_config(Path("run.toml")), commands, reporter or RecordingReporter())


def statuses(result: RunResult) -> list[str]:
    """The status of each stage."""
    return [each.status for each in result.stages]
