"""Golden images on an emulated Arm processor: the aarch64 runtime under qemu's user emulation.

It needs a folder that `arm_sysroot.sh` makes: `sysroot` with an arm64 Python and its libraries, `site` with
the aarch64 packages, and `host` with qemu where the machine has none.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from edge_mnv3.core import process
from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import RuntimeUnavailableError
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.input_range import PIXELS
from edge_mnv3.core.tflite.input_facts import known_range
from edge_mnv3.packaging.golden import Answers

FOLDER_VARIABLE = "EDGE_MNV3_ARM"
_QEMU = ("qemu-aarch64", "qemu-aarch64-static")
_PYTHON = "sysroot/usr/bin/python3.11"
_NEEDED = (_PYTHON, "sysroot/proc/cpuinfo", "site/ai_edge_litert")
# The processor that the sysroot's /proc/cpuinfo describes: XNNPACK chooses its kernels by both, and they must
# agree. Not qemu's default `max`: under qemu 7.2 its SME instructions gave other sums than all other emulated
# processors.
_CPU = "cortex-a76"
_GREETING = (
    "import platform, importlib.metadata as m, ai_edge_litert.interpreter\n"
    "print(platform.machine(), 'Python', platform.python_version(), 'LiteRT', m.version('ai-edge-litert'))"
)
_START_TIMEOUT_S = 60.0
# Ten images of 224 px take 6 s; the largest network of five times the size, on a machine ten times as busy.
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class ArmRunner:
    """An emulated 64-bit Arm processor.

    Attributes:
        qemu: The emulator.
        folder: Folder that `arm_sysroot.sh` made.
        kernels: Kernels that it runs.
    """

    qemu: Path
    folder: Path
    kernels: Kernels = "xnnpack"

    @property
    def name(self) -> str:
        """Name of the processor and kernels, for people."""
        return f"emulated Arm {_CPU}, {self.kernels}"

    def run(self, model: Path, images: Sequence[Pixels]) -> Answers:
        """Runs a file with one thread.

        Raises:
            RuntimeUnavailableError: The emulated process failed or did not end in time.
        """
        with tempfile.TemporaryDirectory() as folder:
            given, taken = Path(folder) / "images.npy", Path(folder) / "outputs.npz"
            np.save(given, np.stack(images))
            argv = [*self._python(), "-m", "edge_mnv3.packaging.golden_child", str(model.resolve())]
            argv += [str(given), str(taken), "--kernels", self.kernels]
            fed = known_range(model) or PIXELS
            argv += ["--mean", *map(repr, fed.mean), "--std", *map(repr, fed.std)]
            done = process.run(argv, timeout_s=_TIMEOUT_S)
            if done.returncode != 0 or not taken.is_file():
                ended = "no end in time" if done.returncode is None else f"exit code {done.returncode}"
                last = done.stderr.strip().splitlines()[-1:] or ["no output"]
                raise RuntimeUnavailableError(
                    f"the emulated Arm processor in {self.folder}",
                    f"{ended} ({last[0]})",
                    next_step=_advice(),
                )
            with np.load(taken) as saved:
                outputs = [saved[name] for name in saved.files]
        return Answers(list(zip(*outputs, strict=True)), done.stdout.strip().splitlines()[-1])

    def answer(self) -> str:
        """Starts the arm64 Python with the runtime, and returns what it says of itself.

        Raises:
            RuntimeUnavailableError: It does not start.
        """
        done = process.run([*self._python(), "-c", _GREETING], timeout_s=_START_TIMEOUT_S)
        if done.returncode != 0:
            ended = "no end in time" if done.returncode is None else f"exit code {done.returncode}"
            last = done.stderr.strip().splitlines()[-1:] or ["no output"]
            raise RuntimeUnavailableError(
                f"the emulated Arm processor in {self.folder}", f"{ended} ({last[0]})", next_step=_advice()
            )
        return done.stdout.strip()

    def _python(self) -> list[str]:
        """Returns the arm64 interpreter under the emulator; its packages come before this one."""
        package_root = Path(process.__file__).parents[2]
        variables = {
            "PYTHONPATH": os.pathsep.join((str(self.folder / "site"), str(package_root))),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        settings = [word for name, value in variables.items() for word in ("-E", f"{name}={value}")]
        argv = [
            str(self.qemu),
            "-cpu",
            _CPU,
            "-L",
            str(self.folder / "sysroot"),
            "-U",
            "PYTHONHOME",
            *settings,
        ]
        return [*argv, str(self.folder / _PYTHON)]


def arm_folder() -> Path:
    """Returns where `arm_sysroot.sh` puts its folder, and `find_arm_runner` looks for it."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "edge-mnv3" / "arm64"


def find_arm_runner() -> ArmRunner:
    """Returns the emulator, if all that it needs is here.

    Raises:
        RuntimeUnavailableError: Something is missing; the text says what, and what makes it.
    """
    folder = arm_folder()
    missing = [name for name in _NEEDED if not (folder / name).exists()]
    if missing:
        raise RuntimeUnavailableError(
            "--arm needs an emulated Arm processor", f"no {folder / missing[0]}", next_step=_advice()
        )
    emulators = [str(folder / "host" / name) for name in _QEMU if (folder / "host" / name).is_file()]
    emulators += [path for path in map(shutil.which, _QEMU) if path]
    if not emulators:
        raise RuntimeUnavailableError(
            "--arm needs qemu's user emulation", f"no {_QEMU[0]} on the PATH", next_step=_advice()
        )
    return ArmRunner(Path(emulators[0]), folder)


def _advice() -> str:
    script = resources.files("edge_mnv3.packaging") / "arm_sysroot.sh"
    return f"on Debian and Ubuntu, 'sh {script}' makes it, with qemu-user-static; or install qemu-user"
