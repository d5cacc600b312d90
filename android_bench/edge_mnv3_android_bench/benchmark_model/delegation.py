"""What a log says about delegates: which took what, and which refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from edge_mnv3.core.choices import ACCELERATORS
from edge_mnv3.core.results.delegation import NO_DELEGATE, UNKNOWN_DELEGATE, XNNPACK_DELEGATE, Partitioning
from edge_mnv3_android_bench.benchmark_model.accelerators import PARTLY, accelerator_of, sum_up
from edge_mnv3_android_bench.benchmark_model.log_lines import LogLine
from edge_mnv3_android_bench.benchmark_model.printed_numbers import read_integer

_NAMES = {
    "TfLiteXNNPackDelegate": XNNPACK_DELEGATE,
    "TfLiteGpuDelegateV2": "GPU",
    "TfLiteGpuDelegate": "GPU",
    "TfLiteNnapiDelegate": "NNAPI",
}
_REPLACING = re.compile(
    r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \(([^()]+)\) node, yielding (\d+) partitions?"
    r"(?: for the whole graph| for subgraph (\d+)(?: \([^()]*\))?)?\.?",
    re.ASCII,
)
# TensorFlow 2.3 and 2.4 said "Applied … executed w/ the delegate", later ones "Explicitly applied … by".
_COMPLETELY = re.compile(
    r"(?:Explicitly a|A)pplied (.+) delegate, and the model graph will be completely executed "
    r"(?:by|w/) the delegate\."
)
_PARTIALLY = re.compile(
    r"(?:Explicitly a|A)pplied (.+) delegate, and the model graph will be partially executed "
    r"(?:by|w/) the delegate(?: w/ (\d+) delegate kernels)?\.",
    re.ASCII,
)
_REFUSED = re.compile(
    r"Though (.+) delegate is (?:explicitly )?applied, the model graph will not be executed "
    r"(?:by|w/) the delegate\."
)
# What the GPU delegate says of the nodes that it does not take, in builds that do not count them elsewhere.
_GPU_COUNTS = re.compile(
    r"(?:First )?(\d+) operations will run on the GPU, and the remaining (\d+)(?: operations will run)? "
    r"on the CPU\.",
    re.ASCII,
)
# Nodes are replaced before the delegate is made ready: one of these means that they were put back.
_PUT_BACK = re.compile(
    r"Restored original execution plan after delegate application failure"
    r"|Ignoring failed application of the default TensorFlow Lite delegate"
)
_FAILED = {
    "GPU": re.compile(
        r"Created 0 GPU delegate kernels|TfLiteGpuDelegate (?:Init|Prepare)\b|Failed to apply GPU delegate"
    ),
    "NNAPI": re.compile(r"Failed to apply NNAPI delegate"),
    "DispatchDelegate": re.compile(
        r"Failed to create a dispatch delegate kernel|Failed to initialize Dispatch API"
    ),
}
_NNAPI_DEVICES = re.compile(r"NNAPI accelerators available: \[(.+)\]")
_CREATED_XNNPACK = "Created TensorFlow Lite XNNPACK delegate for CPU."
_XNNPACK_OFF = re.compile(r"Use xnnpack ?: \[(?:0|false)\]")
_ASKED = {
    XNNPACK_DELEGATE: re.compile(r"Use xnnpack ?: \[(?:1|true)\]"),
    "GPU": re.compile(r"Use gpu ?: \[(?:1|true)\]"),
    "NNAPI": re.compile(r"Use NNAPI ?: \[(?:1|true)\]"),
}
_WARNING_SEVERITIES = ("WARN", "WARNING", "ERROR", "FATAL")
# Builds without severities print warnings like anything else.
_WARNING_TEXTS = re.compile(
    r"acceleration is unsupported on this platform|not supported by \w+ delegate|failed to apply"
    r"|ignoring failed application|cannot be applied|could not create|not be delegated|falling back"
    r"|cpu fallback",
    re.IGNORECASE,
)
# What Abseil says of its own logger, at each start.
_NO_WARNING = "All log messages before absl::InitializeLog() is called are written to STDERR"

_OF_ANOTHER = (
    "lines on delegates stand outside of the launch, and do not fit it: which delegate ran is not known"
)


class Delegation(NamedTuple):
    """What a log says about delegates; the fields are those of `LaunchTimings`."""

    delegate: str
    partitionings: tuple[Partitioning, ...]
    warnings: tuple[str, ...]


class _Launch(Protocol):
    """Lines of a launch, as `launch_lines` tells them apart."""

    @property
    def inside(self) -> list[LogLine]: ...
    @property
    def before(self) -> list[LogLine]: ...
    @property
    def after(self) -> list[LogLine]: ...


def says_what_was_applied(text: str) -> bool:
    """Whether a line is what the program itself says of a delegate."""
    return any(form.fullmatch(text) for form in (_COMPLETELY, _PARTIALLY, _REFUSED))


def read_delegation(launch: _Launch) -> Delegation:
    """Collects the statements about delegates, and all that the build calls a warning or an error.

    What libraries say outside of the launch counts where it can be of no other launch: the streams were
    caught in one, and it contradicts nothing.
    """
    lines = [*launch.inside, *launch.before, *launch.after]
    told = _read(lines)
    if not any(_is_of_library(line) for line in (*launch.before, *launch.after)) or _fits(launch):
        return told
    return Delegation(UNKNOWN_DELEGATE, (), (*told.warnings, _OF_ANOTHER))


def _is_of_library(line: LogLine) -> bool:
    return line.text == _CREATED_XNNPACK or _replaced(line.text) is not None


def _fits(launch: _Launch) -> bool:
    """Whether what libraries say outside of a launch can be of it alone."""
    before, after = (_of_libraries(lines) for lines in (launch.before, launch.after))
    inside = _of_libraries(launch.inside)
    said = [statements for statements in (before, inside, after) if statements]
    if any(statements != said[0] for statements in said):
        return False
    delegates = set(_read(said[0]).delegate.split("+"))
    replaced = {partitioning.delegate for line in said[0] if (partitioning := _replaced(line.text))}
    applied = {partitioning.delegate for line in launch.inside if (partitioning := _applied(line.text))}
    asked = {name for line in launch.inside for name, form in _ASKED.items() if form.fullmatch(line.text)}
    if any(_XNNPACK_OFF.fullmatch(line.text) for line in launch.inside) and XNNPACK_DELEGATE in delegates:
        return False
    if after and not before and not inside and not delegates <= applied | asked:
        return False  # The next launch's, which was cut, would stand there too.
    return not replaced or applied <= replaced


def _of_libraries(lines: Sequence[LogLine]) -> list[LogLine]:
    return [LogLine("", line.text, ended=True) for line in lines if _is_of_library(line)]


def _read(lines: Sequence[LogLine]) -> Delegation:
    every = [partitioning for line in lines if (partitioning := _replaced(line.text))]
    failed = _failed(lines)
    replaced = [p for p in every if p.delegate not in failed]
    applied = [p for line in lines if (p := _applied(line.text)) and p.delegate not in failed]
    refused = [match[1] for line in lines if (match := _REFUSED.fullmatch(line.text))]
    warnings = [f"the {name} delegate refused the whole graph: it ran on the CPU" for name in refused]
    undone = [name for name in failed if any(p.delegate == name for p in every)]
    warnings += [f"the {name} delegate failed to be applied: it ran on the CPU" for name in undone]
    warnings += [f"benchmark_model: {line.text}" for line in lines if _is_warning(line)]
    wholly = {match[1] for line in lines if (match := _COMPLETELY.fullmatch(line.text))}
    partitionings = tuple(_counted(p, lines, wholly) for p in replaced or applied)
    partly = {p.delegate for line in lines if _PARTIALLY.fullmatch(line.text) and (p := _applied(line.text))}
    warnings += _partial(partitionings, partly)
    warnings += [
        f"NNAPI chose among the phone's accelerators ({match[1]}): which of them ran is not told"
        for line in lines
        if (match := _NNAPI_DEVICES.fullmatch(line.text))
        and any(p.delegate == "NNAPI" for p in partitionings)
    ]
    names = list(dict.fromkeys(p.delegate for p in partitionings))
    if names:
        delegate = "+".join(names)
    elif refused or any(_XNNPACK_OFF.fullmatch(line.text) for line in lines):
        delegate = NO_DELEGATE
    elif any(line.text == _CREATED_XNNPACK for line in lines):
        delegate = XNNPACK_DELEGATE
    else:
        delegate = UNKNOWN_DELEGATE
    return Delegation(delegate, partitionings, tuple(dict.fromkeys(warnings)))


def _failed(lines: Sequence[LogLine]) -> list[str]:
    """Names the delegates that nodes were replaced for, and that could not be used after all."""
    failed: dict[str, None] = {}
    last: Partitioning | None = None
    for line in lines:
        last = _replaced(line.text) or last
        if last is not None and _PUT_BACK.search(line.text):
            failed[last.delegate] = None
        failed |= {name: None for name, form in _FAILED.items() if form.search(line.text)}
    return list(failed)


def _counted(partitioning: Partitioning, lines: Sequence[LogLine], wholly: Collection[str]) -> Partitioning:
    """Adds what other lines say of the nodes, where the one of the replacement does not count all of them."""
    if partitioning.nodes is not None:
        return partitioning
    if partitioning.delegate in wholly:
        return replace(partitioning, nodes=partitioning.replaced_nodes)
    counts = {match.groups() for line in lines if (match := _GPU_COUNTS.fullmatch(line.text))}
    if partitioning.delegate != "GPU" or len(counts) != 1:
        return partitioning
    taken, left = (read_integer(text) for text in counts.pop())
    if taken is None or left is None or partitioning.replaced_nodes not in (None, taken):
        return partitioning
    return replace(partitioning, replaced_nodes=taken, nodes=taken + left)


def _partial(partitionings: Sequence[Partitioning], partly: Collection[str]) -> list[str]:
    """Says which accelerator took a part of the model only."""
    told = []
    for accelerator in ACCELERATORS:
        if accelerator == "cpu":
            continue
        names = {p.delegate for p in partitionings if accelerator_of(p.delegate) == accelerator}
        taken = sum_up(partitionings, accelerator, partly=bool(names & set(partly)))
        if taken is not None and not taken.complete:
            told.append(f"{PARTLY}{taken.text}")
    return told


def _replaced(text: str) -> Partitioning | None:
    match = _REPLACING.fullmatch(text)
    if match is None:
        return None
    taken, nodes, partitions, subgraph = (
        read_integer(match[group]) if match[group] else None for group in (1, 2, 4, 5)
    )
    if taken is None or partitions is None or partitions > 2 * taken + 1:
        return None
    if nodes is not None and (taken > nodes or partitions > nodes):
        return None
    return Partitioning(
        delegate=_NAMES.get(match[3], match[3]),
        replaced_nodes=taken,
        nodes=nodes,
        partitions=partitions,
        subgraph=subgraph or 0,
    )


def _applied(text: str) -> Partitioning | None:
    completely, partially = _COMPLETELY.fullmatch(text), _PARTIALLY.fullmatch(text)
    match = completely or partially
    if match is None:
        return None
    kernels = 1 if completely else read_integer(match[2] or "")
    if kernels is None:
        return None
    return Partitioning(
        delegate=_NAMES.get(match[1], match[1]),
        replaced_nodes=None,
        nodes=None,
        partitions=kernels,
        subgraph=0,
    )


def _is_warning(line: LogLine) -> bool:
    return line.text not in ("", _NO_WARNING) and (
        line.severity in _WARNING_SEVERITIES or _WARNING_TEXTS.search(line.text) is not None
    )
