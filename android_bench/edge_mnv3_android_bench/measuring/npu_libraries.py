"""The libraries of a phone's maker, without which LiteRT's builds cannot use its NPU.

LiteRT looks for them in one folder: a dispatch library, a compiler plugin, and what both load. Each set of
them has a folder of its own on the phone, so that those of another run are never taken instead.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection
from pathlib import Path

from edge_mnv3.core.choices import Accelerator
from edge_mnv3.core.errors import BenchmarkBinaryError, InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3_android_bench.measuring.plan import NpuLibraries
from edge_mnv3_android_bench.transport.files import FILE_NAME, DeviceFolder

_FLAGS = ("dispatch_library_path", "compiler_plugin_library_path")
# Where the system's loader, and Qualcomm's signal processor, look for libraries.
_VARIABLES = ("LD_LIBRARY_PATH", "ADSP_LIBRARY_PATH")


def read_libraries(folder: Path) -> NpuLibraries:
    """Finds the libraries of a folder: its files `*.so`.

    Raises:
        InputFileError: There is no such folder, none in it, one that cannot be read, or a name that a phone's
            folder cannot have.
    """
    what = f"NPU libraries {folder}"
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".so" and path.is_file())
        hashes = [f"{path.name} {sha256_file(path)}" for path in files]
    except OSError as error:
        raise InputFileError(what, error.strerror or str(error), "a folder of libraries, *.so") from error
    if not files:
        raise InputFileError(
            what, "no *.so in it", "the dispatch library of the phone's maker, and its others"
        )
    odd = [path.name for path in files if not FILE_NAME.fullmatch(path.name)]
    if odd:
        raise InputFileError(what, repr(odd[0]), "names of letters, digits, '.', '-', '_'")
    return NpuLibraries(files=tuple(files), sha256=hashlib.sha256("\n".join(hashes).encode()).hexdigest())


def place_libraries(
    folder: DeviceFolder, libraries: NpuLibraries, *, stop: threading.Event | None = None
) -> str:
    """Brings the libraries to a device; returns their folder there.

    Args:
        folder: The tool's folder on the device.
        libraries: They.
        stop: Ends the call when it is set.

    Raises:
        DeviceError: `DeviceFolder.ensure` failed.
    """
    place = DeviceFolder(folder.device, f"{folder.path}/npu-{libraries.sha256[:12]}")
    for file in libraries.files:
        place.ensure(file, file.name, stop=stop)
    return place.path


def library_flags(
    accelerator: Accelerator, place: str | None, known: Collection[str], what: str
) -> list[str]:
    """Returns the arguments that tell a build where the libraries are; none for another accelerator.

    Args:
        accelerator: What is asked for.
        place: Their folder on the device; None where none are given.
        known: Flags of the build.
        what: What errors call it.

    Raises:
        BenchmarkBinaryError: The build takes no libraries.
    """
    if accelerator != "npu" or place is None:
        return []
    lacking = [f"--{name}" for name in _FLAGS if name not in known]
    if lacking:
        raise BenchmarkBinaryError(
            what,
            f"a build without {' and '.join(lacking)}",
            "one that takes libraries for the NPU, as LiteRT's",
            "leave --npu-libraries out: NNAPI finds its own",
        )
    return [f"--{name}={place}" for name in _FLAGS]


def library_environment(accelerator: Accelerator, place: str | None) -> tuple[str, ...]:
    """Returns the variables that the program needs to load them; none for another accelerator."""
    return tuple(f"{name}={place}" for name in _VARIABLES) if accelerator == "npu" and place else ()
