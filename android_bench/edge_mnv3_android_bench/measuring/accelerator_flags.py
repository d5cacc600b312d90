"""Which flags of a build ask for a GPU or an NPU: TensorFlow Lite's and LiteRT 2's differ."""

from __future__ import annotations

from collections.abc import Collection

from edge_mnv3.core.choices import Accelerator
from edge_mnv3.core.errors import BenchmarkBinaryError

_NNAPI_ALONE = ("use_nnapi", "disable_nnapi_cpu")
# Sets of flags, each of which will do; the first that a build knows is given. NNAPI has a device that runs
# on the CPU: without the second flag nobody could tell its figures from an accelerator's.
_FLAG_SETS: dict[Accelerator, tuple[tuple[str, ...], ...]] = {
    "cpu": ((),),
    "gpu": (("use_gpu",),),
    "npu": (("use_npu",), _NNAPI_ALONE),
}


def accelerator_flags(accelerator: Accelerator, known: Collection[str], what: str) -> tuple[str, ...]:
    """Returns the arguments that ask a build for an accelerator; none for the CPU.

    Args:
        accelerator: What is asked for.
        known: Flags of the build.
        what: What errors call it.

    Raises:
        BenchmarkBinaryError: The build has no such flag.
    """
    for names in _FLAG_SETS[accelerator]:
        if set(names) <= set(known):
            return tuple(f"--{name}=true" for name in names)
    wanted = " or ".join(" with ".join(f"--{name}" for name in names) for names in _FLAG_SETS[accelerator])
    raise BenchmarkBinaryError(
        what,
        f"a build without {wanted}",
        f"one that can be asked for the {accelerator}",
        f"use another build, or leave {accelerator} out of --accelerator",
    )
