"""Programs of Android and of Linux boards: one processor, two systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.errors import BenchmarkBinaryError
from edge_mnv3_android_bench.benchmark_model.program_files import check_elf

AARCH64 = b"\x7fELF\x02\x01" + bytes(12) + (183).to_bytes(2, "little") + bytes(44)


@pytest.mark.parametrize(
    ("loader", "fits", "refused", "got"),
    [
        (b"/system/bin/linker64", ("arm64-v8a",), "linux_aarch64", "Android"),
        (b"/lib/ld-linux-aarch64.so.1", ("linux_aarch64",), "arm64-v8a", "Linux"),
        (b"", ("arm64-v8a", "linux_aarch64"), "linux_x86_64", "arm64-v8a"),
    ],
)
def test_the_loader_that_a_program_names_tells_its_system(
    loader: bytes, fits: tuple[str, ...], refused: str, got: str, tmp_path: Path
) -> None:
    """A program that needs no loader runs on both."""
    file = tmp_path / "benchmark_model"
    file.write_bytes(AARCH64 + loader)
    for abi in fits:
        check_elf(file, abi)
    with pytest.raises(BenchmarkBinaryError, match=f"got a program for {got}, expected one for {refused}"):
        check_elf(file, refused)
