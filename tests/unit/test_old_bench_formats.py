"""Files of version 1, written by release 0.1: each is read by what reads it today, with its values."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.results.bench import (
    DeviceBenchConditions,
    DeviceBenchResult,
    HostBenchResult,
    ProtocolSettings,
    flat_conditions,
    nested_conditions,
)
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.binaries import BinaryInfo
from edge_mnv3.core.results.json_format import from_json, to_json, to_jsonable
from edge_mnv3.core.results.verdicts import MeasuredCell, ReproduceResult
from edge_mnv3.packaging.bundle import read_bundle
from edge_mnv3.packaging.evidence import phone_latencies, read_bench
from edge_mnv3.packaging.manifest import read_manifest
from edge_mnv3.packaging.model_card import model_card
from edge_mnv3.stages.bench import resume_name
from edge_mnv3_android_bench.comparison.history import read_history
from edge_mnv3_android_bench.comparison.latencies import compare, read_bench_results
from edge_mnv3_android_bench.measuring.acceptance import Acceptance
from edge_mnv3_android_bench.measuring.plan import MeasurementPlan
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, custom_protocol
from edge_mnv3_android_bench.measuring.resume_file import ResumeFile
from recording_reporter import RecordingReporter

FORMATS = Path(__file__).parent.parent / "golden" / "formats"
REPORT = FORMATS / "device-bench-report-v1.json"
BINARY = BinaryInfo(
    name="current",
    sha256="4645292f4127e239d43dd795b4ab7311494195f3187d8c8f67038d0fe0194168",
    version=None,
    runtime="unknown",
    era="unknown",  # nothing but its name was recorded then
    era_evidence=("recorded by an earlier release",),
)
SETTINGS = ProtocolSettings(
    name="custom",
    kernels="builtin",
    num_threads=1,
    num_runs=10,
    warmup_runs=1,
    min_secs=0.1,
    max_secs=5.0,
    warmup_min_secs=0.5,
)


def test_report() -> None:
    report = from_json(DeviceBenchReport, REPORT.read_text())
    (result,) = report.results
    conditions = result.conditions
    assert (conditions.binary, conditions.protocol) == (BINARY, SETTINGS)
    assert (conditions.delegate, conditions.cpus, conditions.cpu_mask) == ("none", (4, 5, 6, 7), "f0")
    assert (conditions.device.model, conditions.model_path) == ("Generic Phone", "device/model.tflite")
    assert (result.median_us, result.ci95_us, len(result.launches)) == (20_000.0, (20_000.0, 20_000.0), 4)
    assert result.launches[0].timings is not None
    assert result.launches[0].timings.median_us == 20_000.0
    # What is written now is the present version, and reads back the same.
    written = json.loads(to_json(report))["results"][0]
    assert (written["schema_version"], written["conditions"]["binary"]["name"]) == (4, "current")
    assert from_json(DeviceBenchReport, to_json(report)) == report
    assert (report.schema_version, report.not_measured) == (2, ())
    text = (FORMATS / "device-bench-report-v2.json").read_text()
    assert to_json(from_json(DeviceBenchReport, text)) == text


def test_report_with_profile_and_outputs() -> None:
    report = from_json(DeviceBenchReport, (FORMATS / "device-bench-profiled-v1.json").read_text())
    (profile,), (outputs,) = report.profiles, report.outputs
    assert profile.conditions == report.results[0].conditions
    assert (profile.conditions.protocol.kernels, profile.conditions.protocol.num_threads) == ("xnnpack", 4)
    assert (profile.profile.total_us, profile.schema_version) == (19_990.0, 3)
    assert (outputs.binary, outputs.images) == ("current", 8)


def test_comparing() -> None:
    (old,) = read_bench_results(REPORT)
    assert isinstance(old, DeviceBenchResult)
    same = compare(old, from_json(DeviceBenchResult, to_json(old)))
    assert (same.ratio, same.differ, same.differences) == (1.0, False, ())


def test_this_machine() -> None:
    result = read_bench(FORMATS / "host-bench-v1.json")
    assert isinstance(result, HostBenchResult)
    assert (result.median_us, len(result.block_medians_us)) == (18.808, 5)
    old = json.loads((FORMATS / "host-bench-v1.json").read_text())["conditions"]
    assert dataclasses.asdict(result.conditions.protocol).items() <= {**old, "rounds": 1}.items()
    assert (result.conditions.protocol.num_runs, result.schema_version) == (5, 3)
    written = json.loads((FORMATS / "host-bench-v3.json").read_text())
    assert json.loads(to_json(result)) == written
    assert read_bench(FORMATS / "host-bench-v2.json") == read_bench(FORMATS / "host-bench-v3.json") == result


def test_evidence() -> None:
    report = read_bench(REPORT)
    assert isinstance(report, DeviceBenchReport)
    (latency,) = phone_latencies([report], report.results[0].conditions.model_sha256)
    assert (latency.device, latency.binary, latency.protocol) == ("Example Generic Phone", BINARY, SETTINGS)
    assert (latency.median_us, latency.launches) == (20_000.0, 3)


def test_history() -> None:
    reporter = RecordingReporter()
    host, device, reproduced = read_history(FORMATS / "history-v1.jsonl", reporter)
    assert reporter.warnings == []
    assert isinstance(host.result, HostBenchResult)
    assert host.result.median_us == 18.808
    assert isinstance(device.result, DeviceBenchResult)
    assert (device.result.conditions.binary, device.result.median_us) == (BINARY, 20_000.0)
    assert isinstance(reproduced.result, ReproduceResult)
    assert reproduced.result.published_device == "Pixel 1"
    assert reproduced.result.results[0].conditions.binary.name == "era-2019"
    assert [entry.recorded_at[:10] for entry in (host, device, reproduced)] == ["2026-11-27"] * 3


def test_unfinished_launches() -> None:
    """The conditions are those of the other file of the same phone; the file's name is that of then."""
    conditions = from_json(DeviceBenchReport, REPORT.read_text()).results[0].conditions
    model = FORMATS / "unfinished-launches-v1.tflite"
    then = dataclasses.replace(
        conditions,
        device=dataclasses.replace(conditions.device, emulated=True),
        model_sha256="ea67f453a2b439996777e6ee9f4f9b37632a1dcf40673abee3d4b6499b4e319f",
        model_path=str(model),
    )
    resume = ResumeFile(FORMATS / "unfinished-launches-v1.jsonl")
    records = resume.load(then)
    assert [record.number for record in records] == [1, 2]
    assert all(record.timings is not None and record.timings.median_us == 20_000.0 for record in records)
    assert resume.load(conditions) == []
    protocol = custom_protocol(PUBLISHED, num_runs=10, min_secs=0.1, max_secs=5.0, launches=3)
    plan = MeasurementPlan(models=(model,), binaries=("current",), protocol=protocol, log_folder=Path())
    name = resume_name(plan, [conditions.device.serial])
    assert name == "unfinished-3f0883d7ddecfea1.jsonl"
    # Launches that count under --accept-clock only are not taken up without it.
    lenient = dataclasses.replace(plan, acceptance=Acceptance(clock=True))
    assert resume_name(lenient, [conditions.device.serial]) != name


def test_bundle() -> None:
    files = read_bundle(FORMATS / "bundle-v1.zip").files
    assert json.loads(files["manifest.json"])["schema_version"] == 1
    manifest = read_manifest(files)
    (latency,) = manifest.models[0].phone_latencies
    assert (latency.device, latency.binary, latency.protocol) == ("Example Generic Phone", BINARY, SETTINGS)
    assert (latency.median_us, latency.delegate, latency.cpu_mask) == (20_000.0, "none", "f0")
    # People read what they read then, behind the metadata that cards begin with now.
    assert model_card(manifest).partition("\n---\n\n")[2].encode() == files["model_card.md"]


def test_nesting_loses_nothing() -> None:
    flat = json.loads(REPORT.read_text())["results"][0]["conditions"]
    nested = nested_conditions(flat)
    assert flat_conditions(nested) == flat
    read = from_json(
        DeviceBenchConditions, json.dumps(nested | {"accelerator": "cpu", "libraries_sha256": None})
    )
    # Devices and builds are of formats of their own.
    parts = {"device": to_jsonable(read.device), "binary": to_jsonable(read.binary)}
    assert to_jsonable(read) == nested | parts | {"accelerator": "cpu", "libraries_sha256": None}


@pytest.mark.parametrize("damage", [None, 7, [], {}, {"binary": "current"}])
def test_damaged_conditions_are_refused(tmp_path: Path, damage: Any) -> None:
    data = json.loads(REPORT.read_text())
    data["results"][0]["conditions"] = damage
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputFileError, match=r"result .*damaged.json: got no device bench of version 1"):
        read_bench(path)


def test_builds() -> None:
    conditions = json.loads(REPORT.read_text())["results"][0]["conditions"]
    flat = {"name": conditions["binary"], "sha256": conditions["binary_sha256"], "version": None}
    assert from_json(BinaryInfo, json.dumps(flat)) == BINARY
    second = from_json(BinaryInfo, (FORMATS / "build-of-benchmark-model-v2.json").read_text())
    text = (FORMATS / "build-of-benchmark-model-v3.json").read_text()
    build = from_json(BinaryInfo, text)
    assert to_json(build) == text
    assert (second.runtime, build.runtime) == ("unknown", "LiteRT")
    assert dataclasses.replace(second, runtime="LiteRT") == build
    assert (build.era, build.of_published_time) == ("later", False)


def test_measured_cells() -> None:
    old = json.loads((FORMATS / "history-v1.jsonl").read_text().splitlines()[2])["result"]["cells"]
    cell = from_json(MeasuredCell, json.dumps(old[0]["measured"][0]))
    assert (cell.binary, cell.of_published_time) == ("era-2019", True)
    second = from_json(MeasuredCell, (FORMATS / "measured-cell-v2.json").read_text())
    text = (FORMATS / "measured-cell-v3.json").read_text()
    third = from_json(MeasuredCell, text)
    assert to_json(third) == text
    assert (cell.runtime, second.runtime, third.runtime) == ("unknown", "unknown", "TensorFlow Lite")


def test_results_of_devices() -> None:
    """Version 3 knew the CPU alone; version 2 told nothing of what could not be quoted, or was accepted."""
    present = (FORMATS / "device-bench-v4.json").read_text()
    on_gpu = from_json(DeviceBenchResult, present)
    assert to_json(on_gpu) == present
    assert [(f.found_by, f.last_us, f.cpus) for f in on_gpu.throttling] == [("drift", 90_000.0, ())]
    assert on_gpu.delegated is not None
    assert on_gpu.delegated.text == "GPU took 57 of 58 nodes in 1 partition; the rest ran on the cpu"
    text = (FORMATS / "device-bench-v3.json").read_text()
    result = from_json(DeviceBenchResult, text)
    assert (result.conditions.accelerator, result.delegated, result.throttling) == ("cpu", None, ())
    assert from_json(DeviceBenchResult, to_json(result)) == result
    assert result.conditions.device.system == "Android 13"
    assert result.observed is not None
    assert (result.observed.min_us, result.accepted) == (19_900.0, ("the 95 % interval is ± 3.10 % wide",))
    old = json.loads(text) | {"schema_version": 2}
    del old["observed"], old["accepted"]
    upgraded = from_json(DeviceBenchResult, json.dumps(old))
    assert (upgraded.observed, upgraded.accepted) == (None, ())
    assert upgraded == dataclasses.replace(result, observed=None, accepted=())
