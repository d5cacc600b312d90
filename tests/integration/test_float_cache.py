"""Float files from the cache: the same bytes, without TensorFlow, whatever runs at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.quantize import QuantizeResult

GRAPH = ["--variant", "small", "--alpha", "0.05", "--input-size", "32"]
TOPOLOGY_SCRIPT = (
    "import sys; from edge_mnv3.cli import main\n"
    "try: main()\n"
    "finally: print('TensorFlow' if 'tensorflow' in sys.modules else 'none', file=sys.stderr)\n"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.keras"
    built = CliRunner().invoke(
        main, ["build", *GRAPH, "--weights", "none", "--classes", "4", "-o", str(path)]
    )
    assert built.exit_code == 0, built.output
    return path


def arguments(weights: Path, out: Path) -> list[str]:
    made = ["quantize", *GRAPH, "--weights", str(weights), "--samples", "4", "--recipe", "fast"]
    return [*made, "-o", str(out), "--json"]


def here(weights: Path, out: Path, *options: str) -> tuple[QuantizeResult, list[str]]:
    done = CliRunner().invoke(main, [*arguments(weights, out), *options])
    assert done.exit_code == 0, done.output
    return from_json(QuantizeResult, done.stdout), done.stderr.splitlines()


def start(weights: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TOPOLOGY_SCRIPT, *arguments(weights, out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(running: subprocess.Popen[str]) -> tuple[QuantizeResult, list[str]]:
    stdout, stderr = running.communicate(timeout=300)
    assert running.returncode == 0, stderr
    return from_json(QuantizeResult, stdout), stderr.splitlines()


def test_the_cache_gives_the_same_bytes_without_tensorflow(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("EDGE_MNV3_CACHE", str(cache))
    # Two processes that convert the same graph at the same time.
    racing = [start(weights, tmp_path / name) for name in ("one", "other")]
    made = [ended(running) for running in racing]
    (entry,) = (cache / "converted").iterdir()
    kept, loaded = ended(start(weights, tmp_path / "kept"))
    assert [(result.float_from_cache, lines[-1]) for result, lines in made] == [(False, "TensorFlow")] * 2
    assert (kept.float_from_cache, loaded[-1]) == (True, "none")
    assert "read_cache" in kept.timings_s
    assert not {"import", "build", "convert_float"} & kept.timings_s.keys()
    assert {"import", "build", "convert_float"} <= made[0][0].timings_s.keys()
    assert {result.float_sha256 for result, _ in made} == {kept.float_sha256}
    assert {result.int8_sha256 for result, _ in made} == {kept.int8_sha256}

    # A damaged entry is made anew, and so it is without the cache, which stays as it is: in this process,
    # where Keras has counted the names of other networks' layers on.
    for _ in range(3):
        keras.layers.ReLU()
    entry.write_bytes(entry.read_bytes()[:-1])
    mended, warnings = here(weights, tmp_path / "mended")
    assert f"warning: {entry} is damaged: its content is made again" in warnings
    before = entry.stat().st_mtime_ns
    uncached, _ = here(weights, tmp_path / "uncached", "--no-cache")
    assert "convert_float" in uncached.timings_s
    assert entry.stat().st_mtime_ns == before
    assert (mended.float_from_cache, uncached.float_from_cache) == (False, False)
    assert mended.float_sha256 == uncached.float_sha256 == kept.float_sha256
