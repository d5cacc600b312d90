"""How a latency is measured, as data, and the flags of `benchmark_model` that follow from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

from edge_mnv3.core.choices import CORES, KERNELS, Cores, Kernels
from edge_mnv3.core.errors import ArgumentError, BenchmarkBinaryError
from edge_mnv3.core.requests import Count, Request
from edge_mnv3.core.results.bench import ProtocolSettings

if TYPE_CHECKING:
    from typing_extensions import Unpack

_HELP_FLAG = re.compile(r"^\s*--(\w+)=", re.MULTILINE)
# A build without one of these has no such limit; one without `use_xnnpack` has no XNNPACK.
_MAY_LACK = ("min_secs", "max_secs", "warmup_min_secs")
_XNNPACK_FLAG = "use_xnnpack"
RESULT_FLAG = "result_file_path"  # of builds that write a file beside the text
_LITERT_FLAGS = {"use_cpu", "use_npu"}  # of LiteRT's builds, and of no others


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A way to measure.

    Attributes:
        settings: How each launch measures.
        cores: Which the program is pinned to, as `core_groups` reads it; `all`: not pinned.
        launches: Starts of the program that must count.
    """

    settings: ProtocolSettings
    cores: Cores
    launches: int = 5

    @property
    def name(self) -> str:
        """The protocol's name, such as `published`."""
        return self.settings.name

    @property
    def kernels(self) -> Kernels:
        """`xnnpack` or `builtin`: a protocol always demands one of the two."""
        return "xnnpack" if self.settings.kernels == "xnnpack" else "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(Request):
    """Numbers of threads and kinds of cores, of which each is measured with each.

    Attributes:
        threads: Threads of one inference; empty for what the protocol says.
        cores: Names of cores; empty for what the protocol says.
    """

    threads: Sequence[Count] = ()
    cores: Sequence[Cores] = ()


NO_SWEEP = Sweep()
_USUAL = ProtocolSettings(
    name="published",
    kernels="builtin",
    num_threads=1,
    num_runs=50,
    warmup_runs=1,
    min_secs=1.0,
    max_secs=150.0,
    warmup_min_secs=0.5,
)
PUBLISHED = Protocol(settings=_USUAL, cores="big")
APP = Protocol(settings=replace(_USUAL, name="app", kernels="xnnpack", num_threads=4), cores="all")
CUSTOM = "custom"  # the name of a protocol that was changed
PROTOCOLS = {protocol.name: protocol for protocol in (PUBLISHED, APP)}


class ProtocolChanges(TypedDict, total=False):
    """What `custom` changes; None keeps the base's value."""

    num_threads: int | None
    cores: Cores | None
    kernels: Kernels | None
    num_runs: int | None
    warmup_runs: int | None
    min_secs: float | None
    max_secs: float | None
    warmup_min_secs: float | None
    launches: int | None


def custom_protocol(base: Protocol = PUBLISHED, **changes: Unpack[ProtocolChanges]) -> Protocol:
    """Changes a protocol; it is called `custom` where anything differs.

    Raises:
        ArgumentError: A value is out of range.
    """
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    around = {name: given.pop(name) for name in ("cores", "launches") if name in given}
    changed = replace(base, settings=replace(base.settings, **given), **around)
    check_protocol(changed)
    return base if changed == base else renamed(changed, CUSTOM)


def swept(base: Protocol, sweep: Sweep) -> tuple[Protocol, ...]:
    """Returns the protocols of a sweep, cores by cores: of each, every number of threads.

    Raises:
        ArgumentError: A value is out of range.
    """
    protocols = [
        custom_protocol(base, num_threads=threads, cores=cores)
        for cores in sweep.cores or (base.cores,)
        for threads in sweep.threads or (base.settings.num_threads,)
    ]
    return tuple(dict.fromkeys(protocols))


def renamed(protocol: Protocol, name: str) -> Protocol:
    """Gives a protocol another name."""
    return replace(protocol, settings=replace(protocol.settings, name=name))


def check_protocol(protocol: Protocol) -> None:
    """Refuses values that no launch can have.

    Raises:
        ArgumentError: A value is out of range.
    """
    settings = protocol.settings
    values = {**asdict(settings), "launches": protocol.launches}
    for name, least in (("num_threads", 1), ("num_runs", 1), ("warmup_runs", 0), ("launches", 1)):
        if values[name] < least:
            raise ArgumentError(f"protocol, {name}", str(values[name]), f"at least {least}")
    for name in ("min_secs", "warmup_min_secs"):
        if not 0 <= values[name] < float("inf"):
            raise ArgumentError(f"protocol, {name}", str(values[name]), "seconds from 0 on")
    if not settings.min_secs < settings.max_secs < float("inf"):
        raise ArgumentError("protocol, max_secs", str(settings.max_secs), f"more than {settings.min_secs:g}")
    for name, value, known in (
        ("cores", protocol.cores, CORES),
        ("kernels", settings.kernels, KERNELS),
    ):
        if value not in known:
            raise ArgumentError(f"protocol, {name}", repr(value), " or ".join(known))


def read_known_flags(help_text: str) -> frozenset[str]:
    """Finds the names of all flags in the `--help` of a build."""
    return frozenset(_HELP_FLAG.findall(help_text))


def is_litert(known: Collection[str]) -> bool:
    """Whether flags are those of LiteRT's build, which runs XNNPACK always."""
    return set(known) >= _LITERT_FLAGS and _XNNPACK_FLAG not in known


def check_flags(known: Collection[str], needed: Sequence[str], what: str) -> None:
    """Refuses a build that lacks flags.

    Args:
        known: Flags of the build.
        needed: Names of those that are needed.
        what: What errors call the build.

    Raises:
        BenchmarkBinaryError: It lacks some; the text names them.
    """
    lacking = [name for name in needed if name not in known]
    if lacking:
        raise BenchmarkBinaryError(
            what,
            f"a build without {', '.join(f'--{name}' for name in lacking)}",
            "one that knows what was asked for",
            "use another build, or ask for less",
        )


def benchmark_flags(
    settings: ProtocolSettings,
    *,
    graph: str,
    known: Collection[str],
    extra: Sequence[str] = (),
) -> list[str]:
    """Writes the command line of a launch, without the program.

    Args:
        settings: How to measure.
        graph: Path of the model on the device.
        known: Flags of the build, as `read_known_flags` finds them. Limits that an old build lacks are left
            out, so is `use_xnnpack=false` for one that has no XNNPACK, and `use_xnnpack=true` for LiteRT's,
            which runs it always.
        extra: More flags, such as `--enable_op_profiling=true`.

    Raises:
        BenchmarkBinaryError: The build lacks a flag that cannot be left out.
    """
    values = {
        "graph": graph,
        "num_threads": str(settings.num_threads),
        "num_runs": str(settings.num_runs),
        "warmup_runs": str(settings.warmup_runs),
        "min_secs": f"{settings.min_secs:g}",
        "max_secs": f"{settings.max_secs:g}",
        "warmup_min_secs": f"{settings.warmup_min_secs:g}",
        _XNNPACK_FLAG: "true" if settings.kernels == "xnnpack" else "false",
    }
    of_litert = is_litert(known)
    if of_litert and settings.kernels != "xnnpack":
        raise BenchmarkBinaryError(
            "benchmark binary",
            "LiteRT's, which has no flag for the built-in kernels",
            "a build with --use_xnnpack",
            "measure it with --kernels xnnpack or --protocol app",
        )
    dispensable = {*_MAY_LACK}
    if of_litert or settings.kernels != "xnnpack":
        dispensable.add(_XNNPACK_FLAG)
    values = {name: value for name, value in values.items() if name in known or name not in dispensable}
    asked = [*values, *(flag.removeprefix("--").partition("=")[0] for flag in extra)]
    lacking = [name for name in asked if name not in known]
    if lacking:
        raise BenchmarkBinaryError(
            "benchmark binary",
            f"a build without {', '.join(f'--{name}' for name in lacking)}",
            f"one that can measure by protocol {settings.name}",
            "use another build or protocol",
        )
    return [*(f"--{name}={value}" for name, value in values.items()), *extra]
