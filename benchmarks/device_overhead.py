"""What measuring on devices costs beside the devices' own time, on emulated phones whose launches sleep.

    PYTHONPATH=tests python benchmarks/device_overhead.py

Prints the overhead of a launch, how much longer two devices take than one, and what the whole command
`bench --device` of one model takes beside its runs, on a quiet phone: from the start of the program to its
end, with a model and a build that the phone does not have yet. The times are this machine's: they say
nothing about a phone.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from device.adb_servers import AdbServer, find_adb_binaries, running_server
from device.bench_setup import STEADY, device_on, measure, model_file, quick_plan, registry_with
from device.layouts import generic_phone
from device.phone import Phone
from device.stand_in_behaviour import benchmark_binary
from device.stand_in_runner import running_stand_in
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, custom_protocol


def main() -> None:
    """Measures with each adb that is here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--launch-s", type=float, default=3.0, help="how long a launch sleeps")
    parser.add_argument("--launches", type=int, default=5)
    options = parser.parse_args()
    for binary in find_adb_binaries():
        with (
            tempfile.TemporaryDirectory() as name,
            running_server(binary, _new(Path(name) / "adb")) as server,
            running_stand_in(_new(Path(name) / "stand_in")) as stand_in,
        ):
            folder = Path(name)
            whole = _whole_command(folder, server, stand_in)
            phones = [_phone(folder / f"phone{number}", server, stand_in, options) for number in range(2)]
            try:
                one_s, overhead_s = _measure(folder / "one", server, phones[:1], options)
                two_s, _ = _measure(folder / "two", server, phones, options)
            finally:
                for phone in phones:
                    phone.close()
            share = 100 * overhead_s / options.launch_s
            print(  # noqa: T201 - this is a script
                f"{binary.name}: {overhead_s:.2f} s beside each launch of {options.launch_s:g} s "
                f"({share:.0f} %); one device {one_s:.1f} s, two at once {two_s:.1f} s, "
                f"{two_s / one_s:.2f} times as long\n{whole}"
            )


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _phone(folder: Path, server: AdbServer, stand_in: str, options: argparse.Namespace) -> Phone:
    phone = Phone(generic_phone(), _new(folder), stand_in=stand_in)
    phone.figures = dataclasses.replace(STEADY, launch_s=options.launch_s)
    server.connect(phone.serial)
    return phone


def _whole_command(folder: Path, server: AdbServer, stand_in: str) -> str:
    """Says what the command takes whose runs take no time, under the usual protocol."""
    phone = Phone(generic_phone(), _new(folder / "quiet"), stand_in=stand_in)
    phone.figures = STEADY
    server.connect(phone.serial)
    binary = folder / "benchmark_model"
    binary.write_bytes(benchmark_binary(padding_bytes=5_000_000))  # as large as a real one
    command = [sys.executable, "-m", "edge_mnv3.cli", "bench", str(model_file(folder, "whole.tflite"))]
    command += ["--device", phone.serial, "--benchmark-binary", str(binary), "--adb", str(server.binary.path)]
    environment = {**os.environ, **server.environment, "EDGE_MNV3_CACHE": str(_new(folder / "cache"))}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    started, before = time.monotonic(), os.times()
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    finally:
        phone.close()
    wall_s, after = time.monotonic() - started, os.times()
    if done.returncode != 0:
        raise SystemExit(f"not measured: {done.stderr}")
    launches = sum("--help" not in words for words in phone.launches)
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return (
        f"the whole command beside its runs: {wall_s:.1f} s for {launches} launches, {cpu_s:.1f} s of "
        "processor time of the command itself"
    )


def _measure(
    folder: Path, server: AdbServer, phones: list[Phone], options: argparse.Namespace
) -> tuple[float, float]:
    """Returns the time of the whole measurement, and what a launch took beside its own time."""
    registry = registry_with(_new(folder))
    protocol = custom_protocol(PUBLISHED, launches=options.launches)
    wanted = quick_plan(folder, model_file(folder), protocol=protocol)
    devices = [device_on(server, phone) for phone in phones]
    started = time.monotonic()
    measured = measure(devices, wanted, registry)
    total_s = time.monotonic() - started
    launches = [launch for result in measured.results for launch in result.launches]
    if measured.failures or not all(result.stable for result in measured.results):
        raise SystemExit(f"not measured: {measured}")
    return total_s, sum(launch.duration_s for launch in launches) / len(launches) - options.launch_s


if __name__ == "__main__":
    main()
