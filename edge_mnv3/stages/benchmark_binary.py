"""The stages of `benchmark-binary`: builds of `benchmark_model` under names, each locked by its hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge_mnv3.core.choices import CURRENT_BINARY
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import AnyPath, Request, optional_path
from edge_mnv3.core.results.binaries import BenchmarkBinary, BinaryLock
from edge_mnv3_android_bench.benchmark_model.program_files import default_address, pick_abi
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.device.selection import find_devices
from edge_mnv3_android_bench.device.state import read_device_info


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest(Request):
    """Which build to download.

    Attributes:
        name: Its name in the registry.
        abi: Android's name of the processor kind; None for that of `device`.
        device: Serial or address of a phone; None where `abi` is given.
        address: Where to download from; None for LiteRT's build of the version that the name `litert-VERSION`
            tells, and for TensorFlow's nightly build under other names.
        sha256: SHA-256 that the file must have, in hexadecimal; None where that is not known.
        refresh: Download a build that is there already, to see whether it has changed.
        adb: The adb binary; None for the one that `find_adb` finds.
    """

    name: str = CURRENT_BINARY
    abi: str | None = None
    device: str | None = None
    address: str | None = None
    sha256: str | None = None
    refresh: bool = False
    adb: AnyPath | None = None

    def check(self) -> None:
        """Refuses a request without an ABI, or with two.

        Raises:
            ArgumentError: Neither or both of `abi` and `device` are given, or `sha256` is none.
        """
        if (self.abi is None) == (self.device is None):
            raise ArgumentError("FetchRequest", "neither or both", "either abi or device")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256, re.ASCII):
            raise ArgumentError("FetchRequest: sha256", repr(self.sha256), "64 hexadecimal digits")


def add_binary(name: str, abi: str, file: Path) -> BenchmarkBinary:
    """Takes a file into the registry.

    Raises:
        EdgeMnv3Error: As `BinaryRegistry.register` raises.
    """
    return BinaryRegistry().register(name, abi, file)


def fetch_binary(request: FetchRequest, reporter: Reporter = SILENT) -> BenchmarkBinary:
    """Downloads a build and locks it; for a phone, the one for its preferred ABI.

    Raises:
        EdgeMnv3Error: As `find_devices`, `read_device_info`, `pick_abi` and `BinaryRegistry.fetch` raise.
    """
    abi = request.abi or _abi_of(request.device or "", optional_path(request.adb), reporter)
    reporter.step(f"benchmark_model for {abi}")
    address = request.address or default_address(request.name, abi)
    if request.sha256:
        address = f"{address}#sha256={request.sha256}"
    return BinaryRegistry().fetch(
        request.name, abi, address=address, refresh=request.refresh, reporter=reporter
    )


def list_binaries() -> BinaryLock:
    """Returns all builds, and what waits to be accepted.

    Raises:
        BenchmarkBinaryError: The lock file is damaged.
    """
    return BinaryRegistry().read()


def accept_binary(name: str, abi: str) -> BenchmarkBinary:
    """Takes the change that was refused last.

    Raises:
        EdgeMnv3Error: As `BinaryRegistry.accept` raises.
    """
    return BinaryRegistry().accept(name, abi)


def _abi_of(serial: str, adb: Path | None, reporter: Reporter) -> str:
    """The preferred ABI of a device among those that a build is published for."""
    (device,) = find_devices(adb, (serial,), reporter)
    return pick_abi(read_device_info(device).abis)
