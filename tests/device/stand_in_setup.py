"""What tests of the stand-in for `benchmark_model` share."""

from __future__ import annotations

import subprocess
from pathlib import Path

from device.adb_servers import AdbServer
from device.phone import Phone
from device.stand_in_behaviour import benchmark_binary
from tiny_models import write_classifier

FOLDER = "/data/local/tmp"
QUICK = "--num_runs=5 --min_secs=0 --warmup_min_secs=0"


class Bench:
    """The generic phone with a binary and a model on it."""

    def __init__(self, phone: Phone, server: AdbServer, folder: Path) -> None:
        self.phone = phone
        self.server = server
        self.model = write_classifier(folder / "tiny.tflite", "int8")
        self.put("benchmark_model", benchmark_binary(), mode=0o755)
        self.put("tiny.tflite", self.model.read_bytes())

    def put(self, name: str, content: bytes, *, mode: int = 0o644) -> None:
        path = self.phone.host_path(f"{FOLDER}/{name}")
        path.write_bytes(content)
        path.chmod(mode)

    def run(self, flags: str, *, prefix: str = "exec taskset f0") -> subprocess.CompletedProcess[str]:
        script = f"cd {FOLDER}; {prefix} ./benchmark_model {flags}"
        done = self.server.run("-s", self.phone.serial, "shell", script)
        return subprocess.CompletedProcess(
            script, done.returncode, done.stdout.decode(), done.stderr.decode()
        )
