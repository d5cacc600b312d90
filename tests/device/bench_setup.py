"""What tests of the bench share: our client on the emulated phone, a registry, a small model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from device.adb_servers import AdbServer
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, Figures, benchmark_binary
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.bench import DeviceBenchResult
from edge_mnv3_android_bench.adb.client import Adb, AdbDevice
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.fleet import FailedDevice, open_fleet
from edge_mnv3_android_bench.measuring.plan import CoolDown, MeasurementPlan
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, custom_protocol
from edge_mnv3_android_bench.measuring.runs import forget_launches, measure_fleet
from tiny_models import write_classifier

FOLDER = "/data/local/tmp/edge-mnv3"
ABI = "arm64-v8a"
QUICK = custom_protocol(PUBLISHED, num_runs=10, min_secs=0.1, max_secs=5.0, launches=2)
STEADY = Figures.steady(20_000, spread_us=100)


def device_on(server: AdbServer, phone: Phone) -> AdbDevice:
    """Returns the phone through the product's client."""
    return Adb(server.binary.path, server_port=server.port).device(phone.serial)


def registry_with(folder: Path, **builds: Behaviour) -> BinaryRegistry:
    """A registry with stand-ins: name (`_` for `-`) to behaviour; `current` alone by default."""
    registry = BinaryRegistry(folder / "cache")
    for name, behaviour in (builds or {"current": Behaviour()}).items():
        file = folder / f"{name}.sh"
        file.write_bytes(benchmark_binary(behaviour))
        registry.register(name.replace("_", "-"), ABI, file)
    return registry


class Measured(NamedTuple):
    """What came of a measurement."""

    results: tuple[DeviceBenchResult, ...]
    failures: list[FailedDevice]


def measure(
    devices: Sequence[AdbDevice],
    plan: MeasurementPlan,
    registry: BinaryRegistry,
    reporter: Reporter = SILENT,
) -> Measured:
    """Opens the devices and measures on all of them."""
    with open_fleet(devices) as fleet:
        results = measure_fleet(fleet, plan, registry, reporter)
    if not fleet.failures:
        forget_launches(plan)
    return Measured(results, fleet.failures)


def quick_plan(folder: Path, *models: Path, **changes: Any) -> MeasurementPlan:
    """A measurement that does not wait long."""
    base = MeasurementPlan(
        models=models,
        binaries=("current",),
        protocol=QUICK,
        acceptance=Acceptance(variation=True),
        log_folder=folder / "logs",
        resume_path=folder / "resume.jsonl",
        cool_down=CoolDown(min_s=0.05, max_s=0.3, poll_s=0.05),
    )
    return dataclasses.replace(base, **changes)


def model_file(folder: Path, name: str = "model.tflite", *, classes: int = 5) -> Path:
    """A tiny model; another number of classes is another file."""
    return write_classifier(folder / name, "uint8", classes=classes)
