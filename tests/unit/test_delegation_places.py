"""Lines on delegates count for the launch that they are of, wherever streams were written out."""

from __future__ import annotations

import pytest

from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from synthetic_logs import LogText

CREATED = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
BY_XNNPACK = (
    "VERBOSE: Replacing 9 out of 9 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions."
)
BY_GPU = "INFO: Replacing 9 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions."
APPLIED_GPU = (
    "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
)
UNKNOWN = "unknown"


def log(*extra: str) -> str:
    return LogText(times_us=(1000, 1010, 1003, 1001, 1150), extra=extra).text()


@pytest.mark.parametrize(
    ("before", "inside", "after", "delegate"),
    [
        ("", (), "", UNKNOWN),
        (CREATED, (), "", "XNNPACK"),  # Stderr in front: stdout is written out late into a pipe.
        ("", (), f"{CREATED}\n{BY_XNNPACK}", UNKNOWN),  # Or of the next launch, which was cut.
        ("", ("Use xnnpack: [1]",), f"{CREATED}\n{BY_XNNPACK}", "XNNPACK"),
        ("", (APPLIED_GPU,), BY_GPU, "GPU"),
        (BY_GPU, (APPLIED_GPU,), "", "GPU"),
        (BY_XNNPACK, (APPLIED_GPU,), "", UNKNOWN),
        (BY_GPU, (CREATED[6:],), "", UNKNOWN),
        ("", (CREATED[6:],), BY_GPU, UNKNOWN),
        (CREATED, (), BY_GPU, UNKNOWN),
        (CREATED, (CREATED[6:],), "", "XNNPACK"),
        (CREATED, ("Use xnnpack: [0]",), "", UNKNOWN),
        (BY_GPU, ("Use xnnpack: [0]",), "", "GPU"),
    ],
)
def test_merged_streams(before: str, inside: tuple[str, ...], after: str, delegate: str) -> None:
    text = f"{before}\n{log(*inside)}{after}\n"
    timings = parse_benchmark_log(text, "", 0, expected_runs=5)
    assert timings.delegate == delegate
    doubted = delegate == UNKNOWN and bool(before or after)
    assert any("which delegate ran is not known" in warning for warning in timings.warnings) == doubted
    assert not (doubted and timings.partitionings)


def test_streams_apart_are_of_one_launch() -> None:
    """As this tool catches them: whatever stderr says is of the launch."""
    timings = parse_benchmark_log(log(), f"{CREATED}\n{BY_XNNPACK}\n", 0, expected_runs=5)
    assert timings.delegate == "XNNPACK"
    assert timings.partitionings[0].replaced_nodes == 9
