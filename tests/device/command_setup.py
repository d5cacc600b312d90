"""What tests of the commands share: the command line, files of networks, a short protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from device.adb_servers import AdbServer
from device.bench_setup import FOLDER
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, Figures, benchmark_binary
from edge_mnv3.cli import main
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.results.images import CalibrationManifest, ImageShape
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.model_facts import InputFacts, ModelFacts, OutputFacts
from edge_mnv3.core.results.models import KernelCheck, ModelChecks, VariantInfo, WeightsInfo
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.model.arch import VARIANTS
from edge_mnv3_android_bench.adb import client as adb
from edge_mnv3_android_bench.adb import files as device_files
from edge_mnv3_android_bench.device import selection as device_selection
from edge_mnv3_android_bench.device import settings as device_settings
from edge_mnv3_android_bench.device import state as device_state
from edge_mnv3_android_bench.measuring import launch_script, launch_statistics, launching
from edge_mnv3_android_bench.measuring import session as device_session
from tiny_models import write_classifier

# Two launches of ten runs each; nobody waits for a phone to cool down.
QUICK = (
    *("--runs", "10", "--min-secs", "0.1", "--max-secs", "5", "--launches", "2", "--max-cool-down", "0.2"),
)
AS_THEY_ARE = ("--accept-variation",)  # two launches are not enough to quote

# A launch that lasts long enough to be sampled two or three times, once `shorten` was called.
SHORT = Figures.steady(20_000, spread_us=100, launch_s=0.5)


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


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes waits and launches short, so that a test is over soon even when nothing answers."""
    monkeypatch.setattr(adb, "SERVER_TIMEOUT_S", 3.0)
    monkeypatch.setattr(adb, "SHELL_TIMEOUT_S", 2.0)
    monkeypatch.setattr(adb, "CONNECT_TIMEOUT_S", 3.0)
    monkeypatch.setattr(device_files, "SHELL_TIMEOUT_S", 2.0)
    monkeypatch.setattr(device_selection, "PASSING_STATE_S", 0.5)
    monkeypatch.setattr(device_state, "_DUMP_TIMEOUT_S", 2.5)
    monkeypatch.setattr(device_session, "LOADING_ALLOWANCE_S", 0.5)
    monkeypatch.setattr(device_settings, "_RECONNECT_S", 0.0)
    monkeypatch.setattr(launching, "_STATES_ALLOWANCE_S", 1.5)
    monkeypatch.setattr(launching, "_KILL_TIMEOUT_S", 1.0)
    monkeypatch.setattr(launch_script, "SAMPLE_INTERVAL_S", 0.1)
    monkeypatch.setattr(launch_statistics, "SETTLE_S", 0.15)
    monkeypatch.setattr(launching, "SETTLE_S", 0.15)


def assert_clean(phone: Phone) -> None:
    """Nothing runs on the phone, no file of a launch is left on it, its settings are restored."""
    assert phone.wait_for(lambda: not phone.processes(), timeout_s=4.0), phone.processes()
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
