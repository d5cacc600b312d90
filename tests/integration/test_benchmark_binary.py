"""Builds of benchmark_model: downloaded whole, locked, refused when they change."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_mnv3.core import download as core_download
from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError, DownloadError, InputFileError
from edge_mnv3_android_bench.benchmark_model import program_files
from edge_mnv3_android_bench.benchmark_model.choice import ready_binary
from edge_mnv3_android_bench.benchmark_model.program_files import (
    BASE_URL,
    default_address,
    official_address,
    pick_abi,
)
from edge_mnv3_android_bench.benchmark_model.registry import (
    BinaryRegistry,
    help_fingerprint,
    reported_version,
)
from recording_reporter import RecordingReporter

ABI = "arm64-v8a"
HELP = """usage: {program} <flags>
Flags:
\t--num_runs=50          \tint32\toptional\texpected number of runs
\t--num_threads={threads}\tint32\toptional\tnumber of threads
\t--graph=               \tstring\trequired\tgraph file name
"""


def elf(machine: int = 183, bits: int = 2, extra: bytes = b"") -> bytes:
    header = bytearray(64)
    header[:6] = b"\x7fELF" + bytes([bits, 1])
    header[18:20] = machine.to_bytes(2, "little")
    return bytes(header) + extra


class Handler(http.server.BaseHTTPRequestHandler):
    content = b""

    def do_GET(self) -> None:
        kind = self.path.strip("/")
        if kind == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        if "litert" in kind or kind == "hashed":
            digest = base64.b64encode(hashlib.md5(self.content, usedforsecurity=False).digest()).decode()
            self.send_header("x-goog-hash", "crc32c=AAAAAA==")
            self.send_header("x-goog-hash", f"md5={digest if kind != 'hashed' else digest[::-1][2:] + '=='}")
        length = len(self.content) + (1000 if kind == "cut" else 0)
        if kind != "no-length":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if kind == "stalled":
            self.wfile.write(self.content[:10])
            self.wfile.flush()
            self.connection.recv(1)  # until the other side gives up
            return
        self.wfile.write(self.content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Handler, "content", elf(extra=bytes(200_000)))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture
def registry(tmp_path: Path) -> BinaryRegistry:
    return BinaryRegistry(tmp_path / "cache")


def left_over(registry: BinaryRegistry) -> list[str]:
    return sorted(str(p.relative_to(registry.folder)) for p in registry.folder.rglob("*") if p.is_file())


def test_fetched_once(registry: BinaryRegistry, server: str) -> None:
    reporter = RecordingReporter()
    binary = registry.fetch("current", ABI, address=f"{server}/x", reporter=reporter)
    assert reporter.done_and_total[-1] == (200_064, 200_064)
    done = [done for done, _ in reporter.done_and_total]
    assert done == sorted(done)
    assert (binary.size_bytes, binary.source, binary.help_sha256) == (200_064, f"{server}/x", None)
    assert left_over(registry) == [f"{ABI}/current/benchmark_model", "lock.json"]
    # Offline from here on: the address would answer 404.
    assert registry.fetch("current", ABI, address=f"{server}/missing") == binary
    assert registry.get("current", ABI) == binary
    lock = json.loads((registry.folder / "lock.json").read_text())
    assert lock["schema_version"] == 1
    assert lock["binaries"][0]["sha256"] == binary.sha256


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("missing", "the server answered 404"),
        ("cut", "the connection was cut"),
        # The one in the middle of the file, the other one where this computer is slow to send its beginning.
        ("stalled", r"no connection \((ConnectionError|ReadTimeout)\)"),
    ],
)
def test_downloads_that_fail(
    registry: BinaryRegistry, server: str, path: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "stalled":
        monkeypatch.setattr(core_download, "_TIMEOUT_S", 0.1)
    with pytest.raises(DownloadError) as caught:
        registry.fetch("current", ABI, address=f"{server}/{path}")
    advice = "download it by hand and give it with --benchmark-binary"
    assert re.fullmatch(f"download of {server}/{path}: got {text}; {advice}", str(caught.value))
    assert not registry.folder.exists()


def test_litert_by_version(registry: BinaryRegistry, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From where its versions lie, with the hash that the server tells, and the one that the user knows."""
    monkeypatch.setattr(program_files, "LITERT_URL", f"{server}/litert/binaries/")
    reporter = RecordingReporter()
    assert ready_binary(registry, "litert-2.2.0", (ABI, "armeabi-v7a"), reporter) == "litert-2.2.0"
    binary = registry.get("litert-2.2.0", ABI)
    address = f"{server}/litert/binaries/2.2.0/android_arm64/benchmark_model"
    assert binary.source == default_address("litert-2.2.0", ABI) == address
    assert binary.sha256 in reporter.warnings[0]
    registry.fetch("litert-2.2.1", ABI, address=f"{address}#sha256={binary.sha256.upper()}")
    with pytest.raises(DownloadError, match=f"got SHA-256 {binary.sha256}, expected {'0' * 64}; download it"):
        registry.fetch("litert-2.2.2", ABI, address=f"{address}#sha256={'0' * 64}")
    assert not registry.has("litert-2.2.2", [ABI])


def test_another_content_than_the_server_s_hash(registry: BinaryRegistry, server: str) -> None:
    with pytest.raises(DownloadError, match="got another content than the server's hash tells; download it"):
        registry.fetch("current", ABI, address=f"{server}/hashed")
    assert not registry.folder.exists()


@pytest.mark.parametrize("name", ["litert-latest", "litert-", "litert-2.2", "litert-2.2.0/"])
def test_litert_without_a_version(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"expected litert-VERSION, such as litert-2.2.0"):
        default_address(name, ABI)
    with pytest.raises(BenchmarkBinaryError, match=r"got ABI armeabi-v7a, expected arm64-v8a"):
        default_address("litert-2.2.0", "armeabi-v7a")


def test_offline(registry: BinaryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DownloadError, match=r"no connection \(ConnectionError\); download it by hand"):
        registry.fetch("current", ABI, address="http://127.0.0.1:9/x")


def test_a_page_instead_of_the_program(
    registry: BinaryRegistry, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "content", b"<html>log in first, please, to use the network</html>")
    with pytest.raises(DownloadError, match=f"got no ELF program, expected one for {ABI}"):
        registry.fetch("current", ABI, address=f"{server}/no-length")
    assert not registry.folder.exists()


def test_a_changed_file_is_refused_until_accepted(
    registry: BinaryRegistry, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = registry.fetch("current", ABI, address=f"{server}/x")
    registry.confirm("current", ABI, help_text=HELP.format(program="a", threads=1))
    monkeypatch.setattr(Handler, "content", elf(extra=b"newer"))
    with pytest.raises(BenchmarkBinaryError) as caught:
        registry.fetch("current", ABI, address=f"{server}/x", refresh=True)
    text = str(caught.value)
    assert text.startswith("benchmark binary 'current' for arm64-v8a has changed: got SHA-256 ")
    assert text.endswith(
        f"expected SHA-256 {first.sha256[:12]}… as locked; "
        "if the change is wanted: edge-mnv3 benchmark-binary accept current --abi arm64-v8a"
    )
    assert registry.get("current", ABI).sha256 == first.sha256
    accepted = registry.accept("current", ABI)
    assert accepted.size_bytes == 69
    assert accepted.help_sha256 is None
    assert registry.get("current", ABI) == accepted
    assert registry.path("current", ABI).read_bytes() == elf(extra=b"newer")
    assert registry.fetch("current", ABI, address=f"{server}/x", refresh=True) == accepted


def test_a_refused_file_waits_while_the_locked_one_measures(registry: BinaryRegistry, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(elf(extra=b"old"))
    (tmp_path / "new").write_bytes(elf(extra=b"newer"))
    registry.register("era-2019", ABI, tmp_path / "old")
    registry.register("current", ABI, tmp_path / "old")
    with pytest.raises(BenchmarkBinaryError, match="has changed"):
        registry.register("era-2019", ABI, tmp_path / "new")
    registry.confirm("era-2019", ABI, help_text=HELP.format(program="a", threads=1))
    assert [binary.source for binary in registry.read().refused] == [str(tmp_path / "new")]
    assert [binary.name for binary in registry.locked()] == ["era-2019", "current"]
    accepted = registry.accept("era-2019", ABI)
    assert registry.path("era-2019", ABI).read_bytes() == elf(extra=b"newer")
    assert registry.get("era-2019", ABI) == accepted
    assert registry.read().refused == ()
    assert not [name for name in left_over(registry) if name.endswith(".pending")]


def test_nothing_waits_once_the_locked_file_came_again(registry: BinaryRegistry, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(elf(extra=b"old"))
    (tmp_path / "new").write_bytes(elf(extra=b"newer"))
    locked = registry.register("current", ABI, tmp_path / "old")
    with pytest.raises(BenchmarkBinaryError, match="has changed"):
        registry.register("current", ABI, tmp_path / "new")
    assert registry.register("current", ABI, tmp_path / "old") == locked
    assert registry.read().refused == ()
    assert registry.path("current", ABI).read_bytes() == elf(extra=b"old")


def test_a_file_changed_in_the_cache_is_refused(registry: BinaryRegistry, server: str) -> None:
    registry.fetch("current", ABI, address=f"{server}/x")
    registry.path("current", ABI).write_bytes(b"other")
    with pytest.raises(
        BenchmarkBinaryError, match=r"has changed: got .*benchmark_model with SHA-256 .* fetch"
    ):
        registry.fetch("current", ABI)


def test_a_file_gone_from_the_cache_comes_back_if_it_is_the_same(
    registry: BinaryRegistry, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = registry.fetch("current", ABI, address=f"{server}/x")
    registry.path("current", ABI).unlink()
    assert registry.fetch("current", ABI, address=f"{server}/x") == first
    registry.path("current", ABI).unlink()
    monkeypatch.setattr(Handler, "content", elf(extra=b"newer"))
    with pytest.raises(BenchmarkBinaryError, match="has changed"):
        registry.fetch("current", ABI, address=f"{server}/x")
    with pytest.raises(BenchmarkBinaryError, match="got none in the cache; "):
        registry.get("current", ABI)


def test_several_builds_side_by_side(registry: BinaryRegistry, tmp_path: Path) -> None:
    for name, extra in (("era-2019", b"old"), ("current", b"new")):
        (tmp_path / name).write_bytes(elf(extra=extra))
        registry.register(name, ABI, tmp_path / name)
    assert registry.get("era-2019", ABI).sha256 != registry.get("current", ABI).sha256
    same = registry.register("era-2019", ABI, tmp_path / "era-2019")
    assert same.source == str(tmp_path / "era-2019")
    with pytest.raises(BenchmarkBinaryError, match="benchmark binary 'era-2019' for arm64-v8a has changed"):
        registry.register("era-2019", ABI, tmp_path / "current")
    assert registry.accept("era-2019", ABI).source == str(tmp_path / "current")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (elf(machine=62), "got a program for x86_64, expected one for arm64-v8a"),
        (elf(machine=40, bits=1), "got a program for armeabi-v7a, expected one for arm64-v8a"),
        (elf(machine=8), "got a program for machine 8, expected one for arm64-v8a"),
        (b"\x7fELF\x02", "got no ELF program, expected one for arm64-v8a"),
        (b"", "got no ELF program, expected one for arm64-v8a"),
    ],
)
def test_programs_for_other_processors(
    registry: BinaryRegistry, tmp_path: Path, content: bytes, text: str
) -> None:
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BenchmarkBinaryError) as caught:
        registry.register("current", ABI, tmp_path / "b")
    assert str(caught.value) == f"benchmark binary {tmp_path / 'b'}: {text}"


def test_bad_arguments(registry: BinaryRegistry, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="none: got no such file or directory"):
        registry.register("current", ABI, tmp_path / "none")
    with pytest.raises(ArgumentError, match="name of a benchmark binary: got '../x'"):
        registry.register("../x", ABI, tmp_path / "none")
    with pytest.raises(ArgumentError, match="ABI of a benchmark binary: got 'mips'"):
        registry.register("current", "mips", tmp_path / "none")
    with pytest.raises(BenchmarkBinaryError, match="none in the cache"):
        registry.accept("current", ABI)


def test_what_it_reports_is_locked_at_its_first_run(registry: BinaryRegistry, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(elf())
    registry.register("current", ABI, tmp_path / "b")
    first = HELP.format(program="/data/local/tmp/a", threads=-1)
    confirmed = registry.confirm("current", ABI, help_text=first, log_text="INFO: TFLite version: 2.19.0\n")
    assert confirmed.version == "2.19.0"
    assert confirmed.help_sha256 == help_fingerprint(first)
    elsewhere = HELP.format(program="/data/b", threads=-1)
    assert registry.confirm("current", ABI, help_text=elsewhere) == confirmed
    with pytest.raises(
        BenchmarkBinaryError, match="has changed: got other flags or defaults, expected SHA-256"
    ):
        registry.confirm("current", ABI, help_text=HELP.format(program="a", threads=1))
    with pytest.raises(BenchmarkBinaryError, match=r"has changed: got version 2\.20\.0"):
        registry.confirm("current", ABI, help_text=first, log_text="TFLite version 2.20.0")
    assert registry.accept("current", ABI).help_sha256 is None
    with pytest.raises(
        BenchmarkBinaryError, match="--help: got not executable: 64-bit ELF file, expected a list"
    ):
        registry.confirm("current", ABI, help_text="not executable: 64-bit ELF file\n")


def test_the_real_help_text(test_data: Path) -> None:
    text = (test_data / "benchmark_logs" / "linux_x86_64_badvalue.txt").read_text(encoding="utf-8")
    fingerprint = help_fingerprint(text)
    assert fingerprint is not None
    assert help_fingerprint(text.replace("--num_threads=-1", "--num_threads=1 ")) not in (None, fingerprint)
    assert reported_version(text) is None


def test_a_broken_lock_file(registry: BinaryRegistry) -> None:
    registry.folder.mkdir()
    (registry.folder / "lock.json").write_text('{"schema_version": 1}')
    with pytest.raises(BenchmarkBinaryError, match=r"lock\.json: got BinaryLock: missing keys .*begin anew"):
        registry.get("current", ABI)


def test_addresses_and_abis() -> None:
    assert official_address("arm64-v8a") == f"{BASE_URL}android_aarch64_benchmark_model"
    assert official_address("armeabi-v7a") == f"{BASE_URL}android_arm_benchmark_model"
    assert pick_abi(("arm64-v8a", "armeabi-v7a")) == "arm64-v8a"
    assert pick_abi(("x86_64", "armeabi-v7a")) == "armeabi-v7a"
    assert official_address("linux_aarch64") == f"{BASE_URL}linux_aarch64_benchmark_model"
    assert official_address("linux_x86_64") == f"{BASE_URL}linux_x86-64_benchmark_model"
    with pytest.raises(BenchmarkBinaryError) as caught:
        pick_abi(("x86_64", "x86"))
    assert str(caught.value) == (
        "no benchmark_model is published for this device: got ABI x86_64, x86, "
        "expected arm64-v8a or armeabi-v7a or linux_aarch64 or linux_x86_64; give one with --benchmark-binary"
    )
