"""Files of `benchmark_model`: where the official builds lie, and which kind of processor a file is for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.choices import CURRENT_BINARY
from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError

# Source: TensorFlow Lite's measurement guide, "Native benchmark binary".
BASE_URL = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest/"
OFFICIAL_FILES = {
    "arm64-v8a": "android_aarch64_benchmark_model",
    "armeabi-v7a": "android_arm_benchmark_model",
    "linux_aarch64": "linux_aarch64_benchmark_model",
    "linux_x86_64": "linux_x86-64_benchmark_model",
}
# Source: `litert_cli/core/constants.py` of google-ai-edge/LiteRT-CLI. The file of a version does not change.
LITERT_URL = "https://storage.googleapis.com/litert/binaries/"
LITERT_PREFIX = "litert-"
_LITERT_FOLDERS = {"arm64-v8a": "android_arm64"}
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}", re.ASCII)
# ELF class (1: 32 bits, 2: 64 bits) and machine. Source: the ELF specification's e_machine values.
ELF_KINDS = {
    "arm64-v8a": (2, 183),
    "armeabi-v7a": (1, 40),
    "x86_64": (2, 62),
    "x86": (1, 3),
    "linux_aarch64": (2, 183),
    "linux_arm": (1, 40),
    "linux_x86_64": (2, 62),
}
LINUX_PREFIX = "linux_"  # of the names of boards' kinds of processor, which Android has no name for
_HEADER_BYTES = 4096  # the loader's path stands behind the program headers
_LOADERS = {True: b"/system/bin/linker", False: b"/ld-"}  # of Android, of Linux
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


def default_address(name: str, abi: str) -> str:
    """Returns where a build is published: `litert-VERSION` is LiteRT's of this version, others TensorFlow's.

    Raises:
        BenchmarkBinaryError: None is published for this ABI.
        ArgumentError: It is called LiteRT's, but tells no version.
    """
    if not name.startswith(LITERT_PREFIX):
        return official_address(abi)
    version = name.removeprefix(LITERT_PREFIX)
    if not _VERSION.fullmatch(version):
        raise ArgumentError(
            "build of LiteRT", repr(name), f"{LITERT_PREFIX}VERSION, such as {LITERT_PREFIX}2.2.0"
        )
    if abi not in _LITERT_FOLDERS:
        raise BenchmarkBinaryError(
            "no benchmark_model of LiteRT is published for this device",
            f"ABI {abi}",
            " or ".join(_LITERT_FOLDERS),
            "give one with --benchmark-binary",
        )
    return f"{LITERT_URL}{version}/{_LITERT_FOLDERS[abi]}/benchmark_model"


def is_published(name: str) -> bool:
    """Whether a name says where a build is published."""
    return name == CURRENT_BINARY or name.startswith(LITERT_PREFIX)


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
        header = stream.read(_HEADER_BYTES)
    if allow_script and header[:2] == b"#!":
        return
    if len(header) < 20 or header[:4] != b"\x7fELF":
        raise BenchmarkBinaryError(f"benchmark binary {file}", "no ELF program", f"one for {abi}")
    kind = header[4], int.from_bytes(header[18:20], "little")
    if kind != ELF_KINDS[abi]:
        got = next((name for name, known in ELF_KINDS.items() if known == kind), f"machine {kind[1]}")
        raise BenchmarkBinaryError(f"benchmark binary {file}", f"a program for {got}", f"one for {abi}")
    of_linux = abi.startswith(LINUX_PREFIX)
    if _LOADERS[of_linux] in header and _LOADERS[not of_linux] not in header:
        got = "Android" if of_linux else "Linux"
        raise BenchmarkBinaryError(f"benchmark binary {file}", f"a program for {got}", f"one for {abi}")
