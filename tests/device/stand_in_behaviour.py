"""How `benchmark_model` behaves on the emulated phone, and the file that tests push as the binary."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Build = Literal["1.13", "2.3", "2.6", "2.10", "nightly", "litert2"]
Accelerated = Literal["refused", "all", "part", "fails", "silent"]
Fault = Literal["none", "abort", "segfault", "hang", "kill", "abi", "linker"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """One way to behave.

    Attributes:
        build: Whose flags and formats: TFLite 1.13, 2.3, 2.6 (no prefixes yet), 2.10 (INFO: prefixes), or
            nightly (percentiles too), or LiteRT's, whose logger writes to the other stream.
        fault: `abort` and `segfault` end it after the warm-up by signal, `kill` as Android does when memory
            is short, `hang` never ends, `abi` is a binary for another processor, `linker` one whose library
            is missing.
        cut_output_bytes: It dies (signal 9) after so many bytes of standard output; None: never.
        at_most_runs: Ends the measurement after so many runs, as `max_secs` does; None: never.
        other_result_us: The runs of the result file take so much longer than those of the text.
        cut_result_bytes: The result file has so many bytes; None: all.
        always_xnnpack: It runs XNNPACK, whatever it is told.
        other_graph: It says that it loads another file than the one that it was given.
        accelerator: What a GPU or an NPU does that is asked for: it refuses, takes all of the model
            (inference takes a quarter of the time then), all but one node (half of the time), or it seems to
            take all and fails then; or nothing is said of it, and the CPU runs.
        fault_after_runs: How many measured runs precede `abort`, `segfault`, `hang` and `kill`.
    """

    build: Build = "nightly"
    fault: Fault = "none"
    cut_output_bytes: int | None = None
    at_most_runs: int | None = None
    other_result_us: int = 0
    cut_result_bytes: int | None = None
    always_xnnpack: bool = False
    other_graph: bool = False
    accelerator: Accelerated = "refused"
    fault_after_runs: int = 0


@dataclass(kw_only=True, slots=True)
class Figures:
    """Scripted timings, in place of measured ones.

    Attributes:
        inference_us: File name of the model (or `*` for all) to one list per launch of that model of the
            durations of its runs, microseconds. A list that is too short begins anew, and so do the launches.
        in_order_us: One list per launch, whatever the model, in the place of `inference_us`; begun anew after
            the last.
        warmup_us: Durations of warm-up runs, begun anew when there are too few.
        init_us: Duration of loading.
        launch_s: How long a launch really takes at least.
        own_time: The phone's clock goes by the scripted durations too: minutes pass in no time.
    """

    inference_us: dict[str, list[list[int]]] = field(default_factory=dict)
    in_order_us: list[list[int]] = field(default_factory=list)
    warmup_us: list[int] = field(default_factory=lambda: [30_000])
    init_us: int = 5_000
    launch_s: float = 0.0
    own_time: bool = False

    @classmethod
    def steady(cls, median_us: int, *, spread_us: int = 0) -> Figures:
        """Runs around one value: below and above it by turns, by `spread_us`."""
        runs = [median_us - spread_us, median_us, median_us + spread_us]
        return cls(inference_us={"*": [runs]})


def benchmark_binary(behaviour: Behaviour | None = None, *, padding_bytes: int = 0) -> bytes:
    """The file to push as `benchmark_model`: a script that hands over to the emulator.

    Args:
        behaviour: What it plays.
        padding_bytes: Makes the file larger, towards the several megabytes of a real one.
    """
    played = json.dumps(asdict(behaviour or Behaviour()))
    script = f'#!/bin/sh\nexec $EDGE_PHONE_STAND_IN "$0" "$@"\n# {played}\n'
    return script.encode() + b"#" * padding_bytes


def foreign_binary() -> bytes:
    """The beginning of an ELF file for an AArch64 phone, followed by nothing that runs anywhere."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00\x01\x00\x00\x00"
    return header + bytes(4096)
