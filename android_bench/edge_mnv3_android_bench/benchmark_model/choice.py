"""Which build of `benchmark_model` a user means: a file, or a name in the registry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.errors import BenchmarkBinaryError, InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3_android_bench.benchmark_model.program_files import (
    ELF_KINDS,
    is_published,
    pick_abi,
)
from edge_mnv3_android_bench.benchmark_model.registry import BinaryRegistry
from edge_mnv3_android_bench.device.file_names import safe_file_name

_HASH_DIGITS = 8


def ready_binary(
    registry: BinaryRegistry,
    wanted: str,
    abis: Sequence[str],
    reporter: Reporter = SILENT,
) -> str:
    """Has a build ready in the registry for a device; returns its name there.

    A file is registered under its name and hash, so that two files never meet. The builds `current` and
    `litert-VERSION` are downloaded once, when they are first asked for.

    Args:
        registry: The builds.
        wanted: A file, or a name.
        abis: The device's ABIs, preferred first.
        reporter: Told of the download, and warned where it has no checksum to compare it with.

    Raises:
        InputFileError: The file does not exist or cannot be read.
        BenchmarkBinaryError: There is no build of this name, or the file is none for this device.
        DownloadError: It cannot be downloaded whole.
        OutputError: The cache cannot be written to.
    """
    path = Path(wanted)
    if path.is_file():
        return _register(registry, path, abis)
    if os.sep in wanted or path.is_dir():
        raise InputFileError(f"benchmark binary {wanted}", no_file(path), "a file, or a registered name")
    if is_published(wanted) and not registry.has(wanted, abis):
        abi = pick_abi(abis)
        binary = registry.fetch(wanted, abi, reporter=reporter)
        reporter.warn(
            f"benchmark binary '{wanted}' was downloaded from {binary.source}, which carries no checksum; "
            f"locked now: SHA-256 {binary.sha256}"
        )
    registry.for_device(wanted, abis)
    return wanted


def distinct_builds(
    registry: BinaryRegistry, names: Sequence[str], abis: Sequence[str], reporter: Reporter = SILENT
) -> tuple[str, ...]:
    """Leaves one name of each file, the first: two columns of one build would compare it with itself.

    Args:
        registry: The builds.
        names: Names in it, all of which it has for the device.
        abis: The device's ABIs, preferred first.
        reporter: Warned of each name that is left out.

    Raises:
        BenchmarkBinaryError: There is no build of a name.
    """
    by_hash: dict[str, str] = {}
    for name in names:
        first = by_hash.setdefault(registry.for_device(name, abis).sha256, name)
        if first != name:
            reporter.warn(f"the builds '{first}' and '{name}' are one file: it is measured once")
    return tuple(by_hash.values())


def _register(registry: BinaryRegistry, file: Path, abis: Sequence[str]) -> str:
    stem = safe_file_name(file.stem) or "benchmark_model"
    name = f"{stem}-{sha256_file(file)[:_HASH_DIGITS]}"
    refused: BenchmarkBinaryError | None = None
    for abi in abis:
        if abi not in ELF_KINDS:
            continue
        try:
            registry.register(name, abi, file)
            return name
        except BenchmarkBinaryError as error:
            refused = refused or error
    raise refused or BenchmarkBinaryError(
        f"benchmark binary {file}", f"a device of ABI {', '.join(abis)}", " or ".join(ELF_KINDS)
    )
