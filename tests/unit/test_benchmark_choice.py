"""Which build is meant by a file or a name, and the command that keeps builds."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge_mnv3.cli import main
from edge_mnv3.core.errors import BenchmarkBinaryError, InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3_android_bench.benchmark_model import program_files
from edge_mnv3_android_bench.benchmark_model.choice import ready_binary
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from recording_reporter import RecordingReporter

ABI = "arm64-v8a"
ABIS = (ABI, "armeabi-v7a")
AARCH64, ARM = (2, 183), (1, 40)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BinaryRegistry:
    monkeypatch.setenv("EDGE_MNV3_CACHE", str(tmp_path / "cache"))
    return BinaryRegistry()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the official builds lie, on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_program(folder / "android_aarch64_benchmark_model", AARCH64)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(program_files, "BASE_URL", address)
        yield address
        server.shutdown()


def write_program(path: Path, kind: tuple[int, int], extra: bytes = b"") -> Path:
    header = bytearray(64)
    header[:6] = b"\x7fELF" + bytes([kind[0], 1])
    header[18:20] = kind[1].to_bytes(2, "little")
    path.write_bytes(bytes(header) + extra)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["benchmark-binary", *map(str, arguments)])


def test_a_file_gets_a_name_that_no_other_file_has(registry: BinaryRegistry, tmp_path: Path) -> None:
    file = write_program(tmp_path / "era build.bin", AARCH64)
    name = ready_binary(registry, str(file), ABIS)
    assert name == f"era_build-{sha256_file(file)[:8]}"
    assert registry.for_device(name, ABIS).abi == ABI
    write_program(file, ARM)
    other = ready_binary(registry, str(file), ABIS)
    assert other != name
    assert registry.for_device(other, ABIS).abi == "armeabi-v7a"  # the device's second one
    with pytest.raises(BenchmarkBinaryError, match="got a program for armeabi-v7a, expected one for x86_64"):
        ready_binary(registry, str(file), ("x86_64",))
    with pytest.raises(BenchmarkBinaryError, match="got a device of ABI mips, expected arm64-v8a or"):
        ready_binary(registry, str(file), ("mips",))


def test_current_is_downloaded_once(registry: BinaryRegistry, address: str, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    assert ready_binary(registry, "current", ABIS, reporter) == "current"
    assert reporter.warnings == [
        f"benchmark binary 'current' was downloaded from {address}android_aarch64_benchmark_model, which "
        f"carries no checksum; locked now: SHA-256 {registry.get('current', ABI).sha256}"
    ]
    (tmp_path / "served" / "android_aarch64_benchmark_model").unlink()
    assert ready_binary(registry, "current", ABIS, reporter) == "current"
    assert len(reporter.warnings) == 1


def test_other_names_must_be_registered(registry: BinaryRegistry) -> None:
    with pytest.raises(BenchmarkBinaryError, match="'era-2019' for arm64-v8a: got none in the cache"):
        ready_binary(registry, "era-2019", ABIS)
    with pytest.raises(InputFileError, match="benchmark binary no/file: got no such file"):
        ready_binary(registry, "no/file", ABIS)


def test_the_command(registry: BinaryRegistry, address: str, tmp_path: Path) -> None:
    assert run("list").stdout == "no build yet: see edge-mnv3 benchmark-binary --help\n"
    file = write_program(tmp_path / "built", AARCH64)
    added = run("add", "era-2019", file)
    assert added.exit_code == 0, added.output
    assert added.stdout.startswith(f"era-2019 for arm64-v8a: 64 bytes, from {file}, SHA-256 ")
    assert run("fetch", "--abi", ABI).exit_code == 0
    served = tmp_path / "served" / "android_aarch64_benchmark_model"
    write_program(served, AARCH64, b"newer")
    assert run("fetch", "--abi", ABI).exit_code == 0  # what is locked is taken from the cache
    refused = run("fetch", "--abi", ABI, "--refresh")
    assert refused.exit_code == 1
    assert refused.stderr.endswith("edge-mnv3 benchmark-binary accept current --abi arm64-v8a\n")
    lines = run("list").stdout.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "era-2019 for arm64-v8a: 64 bytes",
        "current for arm64-v8a: 64 bytes",
        "waits to be accepted: current for arm64-v8a: 69 bytes",
    ]
    assert run("accept", "current").exit_code == 0
    lock = json.loads(run("list", "--json").stdout)
    assert [binary["size_bytes"] for binary in lock["binaries"]] == [64, 69]
    assert lock["refused"] == []
    assert run("fetch").exit_code == 2
