"""Ctrl-C in a real process: nothing runs on the phone then, its settings are restored, launches are kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device.adb_servers import AdbServer
from device.bench_setup import FOLDER, STEADY, model_file, registry_with
from device.phone import PATIENCE_S, Phone
from device.stand_in_behaviour import Behaviour, benchmark_binary

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from pathlib import Path
from device.bench_setup import measure, quick_plan
from edge_mnv3_android_bench.adb.client import Adb
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
adb, port, serial, folder = sys.argv[1:]
folder = Path(folder)
device = Adb(Path(adb), server_port=int(port)).device(serial)
measure([device], quick_plan(folder, folder / "model.tflite"), BinaryRegistry(folder / "cache"))
"""


@pytest.mark.measured_processes
def test_ctrl_c(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    phone.figures = STEADY
    phone.next_launches = [None, None, Behaviour(fault="hang")]  # only a signal ends the second launch
    registry_with(tmp_path)
    model_file(tmp_path)
    arguments = [str(adb_server.binary.path), str(adb_server.port), phone.serial, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        assert phone.wait_for(
            lambda: len(phone.launches) == 3,
        )  # --help, the first, the second
        assert phone.settings["stay_on_while_plugged_in"] == "7"
        # To the whole group, as a terminal does: the adb clients must not get it.
        os.killpg(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=PATIENCE_S)
    finally:
        program.kill()
        program.communicate()
    assert errors.decode().strip().endswith("KeyboardInterrupt")
    assert program.returncode == -signal.SIGINT
    assert phone.wait_for(lambda: not phone.processes())
    assert phone.settings["stay_on_while_plugged_in"] == "0"
    left = ("/run", "/lock", "settings_")
    assert not [path for path in phone.files(FOLDER) if any(name in path for name in left)]
    assert len((tmp_path / "resume.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_by_a_supervisor(
    adb_environment: AdbServer, phone: Phone, tmp_path: Path, number: signal.Signals
) -> None:
    """The command itself: the phone is in order at once, by its own doing where the command was killed."""
    phone.next_launches = [None, Behaviour(fault="hang")]
    binary = tmp_path / "benchmark_model"
    binary.write_bytes(benchmark_binary())
    arguments = (str(model_file(tmp_path)), "--device", phone.serial, "--benchmark-binary", str(binary))
    program = subprocess.Popen(
        [sys.executable, "-m", "edge_mnv3.cli", "bench", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "EDGE_MNV3_CACHE": str(tmp_path / "cache"),
        },
        start_new_session=True,
    )
    try:
        assert phone.wait_for(
            lambda: len(phone.launches) == 2,
        )  # --help, the first
        assert phone.settings["stay_on_while_plugged_in"] == "7"
        program.send_signal(number)
        program.communicate(timeout=PATIENCE_S)
    finally:
        program.kill()
        program.communicate()
    assert program.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    assert phone.wait_for(lambda: not phone.processes()), phone.processes()
    assert phone.settings["stay_on_while_plugged_in"] == "0"
    assert not [path for path in phone.files(FOLDER) if "/run" in path or "/lock" in path]
