"""What the stand-in for `benchmark_model` prints, against logs of the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from device.adb_servers import AdbServer
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, Build, Figures
from device.stand_in_setup import Bench

pytestmark = pytest.mark.any_adb


@pytest.fixture
def bench(phone: Phone, adb_server: AdbServer, tmp_path: Path) -> Bench:
    return Bench(phone, adb_server, tmp_path)


@pytest.mark.parametrize(
    ("log", "build", "flags", "warmup_us"),
    [
        ("android_aarch64_nightly_xnnpack", "nightly", None, [87_112, 51_629]),
        ("android_tf1.13_arm64", "1.13", "--graph=x.tflite --warmup_runs=4 --num_runs=10", [127_425, 66_709]),
        ("linux_x86_64_badflag", "2.6", None, [235_730, 248_715]),
        ("linux_x86_64_default", "2.6", None, [217_698, 194_445]),
        ("linux_x86_64_onerun", "2.6", None, []),
        ("linux_x86_64_opprof", "2.6", None, [693_489]),
        ("linux_x86_64_opprof_csv", "2.6", None, [524_872]),
        ("linux_x86_64_peakmem", "2.6", None, [182_384, 189_803]),
        ("linux_x86_64_threads1_noxnn", "2.6", None, [215_880, 224_703]),
        ("linux_x86_64_garbage", "2.6", None, []),
        ("linux_x86_64_missing", "2.6", None, []),
        ("linux_x86_64_truncated", "2.6", None, []),
    ],
)
def test_lines_are_those_of_real_logs(
    bench: Bench, test_data: Path, log: str, build: Build, flags: str | None, warmup_us: list[int]
) -> None:
    """Line by line, with numbers and the model's name taken out; rows of operators belong to the model."""
    text = (test_data / "benchmark_logs" / f"{log}.txt").read_text().replace("/tmp/probe_b/", "/none/")
    if flags is None:
        command, _, text = text.partition("\n")
        flags = command.partition("benchmark_model ")[2].strip()
    bench.put("bad.tflite", b"gargage\n" if "garbage" in log else bench.model.read_bytes()[:200])
    bad = "garbage" in log or "truncated" in log
    model = "none.tflite" if "missing" in log else "bad.tflite" if bad else "tiny.tflite"
    flags = re.sub(r"--graph=\S+", f"--graph={model}", flags)
    bench.phone.behaviour = Behaviour(build=build)
    bench.phone.figures = Figures(inference_us={"*": [[60_000, 50_000]]}, warmup_us=warmup_us)
    done = bench.run(flags)
    if "--- stdout\n" in text:
        output, _, rest = text.partition("--- stdout\n")[2].partition("--- stderr\n")
        errors, _, code = rest.partition("--- rc=")
        assert _skeleton(done.stderr) == _skeleton(errors)
        assert done.returncode == int(code)
    else:
        # Published logs have both streams in one.
        output = text
        runtime = "Initialized TensorFlow|Created TensorFlow|VERBOSE: Replacing"
        output = re.sub(rf"^.*(?:{runtime}).*\n", "", output, flags=re.MULTILINE)
    assert _skeleton(done.stdout) == _skeleton(output)


def _skeleton(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if not line or re.search(r"\]:\d+$|^\t? *(?:[A-Z_0-9]{3,}(?:,|\t))", line):
            continue
        line = re.sub(r"[\w./-]+\.tflite", "MODEL", line)
        line = re.sub(r"identifier '.*", "identifier", line)
        lines.append(re.sub(r" *\d[\d.]*(?:e[+-]\d+)?", "#", line))
    return lines
