"""How a latency is measured, as data, and the flags of `benchmark_model` that come of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError

Cores = Literal["big", "all"]
_HELP_FLAG = re.compile(r"^\s*--(\w+)=", re.MULTILINE)
# A build without one of these has no such limit; one without `use_xnnpack` has no XNNPACK.
_MAY_LACK = ("min_secs", "max_secs", "warmup_min_secs")
_XNNPACK_FLAG = "use_xnnpack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A way to measure.

    Attributes:
        num_threads: Of one inference.
        cores: `big`: pinned to the cluster with the highest clock; `all`: not pinned.
        use_xnnpack: True applies XNNPACK, False forces the built-in kernels.
        num_runs: Timed inferences of a launch, at least.
        warmup_runs: Untimed inferences before them, at least.
        min_secs: The timed inferences go on at least as long.
        max_secs: A launch that takes longer is refused: its runs would be cut.
        warmup_min_secs: The untimed inferences go on at least as long.
        launches: Starts of the program that must count.
    """

    name: str
    num_threads: int
    cores: Cores
    use_xnnpack: bool
    num_runs: int = 50
    warmup_runs: int = 1
    min_secs: float = 1.0
    max_secs: float = 150.0
    warmup_min_secs: float = 0.5
    launches: int = 5

    @property
    def kernels(self) -> str:
        """`xnnpack` or `builtin`."""
        return "xnnpack" if self.use_xnnpack else "builtin"


PUBLISHED = Protocol(name="published", num_threads=1, cores="big", use_xnnpack=False)
APP = Protocol(name="app", num_threads=4, cores="all", use_xnnpack=True)
PROTOCOLS = {protocol.name: protocol for protocol in (PUBLISHED, APP)}


def custom(
    base: Protocol = PUBLISHED,
    *,
    num_threads: int | None = None,
    cores: Cores | None = None,
    use_xnnpack: bool | None = None,
    num_runs: int | None = None,
    warmup_runs: int | None = None,
    min_secs: float | None = None,
    max_secs: float | None = None,
    warmup_min_secs: float | None = None,
    launches: int | None = None,
) -> Protocol:
    """Changes a protocol; it is called `custom` where anything differs. None keeps the base's value.

    Raises:
        ArgumentError: A value is out of range.
    """
    given = {
        "num_threads": num_threads,
        "cores": cores,
        _XNNPACK_FLAG: use_xnnpack,
        "num_runs": num_runs,
        "warmup_runs": warmup_runs,
        "min_secs": min_secs,
        "max_secs": max_secs,
        "warmup_min_secs": warmup_min_secs,
        "launches": launches,
    }
    changed = replace(base, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    _check(changed)
    return base if changed == base else replace(changed, name="custom")


def _check(protocol: Protocol) -> None:
    for name, least in (("num_threads", 1), ("num_runs", 1), ("warmup_runs", 0), ("launches", 1)):
        if getattr(protocol, name) < least:
            raise ArgumentError(f"protocol, {name}", str(getattr(protocol, name)), f"at least {least}")
    for name in ("min_secs", "warmup_min_secs"):
        if not 0 <= getattr(protocol, name) < float("inf"):
            raise ArgumentError(f"protocol, {name}", str(getattr(protocol, name)), "seconds from 0 on")
    if not protocol.min_secs < protocol.max_secs < float("inf"):
        raise ArgumentError("protocol, max_secs", str(protocol.max_secs), f"more than {protocol.min_secs:g}")
    if protocol.cores not in get_args(Cores):
        raise ArgumentError("protocol, cores", repr(protocol.cores), " or ".join(get_args(Cores)))


def read_known_flags(help_text: str) -> frozenset[str]:
    """Finds the names of all flags in the `--help` of a build."""
    return frozenset(_HELP_FLAG.findall(help_text))


def benchmark_flags(
    protocol: Protocol,
    *,
    graph: str,
    known: Collection[str] | None = None,
    extra: Sequence[str] = (),
) -> list[str]:
    """Writes the command line of a launch, without the program.

    Args:
        protocol: What to measure.
        graph: Path of the model on the device.
        known: Flags of the build, as `read_known_flags` finds them; None takes all for known. Limits that an
            old build lacks are left out, and so is `use_xnnpack=false` for one that has no XNNPACK.
        extra: More flags, such as `--enable_op_profiling=true`.

    Raises:
        BenchmarkBinaryError: The build lacks a flag that cannot be left out.
    """
    values = {
        "graph": graph,
        "num_threads": str(protocol.num_threads),
        "num_runs": str(protocol.num_runs),
        "warmup_runs": str(protocol.warmup_runs),
        "min_secs": f"{protocol.min_secs:g}",
        "max_secs": f"{protocol.max_secs:g}",
        "warmup_min_secs": f"{protocol.warmup_min_secs:g}",
        _XNNPACK_FLAG: "true" if protocol.use_xnnpack else "false",
    }
    if known is not None:
        dispensable = {*_MAY_LACK} if protocol.use_xnnpack else {*_MAY_LACK, _XNNPACK_FLAG}
        values = {name: value for name, value in values.items() if name in known or name not in dispensable}
        asked = [*values, *(flag.removeprefix("--").partition("=")[0] for flag in extra)]
        lacking = [name for name in asked if name not in known]
        if lacking:
            raise BenchmarkBinaryError(
                "benchmark binary",
                f"a build without {', '.join(f'--{name}' for name in lacking)}",
                f"one that can measure by protocol {protocol.name}",
                "use another build or protocol",
            )
    return [*(f"--{name}={value}" for name, value in values.items()), *extra]
