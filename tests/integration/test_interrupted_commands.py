"""The command line stopped in the middle: by Ctrl-C, by a full disk."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_mnv3.stages.demo import DEMO, demo_weights

pytestmark = pytest.mark.measured_processes

SMALL_GRAPH = [
    "--variant", "small_minimalistic", "--alpha", "0.35", "--input-size", "64", "--weights", "none",
]  # fmt: skip
# Trained weights, whose conversion is kept: what is tested here begins behind it.
TRAINED_GRAPH = [
    "--variant", "small_minimalistic", "--alpha", str(DEMO.variant.alpha),
    "--input-size", str(DEMO.input_size_px), "--weights", str(demo_weights()),
]  # fmt: skip


def wait_for(path: Path, running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("when", ["reading", "quantizing"])
def test_ctrl_c_leaves_nothing(tmp_path: Path, when: str) -> None:
    # The program under test runs whole; a hook only tells when the step has begun.
    hook = {
        "reading": "import edge_mnv3_calibration_data.sources.synthetic as m; name = 'synthetic_image'",
        "quantizing": "import edge_mnv3_quantization.recipes.plan as m; name = 'measure'",
    }[when]
    script = (
        # A shell ignores the signal for what it runs in the background, and children inherit that.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"import pathlib, sys; {hook}\n"
        "original = getattr(m, name)\n"
        "def told(*a, **k):\n"
        f"    pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "    return original(*a, **k)\n"
        "setattr(m, name, told)\n"
        "from edge_mnv3.cli import main\n"
        "main()\n"
    )
    out = tmp_path / "out"
    # While images are read, TensorFlow is at work in a thread.
    graph, samples = (SMALL_GRAPH, "3000") if when == "reading" else (TRAINED_GRAPH, "300")
    arguments = ["quantize", *graph, "--samples", samples, "-o", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        wait_for(tmp_path / "begun", running)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=120)
    assert running.returncode == 130
    assert stdout == ""
    assert stderr.rstrip().endswith("Interrupted.")
    assert "Traceback" not in stderr
    assert not out.exists()


def test_full_disk(tmp_path: Path) -> None:
    # From the moment when outputs are written, the system refuses files over 900 kB, as a full disk would;
    # the float file has over a megabyte.
    script = (
        "import resource, sys; import edge_mnv3.stages.quantize as m; original = m.staged\n"
        "def full(*a, **k):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))\n"
        "    return original(*a, **k)\n"
        "m.staged = full\n"
        "from edge_mnv3.cli import main\n"
        "main()\n"
    )
    out = tmp_path / "out"
    arguments = ["quantize", *TRAINED_GRAPH, "--samples", "2", "-o", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: output folder {out}: File too large; free some space or use another -o"
    )
    assert not out.exists()
