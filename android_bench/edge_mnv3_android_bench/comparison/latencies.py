"""Whether two measured latencies differ: only under equal conditions, and in words.

The ratio is that of the medians over launches (on this machine: over blocks of runs). Its interval comes from
resampling the launches of both. Two results differ where the interval excludes 1 and the ratio is further
from 1 than `MIN_DIFFERENCE`, which separates what launches repeat from what anyone would notice.

Whatever condition differs must be named as intended, or the comparison is refused. There is one exception:
two files of different names are meant to be two models, so that their contents may differ. Files of one name
must be the same file. Results on different kinds of device, or of different statistics, are never compared.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from edge_mnv3.core.cores import threads_on_cores
from edge_mnv3.core.errors import ArgumentError, ConditionsDifferError, InputFileError
from edge_mnv3.core.paths import why_unreadable
from edge_mnv3.core.result_files import refuse_no_measurement
from edge_mnv3.core.results.bench import DeviceBenchResult, HostBenchResult
from edge_mnv3.core.results.bench_report import DeviceBenchReport
from edge_mnv3.core.results.bench_turns import HostTurnsResult
from edge_mnv3.core.results.delegation import Delegated
from edge_mnv3.core.results.device import EMULATED_DEVICE
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.verdicts import CompareResult, Comparison, ConditionDifference, ReproduceResult
from edge_mnv3_android_bench.comparison.launch_figures import (
    MIN_DIFFERENCE,
    compare_launch_figures,
    is_open,
    ratio_interval,
)
from edge_mnv3_android_bench.measuring.acceptance import MIN_LAUNCHES_OF_INTERVAL
from edge_mnv3_android_bench.measuring.host import UNSTABLE_SPREAD
from edge_mnv3_android_bench.measuring.launch_statistics import ACCEPTED, counted_figures_us

AnyBenchResult: TypeAlias = HostBenchResult | DeviceBenchResult
_MODEL, _KIND = "model", "kind of device"
_ACCELERATOR, _DELEGATE, _DELEGATED = "accelerator", "delegate", "delegated"
_ALLOW_HINT = "measure again under equal conditions, or name what is meant to differ with --allow"
# The names of the conditions, for --allow. What is no condition of a latency (paths, the battery's charge,
# names under which a binary is registered) is in none of them.
_DEVICE_CONDITIONS = {
    "device": ("identity", "model"),
    "build": ("build_fingerprint",),
    "soc": ("soc",),
}
_CONDITIONS = {
    "binary": ("binary.sha256",),
    _ACCELERATOR: ("accelerator_and_libraries",),
    "kernels": ("protocol.kernels",),
    _DELEGATE: ("delegate",),
    "threads": ("protocol.num_threads",),
    "mask": ("cpu_mask",),
    "fixed_performance": ("fixed_performance",),
    "clocks": ("clocks",),
    "runs": (
        *("protocol.num_runs", "protocol.warmup_runs"),
        *("protocol.min_secs", "protocol.max_secs", "protocol.warmup_min_secs"),
    ),
    _MODEL: ("model_sha256",),
}
_HOST_CONDITIONS = {
    "device": ("device",),
    "system": ("platform",),
    "runtime": ("runtime",),
    "kernels": ("protocol.kernels",),
    "threads": ("protocol.num_threads",),
    "mask": ("cpu_mask",),
    "runs": ("protocol.num_runs", "protocol.warmup_runs", "protocol.rounds"),
    _MODEL: ("model_sha256",),
}
DIFFERENCES = tuple(dict.fromkeys((*_DEVICE_CONDITIONS, *_CONDITIONS, *_HOST_CONDITIONS, _DELEGATED)))
_KINDS: Mapping[str, type[Any]] = {
    "block_medians_us": HostBenchResult,
    "launches": DeviceBenchResult,
    "cells": ReproduceResult,
    "comparisons": HostTurnsResult,
    "results": DeviceBenchReport,
}

_WANTED = "the JSON of bench or reproduce"


def read_bench_results(path: Path, *, wanted: str = _WANTED) -> tuple[AnyBenchResult, ...]:
    """Reads all measurements of a result file of `bench` or `reproduce`.

    Args:
        path: The file.
        wanted: What is expected, for errors.

    Raises:
        InputFileError: It cannot be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
        refuse_no_measurement(path, text, wanted=wanted)
        keys = json.loads(text)
        kind = next((kind for key, kind in _KINDS.items() if key in keys), None)
        result = from_json(kind, text) if kind and isinstance(keys, dict) else None
    except OSError as error:
        raise InputFileError(f"result file {path}", why_unreadable(path, error), wanted) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputFileError(f"result file {path}", str(error), wanted) from error
    if result is None:
        raise InputFileError(f"result file {path}", "another file", wanted)
    if isinstance(result, DeviceBenchReport) and result.sustained:
        raise InputFileError(
            f"result file {path}",
            "a measurement under load (--sustained)",
            "the JSON of bench or reproduce, of launches on a cool phone",
            "it compares its first minute with its last itself",
        )
    return (result,) if isinstance(result, (HostBenchResult, DeviceBenchResult)) else result.results


def compare_files(a: Path, b: Path, *, allow: Collection[str] = ()) -> CompareResult:
    """Compares the measurements of two files.

    Where each file holds one, these are compared. Else those are paired that share all conditions but the
    allowed ones; what finds no partner, or has no figure, is listed.

    Raises:
        ArgumentError: `allow` has a name that is not in `DIFFERENCES`.
        InputFileError: A file cannot be read, or is no result.
        ConditionsDifferError: Nothing can be compared; the text says why.
    """
    _check_allowed(allow)
    left, right = read_bench_results(a), read_bench_results(b)
    if len(left) == len(right) == 1:
        comparison = compare(left[0], right[0], allow=allow)
        return CompareResult(a=str(a), b=str(b), comparisons=(comparison,), not_compared=())
    pairs = _pair(left, right, allow)
    comparisons, refused = [], []
    for i, j in pairs:
        try:
            comparisons.append(compare(left[i], right[j], allow=allow))
        except ConditionsDifferError as error:
            refused.append(error)
    if refused and not comparisons:
        raise refused[0]
    left_out = list(map(str, refused))
    paired_left, paired_right = {i for i, _ in pairs}, {j for _, j in pairs}
    left_out += [_no_partner(a, r, right) for i, r in enumerate(left) if i not in paired_left]
    left_out += [_no_partner(b, r, left) for j, r in enumerate(right) if j not in paired_right]
    if not comparisons:
        reason = left_out[0] if left_out else "no measurement in either"
        raise ConditionsDifferError(f"comparison of {a} with {b}", reason, next_step=_ALLOW_HINT)
    return CompareResult(a=str(a), b=str(b), comparisons=tuple(comparisons), not_compared=tuple(left_out))


def compare(a: AnyBenchResult, b: AnyBenchResult, *, allow: Collection[str] = ()) -> Comparison:
    """Compares two measurements.

    Args:
        a: The reference.
        b: The measurement that is compared with it.
        allow: Names out of `DIFFERENCES` that may differ.

    Raises:
        ArgumentError: `allow` has another name.
        ConditionsDifferError: Another condition differs; the text names each with both values. Or a result
            is unstable, or has too few launches for an interval.
    """
    _check_allowed(allow)
    differences = condition_differences(a, b)
    meant = _meant(allow) | ({_MODEL} if _model(a) != _model(b) else set())
    refused = [difference for difference in differences if difference.name not in meant]
    if refused:
        raise ConditionsDifferError(
            f"comparison of {_model(a)} with {_model(b)}",
            f"different conditions ({_tell(refused)})",
            "equal conditions",
            _ALLOW_HINT,
        )
    samples = [_figures_us(a), _figures_us(b)]
    median_a, median_b = (statistics.median(sample) for sample in samples)
    ratio = median_b / median_a
    interval = ratio_interval(samples)
    differ = not interval[0] <= 1 <= interval[1] and abs(ratio - 1) > MIN_DIFFERENCE
    return Comparison(
        model_a=_model(a),
        model_b=_model(b),
        measured=describe_result(a),
        median_a_us=median_a,
        median_b_us=median_b,
        ratio=ratio,
        ratio_ci95=interval,
        differ=differ,
        differences=differences,
        launch_figures=compare_launch_figures(a, b),
        text="; ".join(
            (verdict_words(a, b, ratio, interval, differ), *_against_the_rules(a, b), *_warned_of_one(a, b))
        ),
    )


def _against_the_rules(a: AnyBenchResult, b: AnyBenchResult) -> list[str]:
    """What was taken against the rules is said wherever the figures are."""
    return [
        f"{name} was taken against the rules: {', '.join(result.accepted)}"
        for name, result in (("A", a), ("B", b))
        if isinstance(result, DeviceBenchResult) and result.accepted
    ]


def _warned_of_one(a: AnyBenchResult, b: AnyBenchResult) -> list[str]:
    """What one measurement was warned of and the other was not may be what made the difference."""
    said = []
    for name, result, other in (("A", a, b), ("B", b, a)):
        alone = [text for text in result.warnings if text not in other.warnings]
        said += [f"{name} only: {text}" for text in alone if not text.startswith(ACCEPTED)]
    return said


def _check_allowed(allow: Collection[str]) -> None:
    unknown = [name for name in allow if name not in DIFFERENCES]
    if unknown:
        raise ArgumentError("difference that is allowed", repr(unknown[0]), ", ".join(DIFFERENCES))


def _meant(allow: Collection[str]) -> set[str]:
    """What may differ: another accelerator has another delegate, and takes other nodes."""
    return {*allow, _DELEGATE, _DELEGATED} if _ACCELERATOR in allow else {*allow}


def condition_differences(a: AnyBenchResult, b: AnyBenchResult) -> tuple[ConditionDifference, ...]:
    """Lists the conditions that two results do not share.

    Each has a name out of `DIFFERENCES`, or is one that must never differ: the kind of device, the statistic.
    """
    one, other = conditions_of(a), conditions_of(b)
    names = one if one.keys() == other.keys() else (_KIND,)
    return tuple(
        ConditionDifference(name=name, a=one[name], b=other[name])
        for name in names
        if one[name] != other[name]
    )


def describe_result(result: AnyBenchResult) -> str:
    """Names a measurement: file, device, binary, threads and cores."""
    conditions = result.conditions
    if isinstance(result, HostBenchResult):
        return f"{conditions.model_path} on this machine"
    device, accelerator = result.conditions.device, result.conditions.accelerator
    name = result.conditions.binary.name + ("" if accelerator == "cpu" else f" on its {accelerator}")
    placed = threads_on_cores(result.conditions)
    return f"{conditions.model_path} on {device.model} ({device.serial}) with {name}, {placed}"


def conditions_of(result: AnyBenchResult) -> dict[str, str]:
    """The value of each condition by its name, as text."""
    if isinstance(result, HostBenchResult):
        return {_KIND: "this machine", **_values(result.conditions, _HOST_CONDITIONS)}
    values = _values(result.conditions.device, _DEVICE_CONDITIONS) | _values(result.conditions, _CONDITIONS)
    kind = "an emulated device" if result.conditions.device.emulated else "a phone"
    values[_DELEGATED] = _share(result.delegated)
    return {_KIND: kind, **values, "statistic": result.statistic}


def _share(delegated: Delegated | None) -> str:
    """How much of a model an accelerator took; whole models of any number of nodes are alike."""
    if delegated is None:
        return "nothing asked for"
    return "all nodes" if delegated.complete else delegated.text


def _values(conditions: Any, names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Reads conditions by the paths of their fields; several of one name are told apart by their fields."""
    return {
        name: f"{attrgetter(paths[0])(conditions)}"
        if len(paths) == 1
        else " ".join(f"{path.rpartition('.')[2]}={attrgetter(path)(conditions)}" for path in paths)
        for name, paths in names.items()
    }


def _pair(
    left: Sequence[AnyBenchResult], right: Sequence[AnyBenchResult], allow: Collection[str]
) -> list[tuple[int, int]]:
    """Pairs each of the left with the only one of the right whose other conditions are all equal.

    Where there are several, the one without any difference is taken; else none is.
    """
    pairs = []
    for i, one in enumerate(left):
        candidates = [condition_differences(one, other) for other in right]
        exact = [j for j, differences in enumerate(candidates) if not differences]
        allowed = [
            j for j, differences in enumerate(candidates) if {d.name for d in differences} <= _meant(allow)
        ]
        meant = exact or allowed
        if len(meant) == 1:
            pairs.append((i, meant[0]))
    return pairs


def _no_partner(path: Path, result: AnyBenchResult, others: Sequence[AnyBenchResult]) -> str:
    """Says what keeps a result from the other file's nearest one."""
    told = f"{path}: {describe_result(result)} has no partner"
    nearest = min((condition_differences(result, other) for other in others), key=len, default=())
    return f"{told}; the nearest differs by {_tell(nearest)}" if nearest else told


def _tell(differences: Sequence[ConditionDifference]) -> str:
    return "; ".join(f"{d.name}: {d.a} and {d.b}" for d in differences)


def _figures_us(result: AnyBenchResult) -> Sequence[float]:
    if isinstance(result, HostBenchResult):
        spread = host_spread(result)
        if spread > UNSTABLE_SPREAD:
            raise ConditionsDifferError(
                describe_result(result),
                f"an unstable result (p5 to p95 spread over {100 * spread:.0f} % of the median)",
                f"at most {100 * UNSTABLE_SPREAD:.0f} %",
                "end other programs, and measure both again, one right after the other",
            )
        figures, name = result.block_medians_us, "blocks of runs"
    else:
        if result.median_us is None:
            raise ConditionsDifferError(
                describe_result(result), f"an unstable result ({'; '.join(result.problems)})", "a stable one"
            )
        figures, name = counted_figures_us(result), "launches"
    if len(figures) < MIN_LAUNCHES_OF_INTERVAL:
        raise ConditionsDifferError(
            describe_result(result),
            f"{len(figures)} {name}",
            f"at least {MIN_LAUNCHES_OF_INTERVAL}: without a spread nothing can be said",
        )
    return figures


def host_spread(result: HostBenchResult) -> float:
    """How far a result of this machine spreads: p5 to p95 by the median."""
    return (result.p95_us - result.p5_us) / result.median_us


def _model(result: AnyBenchResult) -> str:
    return Path(result.conditions.model_path).name


def verdict_words(
    a: AnyBenchResult, b: AnyBenchResult, ratio: float, interval: tuple[float, float], differ: bool
) -> str:
    """Says whether B differs from A, by how much, and if not, why."""
    percent = 100 * (ratio - 1)
    low, high = (100 * (end - 1) for end in interval)
    emulated = isinstance(a, DeviceBenchResult) and a.conditions.device.emulated
    mark = f"; {EMULATED_DEVICE}" if emulated else ""
    spread = f"{percent:+.1f} % (95 % interval {low:+.1f} to {high:+.1f} %{mark})"
    names = ("A", "B") if _model(a) == _model(b) else (f"A ({_model(a)})", f"B ({_model(b)})")
    if differ:
        return f"{names[1]} is {'slower' if ratio > 1 else 'faster'} than {names[0]}: {spread}"
    shown = f"no difference between {names[0]} and {names[1]} is shown"
    if is_open(interval):
        return f"{shown}: {spread}; the interval includes equality"
    if abs(ratio - 1) > MIN_DIFFERENCE:
        return f"{shown} with enough certainty: {spread}; more --runs may bring it"
    none = f"less than {100 * MIN_DIFFERENCE:g} % counts as no difference"
    return f"{names[0]} and {names[1]} do not differ: {spread}; {none}"
