"""Of which time a build of `benchmark_model` is, by what it knows and prints; its name says nothing.

The published latencies are of 2019 and 2020. TensorFlow 2.4, of December 2020, is the last release that may
count as a build of that time. What came after it gives a later build away: flags that it lists, words that it
prints, a version that it reports, names in its file. A build in which nothing later is found, and which lists
the flags of that time, is taken to be of that time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from edge_mnv3.core.results.binaries import LATER_ERA, PUBLISHED_ERA, UNKNOWN_ERA, BinaryInfo

_LAST_VERSION = (2, 4)
# Flags of that time: a program that lists none of the first is not known to be a `benchmark_model` at all.
_ALWAYS = frozenset({"graph", "num_runs", "num_threads", "warmup_runs"})
_LATER_FLAGS = frozenset(
    {
        *("report_peak_memory_footprint", "memory_footprint_check_interval_ms", "dry_run"),
        *("print_preinvoke_state", "print_postinvoke_state", "release_dynamic_tensors"),
        *("delegate_serialize_dir", "delegate_serialize_token", "nnapi_support_library_path"),
        *("disable_delegate_clustering", "optimize_memory_for_large_tensors", "xnnpack_force_fp16"),
        *("signature_to_run_for", "op_profiling_output_mode", "op_profiling_output_file"),
        *("output_filepath", "output_proto_filepath", "result_file_path"),
        *("use_cpu", "use_npu", "use_profiler"),
    }
)
_LATER_WORDS = {
    "prints severities, as builds from about TensorFlow 2.10 on": r"^INFO: STARTING!",
    "prints percentiles, as builds of recent years": r" p5=[0-9]+ median=[0-9]+ p95=[0-9]+",
    "prints the results of LiteRT": r"BENCHMARK RESULTS|LiteRT",
}
_LATER_NAMES = (b"LiteRT", b"litert::", b"YNNPACK", b"ynnpack")  # of kernels and runtimes


def later_evidence(
    *,
    known_flags: Collection[str] = (),
    version: str | None = None,
    log_text: str = "",
    file: Path | None = None,
) -> tuple[str, ...]:
    """Says by what a build is later than the published figures; nothing where nothing is found.

    Args:
        known_flags: Flags that it lists.
        version: Version that it reports; None where it reports none.
        log_text: What it prints at a run, both streams.
        file: The build itself, whose names of kernels are looked through.

    Raises:
        OSError: The file cannot be read.
    """
    evidence = []
    flags = sorted(_LATER_FLAGS & set(known_flags))
    if flags:
        evidence.append(
            f"knows --{flags[0]}" + (f" and {len(flags) - 1} more later flags" if flags[1:] else "")
        )
    number = re.match(r"(\d+)\.(\d+)", version or "")
    if number and (int(number[1]), int(number[2])) > _LAST_VERSION:
        evidence.append(f"reports version {version}")
    evidence += [told for told, words in _LATER_WORDS.items() if re.search(words, log_text, re.MULTILINE)]
    content = file.read_bytes() if file else b""
    names = [name.decode() for name in _LATER_NAMES if name in content]
    if names:
        evidence.append(f"names {names[0]}")
    return tuple(evidence)


def dated(binary: BinaryInfo, known_flags: Collection[str], evidence: Iterable[str]) -> BinaryInfo:
    """Returns a build with its era: by the evidence, and by the flags of that time where there is none."""
    found = tuple(dict.fromkeys((*(binary.era_evidence if binary.era == LATER_ERA else ()), *evidence)))
    if found:
        era = LATER_ERA
    elif set(known_flags) >= _ALWAYS:
        era, found = PUBLISHED_ERA, ("lists flags of that time, and none of a later one",)
    else:
        era, found = UNKNOWN_ERA, ("does not list the flags of a benchmark_model",)
    return replace(binary, era=era, era_evidence=found)
