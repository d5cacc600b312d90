"""`edge-mnv3 results compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands import validate_statistics
from edge_mnv3.commands.list_type import list_of
from edge_mnv3.commands.options import json_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD, Choice
from edge_mnv3.core.counts import count, rounded
from edge_mnv3.core.results.models_compared import CONDITIONS

if TYPE_CHECKING:
    from edge_mnv3.core.results.models_compared import ComparedModel, ModelsCompared
    from edge_mnv3.stages.results_compare import ResultsCompareRequest

_SHA_SHOWN = 12


@click.command("compare")
@click.argument("a", type=PATH_OR_WORD)
@click.argument("b", type=PATH_OR_WORD)
@click.option(
    "--data",
    type=PATH_OR_WORD,
    metavar="CSV|DIR|URL|digits",
    help="Take evaluations of these images only, as validate was given them.",
)
@click.option(
    "--evaluation",
    "evaluations",
    multiple=True,
    metavar="KEY",
    help="Take the evaluation of this key, or the beginning of one, only; may be repeated.",
)
@click.option(
    "--across",
    metavar="NAME,...",
    callback=list_of(Choice(CONDITIONS)),
    help=f"Compare although these differ. NAME: {', '.join(CONDITIONS)}.",
)
@click.option(
    "--store",
    type=PATH,
    metavar="DIR",
    help="Folder of the store.  [default: results in the cache folder]",
)
@click.option("--details", is_flag=True, help="Also list classes, wrong answers and images that changed.")
@json_option
@requests("results_compare.ResultsCompareRequest")
def command(request: ResultsCompareRequest, details: bool, as_json: bool) -> None:
    """Compare the models A and B by what validate kept of them.

    A and B are .tflite files, or the beginnings of their SHA-256. Images are joined by what they hold.
    Nothing is run, and neither images nor files need be there any more.

    \b
    Examples:
      edge-mnv3 results compare old_int8.tflite new_int8.tflite
      edge-mnv3 results compare 3f0c91 77ab02 --data val.csv --details
    """
    from edge_mnv3.stages.results_compare import compare_results

    reporter = TerminalReporter()
    result = compare_results(request, reporter)
    reporter.close()
    show(result, lambda shown: table(shown, details=details), as_json=as_json)


def table(result: ModelsCompared, *, details: bool = False) -> str:
    """Writes a comparison for people, with or without the lists of what changed."""
    lines = [*_model("A", result.a), *_model("B", result.b)]
    if result.difference is not None:
        found = result.difference
        ends = (found.top1_points, *found.ci95_points, *found.bootstrap_ci95_points)
        points, low, high, again_low, again_high = (rounded(end, 2) for end in ends)
        lines += [
            f"difference {points:+.2f} points of top-1, B less A; 95 % interval {low:+.2f} to "
            f"{high:+.2f}, by bootstrap {again_low:+.2f} to {again_high:+.2f}",
            f"{found.test.lost} lost, {found.test.won} won",
        ]
    lines.append(
        f"agreement {result.agreement.percent:.2f} %, {validate_statistics.interval(result.agreement)}"
    )
    names = ("A", "B")
    lines += validate_statistics.of_parts(
        None if result.difference is None else result.difference.test,
        result.n,
        result.class_tests,
        result.confidence,
        names,
    )
    if details:
        lines += validate_statistics.details_of_parts(
            result.class_tests, result.confusions, result.confidence, names
        )
    lines.append(f"{count(result.n, 'image')} of both")
    return "\n".join(lines)


def _model(name: str, model: ComparedModel) -> list[str]:
    file = f"{Path(model.file).name} ({model.sha256[:_SHA_SHOWN]}, {model.kernels}, {model.preprocess})"
    lines = [f"{name}  {file}, on {count(model.images, 'image')} of {model.data}"]
    for words, share in (("top-1", model.top1), ("top-5", model.top5)):
        if share is not None:
            lines.append(f"   {words} {share.percent:.2f} %, {validate_statistics.interval(share)}")
    return lines
