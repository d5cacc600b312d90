"""The closing block of LiteRT 2's `benchmark_model`, in place of TensorFlow Lite's one summary line.

It repeats start-up, warm-up and measurement in milliseconds with two decimals
(`litert/tools/benchmark_litert_model.h`). So a figure is confirmed to 10 µs here, not to its last digit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from edge_mnv3_android_bench.benchmark_model.run_statistics import RunStatistics

TITLE = "========== BENCHMARK RESULTS =========="
_END = "======================================"
# LiteRT's logger names the line of the source in front of the text.
_SOURCE = re.compile(r"\[[^\[\]]*\] ")
_ROUNDING_US = 5.0 + 1e-6
_RESULT = re.compile(
    r"(Model initialization|Warmup \((?:first|avg)\)|Inference \((?:avg|min|max|std)\)): +"
    r"((?:0|[1-9]\d*)\.\d\d)(?: ms)?(?: \((0|[1-9]\d*) runs\))?",
    re.ASCII,
)
_MEMORY = re.compile(r"(Overall footprint|Peak memory): +((?:0|[1-9]\d*)\.\d\d) MB", re.ASCII)

# Figures that no other line repeats.
_ALONE = {
    "model_size_mb": r"The input model file size \(MB\): ((?:0|[1-9]\d*)(?:\.\d+)?)",
    "init_footprint_mb": r"Init footprint: +((?:0|[1-9]\d*)\.\d\d) MB",
    "throughput_mb_s": r"Throughput: +((?:0|[1-9]\d*)\.\d\d) MB/s",
}


class Printed(NamedTuple):
    """Figures of one launch that its timings do not hold; None for what is not printed, or not once.

    Attributes:
        model_size_mb: Size of the model's file, in MB.
        init_footprint_mb: Growth of the process's memory until the model was ready, in MB.
        throughput_mb_s: Bytes of input for each second, in MB/s.
    """

    model_size_mb: float | None
    init_footprint_mb: float | None
    throughput_mb_s: float | None


def is_title(text: str) -> bool:
    """Whether a line is the block's first one."""
    return text.rstrip() == TITLE


def read_block(texts: Sequence[str]) -> list[str] | None:
    """Cuts the block, from its title to its last line, out of a log's lines; None where it is not whole."""
    plain = [
        _SOURCE.sub("", text, count=1).rstrip() if _SOURCE.match(text) else text.rstrip() for text in texts
    ]
    if plain.count(TITLE) != 1 or plain.count(_END) != 1:
        return None
    first, last = plain.index(TITLE), plain.index(_END)
    return plain[first : last + 1] if first < last else None


def contradiction(
    block: Sequence[str], init_us: float, warmup: RunStatistics, runs: RunStatistics
) -> str | None:
    """Names what of a block is missing, doubled, or not what the lines before it say; None where all agrees.

    Args:
        block: The lines, as `read_block` gives them.
        init_us: The start-up as printed before.
        warmup: The statistics of the warm-up.
        runs: Those of the measurement.
    """
    expected: dict[str, tuple[float, int | None]] = {
        "Model initialization": (init_us, None),
        "Warmup (first)": (warmup.first, None),
        "Warmup (avg)": (warmup.avg, warmup.count),
        "Inference (avg)": (runs.avg, runs.count),
        "Inference (min)": (runs.min, None),
        "Inference (max)": (runs.max, None),
    }
    seen: dict[str, tuple[float, int | None]] = {}
    for line in block:
        match = _RESULT.fullmatch(line)
        if match is None:
            if ": " in line and line.startswith(("Model init", "Warmup", "Inference")):
                return f"a damaged line {line[:80]!r}"
            continue
        if match[1] in seen:
            return f"{match[1]} twice"
        seen[match[1]] = (float(match[2]) * 1e3, int(match[3]) if match[3] else None)
    for name, (us, count) in expected.items():
        if name not in seen:
            return f"no line {name!r}"
        told_us, told_count = seen[name]
        if abs(told_us - us) > _ROUNDING_US or told_count != count:
            counted = "" if count is None else f" in {count} runs"
            return f"{name} {us:g} us{counted}, which the closing block contradicts"
    return None


def read_memory(block: Sequence[str]) -> tuple[float | None, float | None]:
    """Reads the growth of the process's memory and its peak, in MB; None for what is not printed."""
    found = {match[1]: float(match[2]) for line in block if (match := _MEMORY.fullmatch(line))}
    return found.get("Overall footprint"), found.get("Peak memory")


def read_printed(texts: Sequence[str]) -> Printed:
    """Reads what else a launch printed, from all lines of its log."""
    found: dict[str, list[float]] = {name: [] for name in _ALONE}
    for text in texts:
        line = _SOURCE.sub("", text, count=1).rstrip()
        for name, form in _ALONE.items():
            match = re.fullmatch(form, line, re.ASCII)
            if match:
                found[name].append(float(match[1]))
    once = {name: values[0] if len(values) == 1 else None for name, values in found.items()}
    return Printed(**once)
