"""What `doctor` looks at on the machine: runtime, memory and disk, caches, phones, emulated Arm, network."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_mnv3.core.cache import cache_folder
from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import AdbUnavailableError, EdgeMnv3Error, RuntimeUnavailableError
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.results.doctor import DoctorCheck, Status
from edge_mnv3.core.runtime import open_model, probe
from edge_mnv3.core.tflite.build import GraphBuilder
from edge_mnv3.core.tflite.types import Tensor

_TENFOLD, _OFFSET = 10.0, 1.0
_SIDE = 4
# A float file of Large with its int8 file, logs and temporary copies.
_DISK_WARN_BYTES, _DISK_FAIL_BYTES = 2 << 30, 200 << 20
_CONNECT_S = 5.0


def tiny_model() -> bytes:
    """Builds a float file of one 1×1 convolution over 4×4 pixels, which gives ten times its input and one."""
    graph = GraphBuilder()
    image = graph.add_tensor(Tensor(name="image", dtype="FLOAT32", shape=(1, _SIDE, _SIDE, 1)))
    weights = np.full((1, 1, 1, 1), _TENFOLD, np.float32).tobytes()
    kernel = graph.add_tensor(Tensor(name="kernel", dtype="FLOAT32", shape=(1, 1, 1, 1), data=weights))
    offset = np.full(1, _OFFSET, np.float32).tobytes()
    bias = graph.add_tensor(Tensor(name="bias", dtype="FLOAT32", shape=(1,), data=offset))
    result = graph.add_tensor(Tensor(name="result", dtype="FLOAT32", shape=(1, _SIDE, _SIDE, 1)))
    graph.add_operator("CONV_2D", (image, kernel, bias), result, {"strideH": 1, "strideW": 1})
    return graph.to_bytes((image,), (result,))


def runtime_check() -> DoctorCheck:
    """Runs a tiny model under XNNPACK and the built-in kernels, and looks at its numbers."""
    name, cure = "runtime", "pip install --force-reinstall ai-edge-litert"
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tiny.tflite"
            path.write_bytes(tiny_model())
            for kernels in ("xnnpack", "builtin"):
                found = probe(path, kernels=kernels)  # in a child: a crash is told, not shared
                if not found.loads:
                    return DoctorCheck(
                        name=name, status="fail", detail=f"{kernels}: {found.problem}", cure=cure
                    )
                if kernels == "xnnpack" and not found.partitions:
                    detail = "XNNPACK takes no operator: it is missing in this runtime"
                    return DoctorCheck(name=name, status="fail", detail=detail, cure=cure)
                model = open_model(path, kernels=kernels)
                (numbers,) = model.run_all(np.full((_SIDE, _SIDE, 1), 2, np.uint8))
                if not np.array_equal(numbers, np.full_like(numbers, 2 * _TENFOLD + _OFFSET)):
                    detail = f"{kernels} computes {numbers.flat[0]} where {2 * _TENFOLD + _OFFSET} is right"
                    return DoctorCheck(name=name, status="fail", detail=detail, cure=cure)
            version = model.runtime
    except (RuntimeUnavailableError, EdgeMnv3Error) as error:
        return DoctorCheck(name=name, status="fail", detail=str(error), cure=cure)
    detail = f"{version}: XNNPACK and the built-in kernels run a tiny model right"
    return DoctorCheck(name=name, status="ok", detail=detail)


def machine_check() -> DoctorCheck:
    """Tells how many cores can be used, and how much memory there is."""
    cores = available_cores()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):  # no such question on this system
        return DoctorCheck(name="machine", status="ok", detail=f"{cores} cores")
    return DoctorCheck(name="machine", status="ok", detail=f"{cores} cores, {memory:.1f} GB of memory")


def disk_checks(folders: dict[str, Path]) -> list[DoctorCheck]:
    """Looks whether folders can be written to, and how much room there is.

    Args:
        folders: Each with what it is for; one that does not exist is judged by the nearest that does.
    """
    return [_disk_check(purpose, folder) for purpose, folder in folders.items()]


def _disk_check(purpose: str, folder: Path) -> DoctorCheck:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    cure = f"free some room there, or use another folder{_VARIABLES.get(purpose, '')}"
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        status: Status = "warn" if purpose == "current folder" else "fail"
        detail = f"{purpose} {folder} cannot be written to: {(error.strerror or str(error)).lower()}"
        return DoctorCheck(name="disk", status=status, detail=detail, cure=cure)
    detail = f"{purpose} {folder}: {free / 1e9:.1f} GB free"
    if free < _DISK_FAIL_BYTES:
        return DoctorCheck(name="disk", status="fail", detail=detail, cure=cure)
    if free < _DISK_WARN_BYTES:
        return DoctorCheck(name="disk", status="warn", detail=detail, cure=cure)
    return DoctorCheck(name="disk", status="ok", detail=detail)


_VARIABLES = {"temporary folder": " (TMPDIR)", "cache folder": " (EDGE_MNV3_CACHE)"}


def working_folders() -> dict[str, Path]:
    """The folders that commands write to."""
    folders = {"current folder": Path.cwd(), "temporary folder": Path(tempfile.gettempdir())}
    try:
        return {**folders, "cache folder": cache_folder()}
    except RuntimeError:
        return folders


class _Told(Reporter):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Keeps one."""
        self.warnings.append(text)


def store_check() -> DoctorCheck:
    """Opens the store of results, which mends itself, and reads all that it holds."""
    from edge_mnv3.stages.results import stored_results
    from edge_mnv3_quantization.evaluation.store import store_folder

    told = _Told()
    if not store_folder().is_dir():
        return DoctorCheck(name="store", status="ok", detail="nothing is kept yet")
    result = stored_results(None, told)
    if told.warnings:
        cure = "nothing: what was lost is run again when it is needed"
        return DoctorCheck(name="store", status="warn", detail="; ".join(told.warnings), cure=cure)
    kept = count(len(result.evaluations), "evaluation")
    detail = f"{kept}, {result.size_bytes / 1e6:.1f} MB, in {result.folder}"
    return DoctorCheck(name="store", status="ok", detail=detail)


def phone_checks(adb: Path | None) -> list[DoctorCheck]:
    """Finds adb, and the phones that it knows.

    Args:
        adb: A binary that the user names.
    """
    from edge_mnv3_android_bench.adb.binary import find_adb
    from edge_mnv3_android_bench.adb.client import Adb

    try:
        found = find_adb(adb)
        devices = Adb(found).devices()
    except AdbUnavailableError as error:
        detail = f"{error.what}{error.got and f': {error.got}'}; only bench --device and its like need adb"
        return [
            DoctorCheck(name="adb", status="fail" if adb else "warn", detail=detail, cure=error.next_step)
        ]
    checks = [DoctorCheck(name="adb", status="ok", detail=f"{found}; {count(len(devices), 'phone')}")]
    for device in devices:
        cure = "" if device.state == "device" else _CURES.get(device.state, "connect it again")
        detail = f"{device.serial} {device.model}: {'ready' if not cure else device.state}"
        checks.append(DoctorCheck(name="phone", status="warn" if cure else "ok", detail=detail, cure=cure))
    return checks


_CURES = {
    "unauthorized": "unlock the phone and allow USB debugging for this computer",
    "offline": "connect the phone again, and switch USB debugging off and on",
    "no permissions": "install udev rules for Android (package android-sdk-platform-tools-common)",
}


def arm_check() -> DoctorCheck:
    """Looks for the emulated Arm processor, and asks its Python for its version."""
    from edge_mnv3.packaging.arm import find_arm_runner

    needs = "only cost and verify --arm need it"
    try:
        runner = find_arm_runner()
        answer = runner.answer()
    except RuntimeUnavailableError as error:
        detail = f"{error.what}: {error.got}; {needs}"
        return DoctorCheck(name="emulated Arm", status="warn", detail=detail, cure=error.next_step)
    return DoctorCheck(name="emulated Arm", status="ok", detail=f"{runner.folder}: {answer}")


def weights_check(reach: Callable[[str], None] | None = None) -> DoctorCheck:
    """Counts the published weights that are cached, and looks whether the server can be reached.

    Args:
        reach: Asks for an address; raises `OSError` where nobody answers, or nothing is there.
    """
    from edge_mnv3.model.weights import PUBLISHED, cached_weights, weights_url

    cached, known = cached_weights()
    detail = f"{cached} of {known} published files are in the cache"
    url = weights_url()
    try:
        (reach or _ask)(url + next(iter(PUBLISHED.values())).name)
    except OSError as error:
        return DoctorCheck(
            name="weights",
            status="warn",
            detail=f"{detail}; {url} cannot be reached, or does not have these files "
            f"({type(error).__name__})",
            cure="check network and proxy, set EDGE_MNV3_WEIGHTS_URL to a mirror, or give --weights a file",
        )
    return DoctorCheck(name="weights", status="ok", detail=f"{detail}; {url} answers")


def _ask(url: str) -> None:
    import requests

    with requests.head(url, timeout=_CONNECT_S, allow_redirects=True) as response:
        response.raise_for_status()
