"""What commands print for people."""

from __future__ import annotations

from edge_mnv3.commands.inspect import builtin_kernels, xnnpack
from edge_mnv3.core.results.models import KernelCheck


def check(partitions: int | None, left: dict[str, int], problem: str | None = None) -> KernelCheck:
    return KernelCheck(loads=problem is None, partitions=partitions, undelegated_ops=left, problem=problem)


def test_xnnpack() -> None:
    assert xnnpack(check(1, {})) == "loads, 1 partition"
    assert (
        xnnpack(check(20, {"HARD_SWISH": 19, "SOFTMAX": 1}))
        == "loads, 20 partitions; left to the built-in kernels: 19 HARD_SWISH, 1 SOFTMAX"
    )
    assert xnnpack(check(0, {})).startswith("loads, but takes no operator")
    assert xnnpack(check(None, {}, "too wide")) == "DOES NOT LOAD: too wide"


def test_builtin_kernels() -> None:
    assert builtin_kernels(check(0, {})) == "loads"
    assert builtin_kernels(check(None, {}, "no such op")) == "DOES NOT LOAD: no such op"
