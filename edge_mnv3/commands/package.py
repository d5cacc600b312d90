"""`edge-mnv3 package`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edge_mnv3.commands.options import input_range_option, json_option, requests
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH, PATH_OR_WORD, Choice
from edge_mnv3.core.choices import DEFAULT_SCORE_TRANSFORMATION, SCORE_TRANSFORMATIONS, TASKS
from edge_mnv3.core.counts import count

if TYPE_CHECKING:
    from edge_mnv3.core.results.package import PackageResult
    from edge_mnv3.stages.package import PackageRequest


@click.command("package")
@click.argument("models", nargs=-1, required=True, type=PATH, metavar="MODEL.tflite|DIR...")
@click.option(
    "--labels",
    multiple=True,
    type=PATH_OR_WORD,
    metavar="PATH|NAME=PATH",
    help="Take labels from a text file, a name a line, or from the folder of class folders; for the output "
    "NAME of several; may be repeated.  [default: ImageNet's, for 1000 classes]",
)
@click.option(
    "--task",
    type=Choice(TASKS),
    help="Take the outputs for one class, one score, several labels, or features.  [default: as "
    "quantize.json or the last layer tells]",
)
@click.option(
    "--thresholds",
    type=PATH,
    metavar="FILE",
    help="Count a label as present above these scores, a line for each label.  "
    "[default: a probability of one half]",
)
@input_range_option
@click.option("--name", metavar="TEXT", help="Name the model, for people.  [default: the name of its file]")
@click.option(
    "--model-version",
    "version",
    default="1",
    show_default=True,
    metavar="TEXT",
    help="State the version of the model.",
)
@click.option("--description", default="", metavar="TEXT", help="Describe the model in a sentence.")
@click.option("--author", metavar="TEXT", help="State the author of the model.")
@click.option(
    "--license",
    metavar="TEXT",
    help="State the licence of the model.  [default: Apache-2.0 for the published weights]",
)
@click.option(
    "--validate",
    "validations",
    type=PATH,
    multiple=True,
    metavar="JSON",
    help="Include this result of edge-mnv3 validate --json; may be repeated.",
)
@click.option(
    "--bench",
    "benches",
    type=PATH,
    multiple=True,
    metavar="JSON",
    help="Include this result of edge-mnv3 bench --json, on phones or on this machine; may be repeated.",
)
@click.option(
    "--golden",
    type=PATH,
    metavar="PATH",
    help="Take the golden images from here; ten of them go into the bundle.  [default: synthetic ones]",
)
@click.option(
    "--score-calibration",
    type=PATH,
    metavar="FILE",
    help="Include these sigmoid parameters, a line for each class.",
)
@click.option(
    "--score-transformation",
    type=Choice(SCORE_TRANSFORMATIONS),
    default=DEFAULT_SCORE_TRANSFORMATION,
    show_default=True,
    help="Transform scores in this way before the sigmoid.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="PATH",
    help="Write the bundle here.  [default: the model's name + _bundle]",
)
@click.option(
    "--android-project",
    is_flag=True,
    help="Put a whole Android project into apps/android_project, with its own copy of the model.",
)
@click.option("--zip", "as_zip", is_flag=True, help="Write one zip in place of a folder.")
@click.option("--force", is_flag=True, help="Replace the output, and metadata that a model has already.")
@json_option
@requests("package.PackageRequest")
def command(request: PackageRequest, as_json: bool) -> None:
    """Make a bundle that Android and iOS apps can take as it is.

    It holds the models with metadata and labels inside, golden vectors, a model card, hashes of everything,
    and sources for apps. DIR is a folder of edge-mnv3 quantize: its int8 file is packaged. Packaging twice
    gives the same bytes.

    \b
    Examples:
      edge-mnv3 package out
      edge-mnv3 package out --validate validate.json --bench bench.json --zip
      edge-mnv3 package out --android-project
      edge-mnv3 package flowers_int8.tflite --labels photos/ \\
        --name "My flowers" --license MIT
    """
    from edge_mnv3.stages.package import package

    reporter = TerminalReporter()
    result = package(request, reporter)
    reporter.close()
    show(result, table, as_json=as_json)


def table(result: PackageResult) -> str:
    """Writes a result for people."""
    manifest = result.manifest
    rows = [("bundle", f"{result.path} ({result.size_bytes / 1e6:.2f} MB)"), ("sha256", result.sha256)]
    for model in manifest.models:
        given = " and ".join(sorted({output.tensor.dtype for output in model.outputs}))
        rows.append(("model", f"{model.file}, {model.input.dtype} in, {given} out"))
        rows += [
            (f"  output {output.name}", "" if output.facts is None else output.facts.words)
            for output in model.outputs
        ]
        rows += [(f"  {api}", answer) for api, answer in model.takes.items()]
        differing = sum(output.builtin.differing for output in model.outputs)
        values = sum(output.builtin.values for output in model.outputs)
        rows.append(
            ("  built-in kernels", f"{differing:,} of {values:,} golden values differ from XNNPACK's")
        )
    rows += [("labels", f"{labels.count:,}, from {labels.source}") for labels in manifest.labels]
    rows.append(("golden", f"{count(len(manifest.golden.files), 'image')}, {manifest.golden.source}"))
    rows.append(("verify with", f"edge-mnv3 verify {result.path}"))
    width = max(len(key) for key, _ in rows) + 2
    return "\n".join(f"{key:<{width}}{value}" for key, value in rows)
