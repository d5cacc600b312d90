"""Tables and texts of the documentation that come from code.

Refresh them with `cog -I tools -I tests -r README.md docs/*.md`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import structure
from click.testing import CliRunner

import edge_mnv3
from edge_mnv3.cli import COMMANDS, main
from edge_mnv3.core import published
from edge_mnv3.core.hard_swish_costs import read_form_costs
from edge_mnv3.core.imagenet import IMAGENET_CLASSES
from edge_mnv3.core.markdown import markdown_table
from edge_mnv3.core.results import bench as bench_results
from edge_mnv3.core.results import (
    bench_log,
    bench_report,
    bench_turns,
    calibration_statistics,
    model_facts,
    stated,
    validate_statistics,
)
from edge_mnv3.core.results import binaries as binary_results
from edge_mnv3.core.results import calibrate as calibrate_results
from edge_mnv3.core.results import cost as cost_results
from edge_mnv3.core.results import delegation as delegation_results
from edge_mnv3.core.results import demo as demo_results
from edge_mnv3.core.results import device as device_results
from edge_mnv3.core.results import diagnose as diagnose_results
from edge_mnv3.core.results import doctor as doctor_results
from edge_mnv3.core.results import images as image_results
from edge_mnv3.core.results import modelled as modelled_results
from edge_mnv3.core.results import models as model_results
from edge_mnv3.core.results import models_compared as compared_results
from edge_mnv3.core.results import package as package_results
from edge_mnv3.core.results import profile as profile_results
from edge_mnv3.core.results import quantize as quantize_results
from edge_mnv3.core.results import recipe as recipe_results
from edge_mnv3.core.results import report as report_results
from edge_mnv3.core.results import run as run_results
from edge_mnv3.core.results import stored as stored_results
from edge_mnv3.core.results import sustained as sustained_results
from edge_mnv3.core.results import sweep as sweep_results
from edge_mnv3.core.results import throttling as throttling_results
from edge_mnv3.core.results import trends as trend_results
from edge_mnv3.core.results import validate as validate_results
from edge_mnv3.core.results import verdicts as verdict_results
from edge_mnv3.core.results import verify as verify_results
from edge_mnv3.model import arch
from edge_mnv3.model.weights import PUBLISHED
from edge_mnv3.packaging.apis import TAKES
from edge_mnv3.stages.modelled import ModelledRequest, modelled
from edge_mnv3_calibration_data.preprocess import PREPROCESSES
from edge_mnv3_quantization.algorithms.weight_quantization import LARGEST_STEP
from edge_mnv3_quantization.diagnosis import causes
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES

DOCS = Path(__file__).parent.parent / "docs"
TOP_RESULTS = {
    "quantize": quantize_results.QuantizeResult,
    "calibrate": calibrate_results.CalibrateResult,
    "statistics": calibration_statistics.StatisticsResult,
    "validate": validate_results.ValidateResult,
    "sweep": sweep_results.SweepResult,
    "sweep --dry-run": sweep_results.SweepPlan,
    "results list": stored_results.StoredResults,
    "results compare": compared_results.ModelsCompared,
    "doctor": doctor_results.DoctorResult,
    "diagnose": diagnose_results.DiagnoseResult,
    "inspect": model_results.InspectResult,
    "bench --host": bench_results.HostBenchResult,
    "bench --host of several files": bench_turns.HostTurnsResult,
    "bench --device": bench_report.DeviceBenchReport,
    "bench --log": bench_log.BenchLogResult,
    "reproduce": verdict_results.ReproduceResult,
    "reproduce --modelled": modelled_results.ModelledResult,
    "compare": verdict_results.CompareResult,
    "history": trend_results.TrendsResult,
    "cost": cost_results.CostResult,
    "benchmark-binary list": binary_results.BinaryLock,
    "package": package_results.PackageResult,
    "verify": verify_results.VerifyResult,
    "build": model_results.BuildResult,
    "published": published.Published,
    "demo": demo_results.DemoResult,
    "report": report_results.ReportResult,
    "run": run_results.RunResult,
}
RESULT_MODULES = (
    model_results,
    model_facts,
    image_results,
    calibrate_results,
    calibration_statistics,
    quantize_results,
    recipe_results,
    validate_results,
    validate_statistics,
    sweep_results,
    stored_results,
    compared_results,
    doctor_results,
    diagnose_results,
    bench_log,
    bench_report,
    bench_turns,
    bench_results,
    delegation_results,
    device_results,
    profile_results,
    throttling_results,
    sustained_results,
    verdict_results,
    cost_results,
    modelled_results,
    trend_results,
    binary_results,
    report_results,
    run_results,
    stated,
    package_results,
    verify_results,
    demo_results,
    published,
)


# Counted by `structure.py --root` on the release before the layers became folders.
STRUCTURE_OF_0_1_0 = (122, 552, 374, 0)


def structure_counts() -> str:
    """Rooms, the imports between them, those that run uphill, and cycles: then and now."""
    now = structure.measure()
    counts = (
        len(now.lines),
        sum(map(len, now.arrows.values())),
        len(now.uphill),
        len(now.room_cycles) + len(now.module_cycles),
    )
    rows = [
        (name, *map(str, numbers))
        for name, numbers in (("release 0.1.0", STRUCTURE_OF_0_1_0), ("now", counts))
    ]
    return markdown_table(("", "rooms", "imports between rooms", "uphill", "cycles"), rows)


def variants() -> str:
    """Table of the variants with their sizes."""
    narrow = {f"{name} --alpha 0.75": v._replace(alpha=0.75) for name, v in arch.VARIANTS.items() if v[1]}
    rows = []
    for name, variant in (arch.VARIANTS | narrow).items():
        layers = arch.weighted_layers(
            arch.expand(variant), classes=IMAGENET_CLASSES, input_size=arch.DEFAULT_INPUT_SIZE
        )
        rows.append(
            (
                f"`{name}`",
                f"{arch.count_parameters(layers):,}",
                f"{arch.count_multiply_adds(layers) / 1e6:.1f} M",
                "yes" if (variant, True) in PUBLISHED else "no",
            )
        )
    return markdown_table(("`--variant`", "parameters", "multiply-adds", "published weights"), rows)


def weight_files() -> str:
    """Table of the published weight files."""
    files = {variant: [PUBLISHED[variant, top].name for top in (True, False)] for variant, _ in PUBLISHED}
    rows = [(variant.name, *(f"`{name}`" for name in names)) for variant, names in files.items()]
    return markdown_table(("network", "with classifier", "without"), rows)


def recipes() -> str:
    """Table of the quantization recipes."""
    rows = [
        (f"`{name}`{' (default)' * (name == DEFAULT_RECIPE)}", RECIPES[name].description)
        for name in sorted(RECIPES)
    ]
    return markdown_table(("`--recipe`", "what"), rows)


def preprocesses() -> str:
    """Table of the ways to preprocess."""
    rows = [(f"`{name}`", entry.description) for name, entry in PREPROCESSES.items()]
    return markdown_table(("`--preprocess`", "what"), rows)


def mobile_apis() -> str:
    """Table of what each mobile API says to each input type."""
    names = list(TAKES["uint8"])
    rows = [(name, *(TAKES[dtype][name] for dtype in TAKES)) for name in names]
    return markdown_table(("", *TAKES), rows)


def diagnosis_rules() -> str:
    """Table of the causes with their thresholds."""
    tail = f"{causes.TAIL_PERCENT} % on each side"
    rows = (
        ("`xnnpack_ratio`", "the scales around its operator have a ratio that XNNPACK refuses"),
        (
            "`too_narrow`, `clipping`",
            f"numbers beyond the range make more than {100 * causes.TOO_NARROW_SHARE:.0f} %, or "
            f"{100 * causes.CLIPPED_SHARE:.0f} %, of its squared error",
        ),
        (
            "`channel_imbalance`",
            f"without their outer {tail}, the numbers of {causes.IMBALANCE_PERCENTILE} % of the channels "
            f"span fewer than {causes.IMBALANCE_STEPS} of {causes.STEP_COUNT} steps, and another channel's "
            f"more than {causes.IMBALANCE_RATIO:g} times as many",
        ),
        (
            "`outlier_range`",
            f"the range is {causes.OUTLIER_RATIO:g} times what all channels need without their outer {tail}",
        ),
        (
            "`below_minus_3`",
            f"numbers below -3 in front of a hard-swish take {100 * causes.BELOW_SHARE:.0f} % of the range",
        ),
        (
            "`dead_channels`",
            "channels are constant over the images, or their weights are all 0 in int8; alone it counts from "
            f"{100 * causes.DEAD_SHARE:.0f} % of the channels on",
        ),
        (
            "`saturated_bias`",
            "a bias is at 2^30, half of what int32 holds: the channel's weights got coarser steps for it",
        ),
        (
            "`uneven_rows`",
            "half of the output channels' median weight lies within "
            f"{causes.UNEVEN_ROW_STEPS} of {LARGEST_STEP} steps",
        ),
        ("`rounding`", "none of these: what 8 bits cost"),
    )
    return markdown_table(("cause", "when"), rows)


def command_helps() -> str:
    """The `--help` of every command."""
    sections = []
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        below = list(command.commands) if isinstance(command, click.Group) else []
        helps = [_help(name), *(_help(name, one) for one in below)]
        sections.append(f"## {name}\n\n```\n{chr(10).join(helps)}```\n")
    return "\n".join(sections)


def _help(*words: str) -> str:
    shown = CliRunner().invoke(main, [*words, "--help"], prog_name="edge-mnv3", terminal_width=100)
    return f"{shown.output.strip()}\n"


def python_names() -> str:
    """Every public name, for mkdocstrings: by kind, and requests after the function that takes them."""
    names = [name for name in edge_mnv3.__all__ if not name.startswith("_")]
    values = {name: getattr(edge_mnv3, name) for name in names}
    errors = [name for name in names if inspect.isclass(values[name]) and issubclass(values[name], Exception)]
    results = [name for name in names if name in {kind.__name__ for kind in TOP_RESULTS.values()}]
    kinds = {
        "Functions": [name for name in names if inspect.isfunction(values[name])],
        "Requests": [name for name in names if name.endswith("Request")],
        "Results": results,
        "Errors": errors,
    }
    others = [name for name in names if all(name not in each for each in kinds.values())]
    kinds["Constants"] = [name for name in others if name.isupper()]
    kinds["Other classes"] = [name for name in others if not name.isupper()]
    return "\n\n".join(
        "\n\n".join((f"## {title}", *(f"::: edge_mnv3.{name}" for name in each)))
        for title, each in kinds.items()
    )


def table_of(page: str, heading: str) -> str:
    """The first table under a heading of another page."""
    _, found, text = (DOCS / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    table = re.search(r"^\|.*?\|\n(?!\|)", text.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    if not found or table is None:
        raise ValueError(f"{page}: no table under {heading!r}")
    return table[0].rstrip()


def faults() -> str:
    """Table of what goes wrong with phones, and what the tool does: the rows that the tests run."""
    from device.board_faults import BOARD_FAULTS
    from device.faults import FAULTS

    rows = []
    for kind in dict.fromkeys(fault.kind for fault in FAULTS):
        rows.append((f"**{kind}**", "", ""))
        for fault in FAULTS:
            if fault.kind == kind:
                rows.append((fault.what, str(fault.code), f"…{fault.says}…" if fault.says else "the figure"))
    rows.append(("**Boards over ssh**", "", ""))
    rows += [(fault.what, str(fault.code), f"…{fault.says}…") for fault in BOARD_FAULTS]
    return markdown_table(("what happens", "exit code", "what is said"), rows)


def modelled_errors() -> str:
    """How well each measure of cost follows published latencies."""
    rows = []
    for phone in modelled(ModelledRequest()).phones:
        head = f"{phone.phone}, {phone.source}, {phone.kernels}, as {phone.processor}"
        errors = {each.measure: each for each in phone.errors}
        numbers = sum(row.precision == "float" for row in phone.rows)
        figures = [
            f"{each.mean_error_percent:.1f} / {each.worst_error_percent:.1f}" for each in errors.values()
        ]
        best = errors["cycles_high"]
        left_out = "" if best.left_out_mean_percent is None else f"{best.left_out_mean_percent:.1f}"
        int8 = [f"{row.error_percent:+.1f}" for row in phone.rows if row.precision == "int8"]
        swapped = f"{best.swapped_pairs} of {best.pairs}"
        rows.append((head, str(numbers), *figures, left_out, ", ".join(int8), swapped))
    measures = ("multiply-adds", "instructions", "cycles alone", "cycles and second cache")
    heads = (
        "phone, source, kernels, core",
        "float rows",
        *measures,
        "left out",
        "int8 rows",
        "swapped pairs",
    )
    return markdown_table(heads, rows)


def hard_swish_forms() -> str:
    """What each form of an int8 hard-swish costs on each processor."""
    rows = []
    for (form, cpu), cost in read_form_costs().items():
        each, element, pixel = cost.cycles_each, cost.cycles_per_element, cost.cycles_per_pixel
        low, high = cost.cycles(112, 112, 16)
        shown = f"{low / 1000:.0f} to {high / 1000:.0f}"
        figures = (f"{each:.0f}", f"{element + 0.0:.2f}", f"{pixel + 0.0:.1f}")
        rows.append((f"`{form}`", f"`{cpu}`", *figures, shown))
    heads = ("form", "core", "each operator", "each element", "each pixel", "thousand cycles at 112x112x16")
    return markdown_table(heads, rows)


def result_tables() -> str:
    """The keys of every result, and of its parts."""
    kinds: dict[str, Any] = {}
    for module in RESULT_MODULES:
        kinds |= _dataclasses(module)
    sections = [_section(f"## `{command}`", kind, kinds) for command, kind in TOP_RESULTS.items()]
    parts = [kind for kind in kinds.values() if kind not in TOP_RESULTS.values()]
    sections.append("## Parts\n")
    sections += [_section(f"### {kind.__name__}", kind, kinds) for kind in parts]
    return "\n".join(sections)


def _dataclasses(module: ModuleType) -> dict[str, Any]:
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
    }


def _section(heading: str, kind: Any, kinds: dict[str, Any]) -> str:
    anchors = {top.__name__: command.replace(" ", "-") for command, top in TOP_RESULTS.items()}
    notes = attribute_notes(kind.__doc__)
    rows = []
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        shown = re.sub(r"tuple\[(.*), \.\.\.\]", r"list of \1", str(field.type)).replace(" | ", " or ")
        if typing.get_origin(hints[field.name]) is typing.Literal:
            shown = "str"
        for name in set(re.findall(r"\w+", shown)) & kinds.keys():
            shown = re.sub(rf"\b{name}\b", f"[{name}](#{anchors.get(name, name).lower()})", shown)
        rows.append((f"`{field.name.rstrip('_')}`", shown, notes.get(field.name, "")))
    return f"{heading}\n\n{kind.__doc__.splitlines()[0]}\n\n{markdown_table(('key', 'type', ''), rows)}\n"


def attribute_notes(docstring: str) -> dict[str, str]:
    """The part `Attributes:` of a docstring, by name."""
    notes: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Attributes:")[2].splitlines():
        begins = re.match(r" {8}(\w+): (.*)", line)
        if begins:
            name = begins[1]
            notes[name] = begins[2]
        elif line.strip():
            notes[name] += f" {line.strip()}"
    return notes
