"""What measuring on devices costs beside the devices' own time, on emulated phones whose launches sleep.

    PYTHONPATH=tests python benchmarks/device_overhead.py

Prints the overhead of a launch, and how much longer two devices take than one. The times are this machine's:
they say nothing about a phone.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

from device.adb_servers import AdbServer, find_adb_binaries, running_server
from device.bench_setup import STEADY, device_on, measure, model_file, quick_plan, registry_with
from device.layouts import generic_phone
from device.phone import Phone
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
                f"{two_s / one_s:.2f} times as long"
            )


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _phone(folder: Path, server: AdbServer, stand_in: str, options: argparse.Namespace) -> Phone:
    phone = Phone(generic_phone(), _new(folder), stand_in=stand_in)
    phone.figures = dataclasses.replace(STEADY, launch_s=options.launch_s)
    server.connect(phone.serial)
    return phone


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
