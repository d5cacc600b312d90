"""Builds of `benchmark_model` for phones."""

from __future__ import annotations

from pathlib import Path

from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_android_bench.adb.binary import find_adb
from edge_mnv3_android_bench.adb.client import Adb
from edge_mnv3_android_bench.benchmark_model.download import pick_abi
from edge_mnv3_android_bench.device.selection import select_devices
from edge_mnv3_android_bench.device.state import read_device_info


def published_abi(serial: str, adb: Path | None, reporter: Reporter = SILENT) -> str:
    """Returns the preferred ABI of a device among those that a build is published for.

    Raises:
        BenchmarkBinaryError: There is none.
        EdgeMnv3Error: As `select_devices` and `read_device_info` raise.
    """
    (device,) = select_devices(Adb(find_adb(adb)), (serial,), reporter)
    return pick_abi(read_device_info(device).abis)
