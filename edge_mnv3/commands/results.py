"""`edge-mnv3 results`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_mnv3.commands import results_compare
from edge_mnv3.commands.options import force_option, json_option
from edge_mnv3.commands.showing import say, show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.counts import count

if TYPE_CHECKING:
    from edge_mnv3.core.results.stored import StoredResults

_KEY_SHOWN = 12
store_option = click.option(
    "--store",
    type=PATH,
    metavar="DIR",
    help="Folder of the store.  [default: results in the cache folder]",
)


@click.group("results")
def command() -> None:
    """Show, compare, export and remove what validate has kept of images.

    \b
    Examples:
      edge-mnv3 results list
      edge-mnv3 results compare old_int8.tflite new_int8.tflite
      edge-mnv3 results export 3f0c -o images.csv
      edge-mnv3 results prune --unused-days 90
    """


@command.command("list")
@store_option
@json_option
def list_(store: Path | None, as_json: bool) -> None:
    """List the evaluations in the store."""
    from edge_mnv3.stages.results import stored_results

    reporter = TerminalReporter()
    result = stored_results(store, reporter)
    reporter.close()
    show(result, table, as_json=as_json)


command.add_command(results_compare.command)


@command.command("export")
@click.argument("key")
@click.option(
    "-o",
    "--output",
    required=True,
    type=PATH,
    metavar="FILE.csv|.json",
    help="Write the records there, a row an image.",
)
@store_option
@force_option
def export(key: str, output: Path, store: Path | None, force: bool) -> None:
    """Write the records of the evaluation KEY.

    KEY may be the beginning of one.
    """
    from edge_mnv3.stages.results import exported_results

    reporter = TerminalReporter()
    images = exported_results(key, output, store=store, force=force, reporter=reporter)
    reporter.close()
    say(f"{count(images, 'image')} in {output}")


@command.command("prune")
@click.argument("keys", nargs=-1)
@click.option(
    "--unused-days",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Remove evaluations that were not used for N days; 0 for all.",
)
@store_option
def prune(keys: tuple[str, ...], unused_days: float | None, store: Path | None) -> None:
    """Remove evaluations: KEYS, or long unused ones."""
    from edge_mnv3.stages.results import pruned_results

    if not keys and unused_days is None:
        raise click.UsageError("name evaluations, or give --unused-days")
    reporter = TerminalReporter()
    result = pruned_results(unused_days=unused_days, keys=keys, store=store, reporter=reporter)
    reporter.close()
    say(table(result))


def table(result: StoredResults) -> str:
    """Writes what a store holds for people."""
    lines = [f"{result.folder}: {result.size_bytes / 1e6:.1f} MB"]
    for each in result.evaluations:
        lines.append(
            f"{each.key[:_KEY_SHOWN]}  {count(each.images, 'image'):>16}  {each.used[:16]}  "
            f"{each.preprocess}  {each.purpose}"
        )
        lines += [f"    {Path(model.file).name} ({model.kernels})" for model in each.models]
    return "\n".join(lines)
