"""The frozen results of `bench`, on this machine and on devices; `json_format` writes and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.binaries import BinaryInfo
from edge_mnv3.core.results.delegation import Delegated, Partitioning
from edge_mnv3.core.results.device import DeviceInfo, DeviceState
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.throttling import ThrottlingFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProtocol:
    """How inferences on this machine were timed.

    Attributes:
        kernels: `xnnpack` or `builtin`.
        num_threads: Threads of one inference.
        num_runs: Timed inferences.
        warmup_runs: Untimed inferences before them, in each round.
        rounds: How often the file was loaded, each time for an equal part of the runs.
    """

    kernels: str
    num_threads: int
    num_runs: int
    warmup_runs: int
    rounds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBenchConditions:
    """Under which conditions a latency was measured on this machine.

    Attributes:
        device: Processor model of this machine.
        platform: Operating system and its version.
        runtime: Name and version of the TFLite runtime.
        protocol: How it was measured.
        cpu_mask: Hexadecimal mask of the processors that the process was allowed to use.
        model_path: The `.tflite` file that was measured.
        model_sha256: SHA-256 of that file.
    """

    device: str
    platform: str
    runtime: str
    protocol: HostProtocol
    cpu_mask: str
    model_path: str
    model_sha256: str


def _nest_host_conditions(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of version 1, whose conditions had the keys of the protocol beside the others."""
    conditions = dict(data["conditions"])
    protocol = {key: conditions.pop(key) for key in ("kernels", "num_threads", "num_runs", "warmup_runs")}
    return {**data, "conditions": {**conditions, "protocol": protocol}}


def _add_rounds(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of version 2, for which a file was loaded once."""
    protocol = {**data["conditions"]["protocol"], "rounds": 1}
    return {**data, "conditions": {**data["conditions"], "protocol": protocol}}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBenchResult:
    """Latency of one inference (batch 1) on this machine, the copying of input and output not included.

    Attributes:
        conditions: Under which conditions it was measured.
        median_us: Median of the timed inferences.
        block_medians_us: Medians of equal blocks of consecutive runs, or of the rounds, in order of time.
        p5_us: Their 5th percentile.
        p95_us: Their 95th percentile.
        min_us: Shortest timed inference.
        max_us: Longest one.
        mean_us: Their mean.
        std_us: Their standard deviation.
        init_us: Loading the model and preparing the graph; the median over the rounds.
        warnings: What must be known before the figure is used: that it is unstable.
    """

    FORMAT: ClassVar[Format] = Format("host bench", (_nest_host_conditions, _add_rounds))
    schema_version: int = FORMAT.version
    conditions: HostBenchConditions
    median_us: float
    block_medians_us: tuple[float, ...]
    p5_us: float
    p95_us: float
    min_us: float
    max_us: float
    mean_us: float
    std_us: float
    init_us: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconfirmedFigures:
    """Figures that stand once in a log, checked to be possible together.

    Attributes:
        min_us: Shortest timed inference.
        max_us: Longest timed inference.
        std_us: Standard deviation of the timed inferences, rounded down by the build.
        p5_us: Their 5th percentile; None where the build prints none.
        p95_us: Their 95th percentile; None where the build prints none.
        memory_mb: Growth of the process's memory over the whole launch; None where it is not printed.
        peak_memory_mb: Highest memory of the process, as the build means it; None where it is not printed.
    """

    min_us: float
    max_us: float
    std_us: float
    p5_us: float | None
    p95_us: float | None
    memory_mb: float | None
    peak_memory_mb: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTimings:
    """Figures that one launch of `benchmark_model` printed.

    The averages, the start-up and the first inference stand twice in a log and were compared. Median and
    number of runs stand once: they were held against the others, as `benchmark_model.log` says.

    Attributes:
        num_runs: Timed inferences.
        avg_us: Mean of the timed inferences.
        median_us: Their median; None where the build prints none.
        warmup_runs: Inferences before the timed ones.
        warmup_avg_us: Mean of the warm-up; None where there was none.
        first_inference_us: The very first inference; None without warm-up, or where the log has it only
            once.
        init_us: Loading the model and preparing the graph.
        unconfirmed: Figures that stand once in the log.
        delegate: `XNNPACK`, `GPU`, `NNAPI` or another name; `none` where the log denies one, `unknown` where
            it says nothing.
        partitionings: What delegates took, in the order of the log; empty where the build does not say.
        warnings: What the log says that a user must know, such as a delegate that refused the graph.
    """

    num_runs: int
    avg_us: float
    median_us: float | None
    warmup_runs: int
    warmup_avg_us: float | None
    first_inference_us: float | None
    init_us: float
    unconfirmed: UnconfirmedFigures
    delegate: str
    partitionings: tuple[Partitioning, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSample:
    """Clocks and temperature at one moment of a launch.

    Attributes:
        time_s: Time since the launch began.
        khz: Clock of each core in `DeviceBenchConditions.cpus`, in that order; of a launch that was not
            pinned, of each core of the device's clusters, by number (none in earlier releases). None where it
            is unreadable.
        celsius: Temperature of the processor, or of the battery where the processor's cannot be read.
    """

    time_s: float
    khz: tuple[int | None, ...]
    celsius: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRecord:
    """One launch of `benchmark_model` on a device.

    Attributes:
        number: Number of the launch, from 1 on, those that failed included.
        started_at: ISO 8601, UTC, of the host's clock.
        duration_s: Wall time on the host.
        timings: The printed figures; None where the launch failed or its log was refused.
        before: The device before the launch.
        after: The device after it; None where it could not be read any more.
        samples: Clocks and temperatures while it ran, in order of time.
        mask_verified: The running process was seen to have the demanded core mask.
        log_path: Path of the raw log.
        problems: Why the launch does not count; empty where it does.
    """

    number: int
    started_at: str
    duration_s: float
    timings: LaunchTimings | None
    before: DeviceState
    after: DeviceState | None
    samples: tuple[ClockSample, ...]
    mask_verified: bool
    log_path: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSettings:
    """How each launch of `benchmark_model` is asked to measure.

    Attributes:
        name: Name of the protocol.
        kernels: `xnnpack` or `builtin` as demanded, or `default` where the build chooses.
        num_threads: Threads of one inference; -1 where the build chooses.
        num_runs: Timed inferences of a launch, at least.
        warmup_runs: Untimed inferences before them, at least.
        min_secs: The timed inferences go on for at least so many seconds.
        max_secs: A launch that takes longer is refused: its runs would be cut.
        warmup_min_secs: The untimed inferences go on for at least so many seconds.
    """

    name: str
    kernels: str
    num_threads: int
    num_runs: int
    warmup_runs: int
    min_secs: float
    max_secs: float
    warmup_min_secs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBenchConditions:
    """Under which conditions a latency was measured on a device.

    Attributes:
        device: The device.
        binary: The build of `benchmark_model`.
        protocol: How each launch was asked to measure.
        delegate: Delegate of the first launch that counts, as `LaunchTimings` names it.
        cpus: Cores that the process was pinned to; empty where it was not.
        cpu_mask: These cores as a hexadecimal mask; `all` where it was not pinned.
        fixed_performance: Clocks were held at what the device can sustain, below its highest.
        model_path: The `.tflite` file that was measured.
        model_sha256: SHA-256 of that file.
        accelerator: `cpu`, `gpu` or `npu`: what was asked for; `DeviceBenchResult.delegated` says what ran.
        libraries_sha256: SHA-256 over the NPU's libraries that were given; None where none were.
    """

    device: DeviceInfo
    binary: BinaryInfo
    protocol: ProtocolSettings
    delegate: str
    cpus: tuple[int, ...]
    cpu_mask: str
    fixed_performance: bool
    model_path: str
    model_sha256: str
    accelerator: str = "cpu"
    libraries_sha256: str | None = None

    @property
    def clocks(self) -> str:
        """The highest clocks of the cores that may work, and what governs them."""
        of_cores = [c for c in self.device.clusters if not self.cpus or {*self.cpus} & {*c.cpus}]
        return ", ".join(f"{c.max_khz} kHz by {c.governor}" for c in of_cores) or "not told"

    @property
    def accelerator_and_libraries(self) -> str:
        """The accelerator, and which libraries it was given."""
        libraries = self.libraries_sha256
        return (
            self.accelerator if libraries is None else f"{self.accelerator} with libraries {libraries[:12]}"
        )


# Version 1 of the formats that hold conditions had these keys beside one another: old key to new place.
_PROTOCOL_KEYS = (
    *("kernels", "num_threads", "num_runs", "warmup_runs"),
    *("min_secs", "max_secs", "warmup_min_secs"),
)
_FLAT_KEYS = {
    "binary": ("binary", "name"),
    "binary_sha256": ("binary", "sha256"),
    "binary_version": ("binary", "version"),
    "protocol": ("protocol", "name"),
    **{name: ("protocol", name) for name in _PROTOCOL_KEYS},
}


def nested_conditions(flat: dict[str, Any]) -> dict[str, Any]:
    """Turns the JSON of conditions in version 1, all on one level, into the present one."""
    nested = {key: value for key, value in flat.items() if key not in _FLAT_KEYS}
    for key, (part, name) in _FLAT_KEYS.items():
        nested.setdefault(part, {})[name] = flat[key]
    return nested


def flat_conditions(nested: dict[str, Any]) -> dict[str, Any]:
    """Turns the JSON of conditions into that of version 1: the inverse of `nested_conditions`."""
    flat = {key: value for key, value in nested.items() if key not in ("binary", "protocol")}
    return flat | {key: nested[part][name] for key, (part, name) in _FLAT_KEYS.items()}


def nest_conditions_of(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of version 1 that has `conditions`."""
    return {**data, "conditions": nested_conditions(data["conditions"])}


def add_accelerator_of(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result that has `conditions`, of releases that measured nothing but the CPU."""
    conditions = {**data["conditions"], "accelerator": "cpu", "libraries_sha256": None}
    return {**data, "conditions": conditions}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedLatency:
    """What the launches that count gave, whether it may be quoted or not.

    Attributes:
        median_us: Median of their statistic.
        min_us: The least of it.
        spread_percent: Largest less least, in percent of the median.
    """

    median_us: float
    min_us: float
    spread_percent: float


def _add_observed(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of version 2, which told nothing of what could not be quoted."""
    return {**data, "observed": None, "accepted": []}


def _add_delegated(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades a result of version 3."""
    return {**add_accelerator_of(data), "delegated": None, "throttling": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBenchResult:
    """Latency of one inference (batch 1) on a device, over several launches of `benchmark_model`.

    Attributes:
        conditions: Under which conditions it was measured.
        launches: All launches, those that do not count included.
        delegated: What the accelerator that was asked for took; None for the CPU, and where no launch counts.
        statistic: Which figure of each launch is used: `median`, or `avg` where the build prints no median.
        median_us: Median over the launches of their statistic; None where it is not to be quoted.
        ci95_us: 95 % bootstrap interval of `median_us` over launches; None where that is None, and with one
            or two launches.
        coefficient_of_variation_percent: Coefficient of variation of the launches' statistic; None with fewer
            than two launches.
        observed: What the launches gave, quotable or not; None where none counts, and in results of earlier
            releases.
        throttling: How the device was seen to slow down, whatever its thermal status said; empty where it was
            not, and in results of earlier releases.
        stable: The launches meet the rules of acceptance, but for what was `accepted`.
        problems: Why they do not, and there is no figure to quote; empty where `stable`.
        accepted: What was taken against the rules because it was asked for; empty where nothing was.
        warnings: What must be known before the figure is used; says so where the device is emulated.
    """

    FORMAT: ClassVar[Format] = Format("device bench", (nest_conditions_of, _add_observed, _add_delegated))
    schema_version: int = FORMAT.version
    conditions: DeviceBenchConditions
    launches: tuple[LaunchRecord, ...]
    delegated: Delegated | None
    statistic: str
    median_us: float | None
    ci95_us: tuple[float, float] | None
    coefficient_of_variation_percent: float | None
    observed: ObservedLatency | None
    throttling: tuple[ThrottlingFinding, ...]
    stable: bool
    problems: tuple[str, ...]
    accepted: tuple[str, ...]
    warnings: tuple[str, ...]
