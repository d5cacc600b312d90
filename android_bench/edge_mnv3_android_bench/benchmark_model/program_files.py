"""Files of `benchmark_model`: where the official builds lie, and which kind of processor a file is for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.errors import BenchmarkBinaryError

# Source: TensorFlow Lite's measurement guide, "Native benchmark binary".
BASE_URL = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest/"
OFFICIAL_FILES = {
    "arm64-v8a": "android_aarch64_benchmark_model",
    "armeabi-v7a": "android_arm_benchmark_model",
}
# ELF class (1: 32 bits, 2: 64 bits) and machine. Source: the ELF specification's e_machine values.
ELF_KINDS = {"arm64-v8a": (2, 183), "armeabi-v7a": (1, 40), "x86_64": (2, 62), "x86": (1, 3)}
BY_HAND = "download it by hand and give it with --benchmark-binary"


def pick_abi(abis: Sequence[str]) -> str:
    """Returns the device's preferred ABI among those that a build is published for.

    Raises:
        BenchmarkBinaryError: There is none.
    """
    published = next((abi for abi in abis if abi in OFFICIAL_FILES), None)
    if published is None:
        raise BenchmarkBinaryError(
            "no benchmark_model is published for this device",
            f"ABI {', '.join(abis)}",
            " or ".join(OFFICIAL_FILES),
            "give one with --benchmark-binary",
        )
    return published


def official_address(abi: str) -> str:
    """Returns the address of the official build for an ABI.

    Raises:
        BenchmarkBinaryError: There is none.
    """
    return BASE_URL + OFFICIAL_FILES[pick_abi((abi,))]


def check_elf(file: Path, abi: str, *, allow_script: bool = False) -> None:
    """Checks that a file is a program for an ABI.

    Args:
        file: The file.
        abi: The device's ABI.
        allow_script: Take a shell script as it is, such as one that sets the path of libraries first.

    Raises:
        BenchmarkBinaryError: It is not.
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        header = stream.read(20)
    if allow_script and header[:2] == b"#!":
        return
    if len(header) < 20 or header[:4] != b"\x7fELF":
        raise BenchmarkBinaryError(f"benchmark binary {file}", "no ELF program", f"one for {abi}")
    kind = header[4], int.from_bytes(header[18:20], "little")
    if kind != ELF_KINDS[abi]:
        names = {kind: name for name, kind in ELF_KINDS.items()}
        got = names.get(kind, f"machine {kind[1]}")
        raise BenchmarkBinaryError(f"benchmark binary {file}", f"a program for {got}", f"one for {abi}")
