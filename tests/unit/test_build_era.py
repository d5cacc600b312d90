"""Of which time a build is: seen by what it knows and prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench_records import CONDITIONS
from edge_mnv3_android_bench.benchmark_model.era import dated, later_evidence

OLD_FLAGS = frozenset({"graph", "num_runs", "num_threads", "warmup_runs", "use_nnapi", "use_xnnpack"})
BUILD = CONDITIONS.binary


@pytest.mark.parametrize(
    ("given", "evidence"),
    [
        ({"known_flags": OLD_FLAGS, "version": "2.4.1"}, ()),
        ({"version": "1.13.1", "log_text": "STARTING!\ncount=5 first=1 curr=1\n"}, ()),
        ({"known_flags": {*OLD_FLAGS, "dry_run"}}, ("knows --dry_run",)),
        ({"known_flags": {"dry_run", "use_npu", "use_cpu"}}, ("knows --dry_run and 2 more later flags",)),
        ({"version": "2.5.0"}, ("reports version 2.5.0",)),
        ({"version": "2.17"}, ("reports version 2.17",)),
        ({"version": "nightly"}, ()),
        (
            {"log_text": "INFO: STARTING!\n"},
            ("prints severities, as builds from about TensorFlow 2.10 on",),
        ),
        (
            {"log_text": "count=5 first=1 curr=1 std=0 p5=1 median=1 p95=1\n"},
            ("prints percentiles, as builds of recent years",),
        ),
        ({"log_text": "INFO: ========== BENCHMARK RESULTS ==========\n"}, ("prints the results of LiteRT",)),
    ],
)
def test_evidence(given: dict[str, object], evidence: tuple[str, ...]) -> None:
    assert later_evidence(**given) == evidence  # type: ignore[arg-type]


def test_names_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "benchmark_model"
    file.write_bytes(b"\x7fELF\0\0TfLiteXNNPackDelegate\0")
    assert later_evidence(file=file) == ()
    file.write_bytes(b"\x7fELF\0\0LiteRT accelerator\0")
    assert later_evidence(file=file) == ("names LiteRT",)


def test_eras() -> None:
    assert dated(BUILD, OLD_FLAGS, ()).era == "published"
    later = dated(BUILD, OLD_FLAGS, ("knows --dry_run",))
    assert (later.era, later.era_evidence) == ("later", ("knows --dry_run",))
    # What was found once stays found, and more is added.
    assert dated(later, OLD_FLAGS, ()).era == "later"
    assert dated(later, OLD_FLAGS, ("prints x",)).era_evidence == ("knows --dry_run", "prints x")
    assert dated(BUILD, {"graph"}, ()).era == "unknown"


def test_real_builds(test_data: Path) -> None:
    """What the logs of TensorFlow 1.13, 2.3 and 2.4 print is of that time; that of later ones is not."""
    logs = test_data / "benchmark_logs"
    for name in ("android_tf1.13_arm64", "android_tf2.3_op_profile_excerpt", "raspberry_pi4_tf2.4_excerpt"):
        assert later_evidence(log_text=(logs / f"{name}.txt").read_text()) == ()
    for name in ("android_aarch64_nightly_xnnpack", "linux_x86_64_litert2"):
        assert later_evidence(log_text=(logs / f"{name}.txt").read_text())
    usage = (logs / "linux_x86_64_badvalue.txt").read_text()
    flags = set(re.findall(r"^\s+--(\w+)=", usage, re.MULTILINE))
    (evidence,) = later_evidence(known_flags=flags)
    assert evidence.endswith("more later flags")
