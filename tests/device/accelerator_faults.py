"""The rows of the table of faults that concern a GPU or an NPU which is asked for."""

from __future__ import annotations

from device.fault_setups import (
    FAILED,
    PROGRAM,
    UNSTABLE,
    Fault,
    always_behaves,
    npu_libraries_for_nnapi,
    program_behaves,
)
from device.stand_in_behaviour import Behaviour

ACCELERATOR_FAULTS = (
    Fault(
        kind=PROGRAM,
        what="a GPU is asked for, and refuses the model",
        arrange=lambda stage: ("--accelerator", "gpu"),
        code=UNSTABLE,
        says="not delegated: ran on cpu (the GPU delegate refused the whole graph",
        says_too=(", gpu, on device",),
    ),
    Fault(
        kind=PROGRAM,
        what="a GPU is asked for, seems to take the model, and fails",
        arrange=program_behaves(Behaviour(accelerator="fails"), "--accelerator", "gpu"),
        code=FAILED,
        says="Failed to apply GPU delegate.",
        says_too=("launches gave a figure",),
    ),
    Fault(
        kind=PROGRAM,
        what="a GPU is asked for, and the log says nothing of it",
        arrange=program_behaves(
            Behaviour(accelerator="silent"), "--accelerator", "gpu", "--kernels", "xnnpack"
        ),
        code=UNSTABLE,
        says="not delegated: ran on cpu",
    ),
    Fault(
        kind=PROGRAM,
        what="an NPU is asked for, seems to take the model, and its library is missing (LiteRT's goes on)",
        arrange=always_behaves(
            Behaviour(build="litert2", accelerator="fails"),
            *("--protocol", "app", "--launches", "1", "--accelerator", "npu"),
        ),
        code=UNSTABLE,
        says="not delegated: ran on cpu",
        says_too=("No usable Dispatch runtime found",),
    ),
    Fault(
        kind=PROGRAM,
        what="an NPU is asked for, and it knows none",
        arrange=always_behaves(Behaviour(build="1.13"), "--accelerator", "npu"),
        code=FAILED,
        says="a build without --use_npu or --use_nnapi with --disable_nnapi_cpu",
        says_too=("use another build, or leave npu out of --accelerator",),
        measured=False,
    ),
    Fault(
        kind=PROGRAM,
        what="libraries of an NPU are given, and it takes none",
        arrange=npu_libraries_for_nnapi,
        code=FAILED,
        says="a build without --dispatch_library_path and --compiler_plugin_library_path",
        says_too=("leave --npu-libraries out: NNAPI finds its own",),
        measured=False,
    ),
)
