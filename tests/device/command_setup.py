"""What tests of the commands share: the command line, files of networks, a short protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner, Result

from device.adb_servers import AdbServer
from device.bench_setup import FOLDER
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, benchmark_binary
from edge_mnv3.cli import main
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.results.images import CalibrationManifest, ImageShape
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.model_facts import InputFacts, ModelFacts, OutputFacts
from edge_mnv3.core.results.models import KernelCheck, ModelChecks, VariantInfo, WeightsInfo
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.model.arch import VARIANTS
from tiny_models import write_classifier

# Two launches of ten runs each; nobody waits for a phone to cool down.
QUICK = (
    *("--runs", "10", "--min-secs", "0.1", "--max-secs", "5", "--launches", "2", "--max-cool-down", "0.2"),
)
AS_THEY_ARE = ("--accept-variation",)  # two launches are not enough to quote


class Bench(NamedTuple):
    """The command line in a new folder."""

    folder: Path
    server: AdbServer

    def run(self, *arguments: str | Path) -> Result:
        """Runs `edge-mnv3` with these arguments."""
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def measure(self, phone: Phone, *arguments: str | Path, to_quote: bool = False) -> Result:
        """Runs `edge-mnv3 bench --device` with the short protocol, and takes its launches as they are.

        Args:
            phone: The phone.
            arguments: Further ones.
            to_quote: Only a result that may be quoted will do: five launches at least.
        """
        taken = () if to_quote else AS_THEY_ARE
        return self.run("bench", "--device", phone.serial, *QUICK, *taken, *arguments)

    def binary(self, behaviour: Behaviour | None = None, name: str = "benchmark_model") -> Path:
        """A stand-in for `benchmark_model`."""
        path = self.folder / name
        path.write_bytes(benchmark_binary(behaviour))
        return path


def assert_clean(phone: Phone) -> None:
    """Nothing runs on the phone, no file of a launch is left on it, its settings are restored."""
    assert phone.wait_for(lambda: not phone.processes()), phone.processes()
    names = {path.removeprefix(f"{FOLDER}/") for path in phone.files()}
    left = ("run", ".push-", "settings_", "check_", "lock", ".stale")
    assert not {name for name in names if name.startswith(left)}, names
    assert phone.settings["stay_on_while_plugged_in"] == "0"
    assert not phone.fixed_performance


def printed(result: Result) -> dict[str, Any]:
    """The JSON that a command printed."""
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def write_variant_files(folder: Path, *names: str) -> None:
    """Tiny files in the places of networks: each with the `quantize.json` by which it is known."""
    seed = 5
    for name in names:
        for recipe in ("stock", "accurate"):
            seed += 1
            _write_variant(folder / name / recipe, name, recipe, seed)


LOADS = KernelCheck(loads=True, partitions=1, undelegated_ops={}, problem=None)
PASSED = ModelChecks(
    full_integer=True,
    float_tensors=(),
    fixed_shapes=True,
    dynamic_tensors=(),
    xnnpack=LOADS,
    builtin=LOADS,
    passed=True,
    problems=(),
)
IMAGENET_CLASSIFIER = ModelFacts(
    input=InputFacts(
        height_px=224, width_px=224, channels=3, mean=(0.0,), std=(1.0,), range_source="definition"
    ),
    outputs=(OutputFacts(name="output_0", shape=(1000,), activation="softmax", task="classes"),),
)


def _write_variant(folder: Path, name: str, recipe: str, classes: int) -> None:
    folder.mkdir(parents=True)
    variant = VARIANTS[name]
    float_path = write_classifier(folder / f"{name}_float.tflite", "float32", classes=classes)
    int8_path = write_classifier(folder / f"{name}_int8.tflite", "uint8", classes=classes)
    result = QuantizeResult(
        statistics=None,
        name=name,
        model=IMAGENET_CLASSIFIER,
        source=None,
        variant=VariantInfo(
            name=variant.name,
            size=variant.size,
            minimalistic=variant.minimalistic,
            alpha=variant.alpha,
            input_size_px=224,
            classes=1000,
            include_softmax=True,
            parameters=1,
            multiply_adds=1,
        ),
        weights=WeightsInfo(source="none", path=None, sha256=None),
        calibration=CalibrationManifest(
            kind="synthetic",
            root=None,
            preprocess="slim",
            input_shape=ImageShape.square(224),
            seed=0,
            requested=0,
            available=None,
            images=(),
            skipped=(),
            unread=(),
            sha256="0" * 64,
        ),
        recipe=recipe,
        target="phone",
        budget_percent=None,
        hard_swish="auto",
        io="uint8",
        float_path=float_path.name,
        float_size_bytes=float_path.stat().st_size,
        float_from_cache=False,
        float_sha256=sha256_file(float_path),
        int8_path=int8_path.name,
        int8_size_bytes=int8_path.stat().st_size,
        int8_sha256=sha256_file(int8_path),
        checks=PASSED,
        recipe_report=None,
        findings=(),
        warnings=(),
        timings_s={},
        versions={},
    )
    (folder / "quantize.json").write_text(to_json(result))
