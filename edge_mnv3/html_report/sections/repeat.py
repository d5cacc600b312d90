"""Everything that is needed to repeat the run: commands, versions, hashes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from edge_mnv3.core.results.model_facts import InputFacts
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.html_report.blocks import Block, Commands, Section, Table, Text, columns, number, row
from edge_mnv3.html_report.gathered import FileCosts, Gathered
from edge_mnv3.html_report.sections.verdict import bench_command, diagnose_command, pair_options
from edge_mnv3.html_report.words import plain

KEY, TITLE = "repeat", "To repeat it"


def repeat(gathered: Gathered) -> Section:
    """Commands as the results tell them, the hashes of all files, the versions of all packages."""
    blocks: list[Block] = [
        Text(
            text="The commands are put together from what the results record. Options that none of them "
            "records, such as --labels, are not among them. Relative paths are relative to the folder in "
            "which the commands, or the run, were started."
        ),
        Commands(caption="Commands", lines=tuple(_commands(gathered))),
        _hashes(gathered),
    ]
    made = gathered.quantize
    if made is not None:
        versions = tuple(row(name, version) for name, version in sorted(made.versions.items()))
        titles = columns("Package", "Version")
        blocks.append(Table(caption="Versions that quantize ran with", columns=titles, rows=versions))
        rows = tuple(
            row(step.replace("_", " "), number(seconds, plain(seconds, 1)))
            for step, seconds in made.timings_s.items()
        )
        titles = columns("Step", "#Seconds")
        blocks.append(Table(caption="How long quantize took", columns=titles, rows=rows, folded=True))
    return Section(key=KEY, title=TITLE, blocks=tuple(blocks))


def _commands(gathered: Gathered) -> Iterator[str]:
    made = gathered.quantize
    if gathered.run_config is not None:
        yield shlex.join(["edge-mnv3", "run", str(gathered.run_config[0])])
    if made is not None:
        yield _quantize(made, str(_made_by(gathered)))
    for result in gathered.validations:
        yield _validate(gathered, result)
    for diagnosis in gathered.diagnoses:
        yield diagnose_command(gathered, diagnosis)
    if gathered.host:
        yield bench_command(gathered)
    for place, costs in enumerate(gathered.costs, 1):
        yield f"{_cost(costs)} --json > {_numbered('cost', place)}"
    for place, inspected in enumerate(gathered.inspections, 1):
        yield f"edge-mnv3 inspect {shlex.quote(inspected.path)} --json > {_numbered('inspect', place)}"


def _numbered(name: str, place: int) -> str:
    """A file for one of several results."""
    return f"{name}.json" if place == 1 else f"{name}_{place}.json"


def _made_by(gathered: Gathered) -> object:
    """The file whose manifest gives the same calibration images again."""
    for found in gathered.read:
        if isinstance(found.result, QuantizeResult):
            return found.path
    return "quantize.json"


def _quantize(made: QuantizeResult, manifest: str) -> str:
    words = ["edge-mnv3", "quantize"]
    if made.source is not None:
        words.append(made.source.path)
    if made.variant is not None:
        network = made.variant
        words += ["--variant", f"{network.size}{'_minimalistic' if network.minimalistic else ''}"]
        words += ["--alpha", f"{network.alpha:g}", "--input-size", str(network.input_size_px)]
        words += ["--classes", str(network.classes)]
        if not network.include_softmax:
            words.append("--no-softmax")
    if made.weights is not None:
        words += ["--weights", (made.weights.source == "file" and made.weights.path) or made.weights.source]
    words += _stated_range(made.model.input)
    words += ["--calibration", manifest, "--recipe", made.recipe, "--hard-swish", made.hard_swish]
    words += ["--io", made.io]
    words += ["--seed", str(made.calibration.seed)]
    if made.budget_percent is not None:  # without one, the target decides nothing
        words += ["--target", made.target, "--budget", f"{made.budget_percent:g}"]
    for path in made.statistics.paths if made.statistics else ():
        words += ["--statistics", path]
    return shlex.join([*map(str, words), "-o", "again"])


def _validate(gathered: Gathered, result: ValidateResult) -> str:
    options = ["--data", result.data, "--preprocess", result.preprocess]
    if result.float_.kernels == "builtin":
        options += ["--kernels", "builtin"]  # by itself only int8 files fall back to them
    if result.int8.class_offset:
        options += ["--class-offset", str(result.int8.class_offset)]
    if result.float_.input is not None:
        options += _stated_range(result.float_.input)
    if result.task_source == "stated" and result.outputs:
        options += ["--task", result.outputs[0].output.task]
    if result.gate is not None:
        options += ["--max-drop-points", f"{result.gate.max_drop_points:g}"]
    return f"edge-mnv3 validate {pair_options(gathered)} {shlex.join(options)} --json > validate.json"


def _cost(costs: FileCosts) -> str:
    counted = [cpu for file in costs.files for cpu in file.cpus]
    cpus, kernels = {cpu.cpu for cpu in counted}, {cpu.kernels for cpu in counted}
    words = [*(file.path for file in costs.files), "--cpu", cpus.pop() if len(cpus) == 1 else "all"]
    if kernels == {"builtin"}:
        words += ["--kernels", "builtin"]
    return f"edge-mnv3 cost {shlex.join(words)}"


def _stated_range(facts: InputFacts) -> list[str]:
    """The option, with all digits, where the user told the range and nothing else would."""
    if facts.range_source != "stated":
        return []
    means, stds = (",".join(map(repr, numbers)) for numbers in (facts.mean, facts.std))
    return [f"--input-range={means}/{stds}"]  # in one word, for a mean may begin with a minus


def _hashes(gathered: Gathered) -> Table:
    subject, made = gathered.subject, gathered.quantize
    rows = [
        row("float file", subject.float_path, subject.float_sha256),
        row("int8 file", subject.int8_path, subject.int8_sha256),
    ]
    if made is not None:
        if made.source is not None:
            rows.append(row("model", made.source.path, made.source.sha256))
        if made.weights is not None and made.weights.sha256 is not None:
            rows.append(row("weights", made.weights.path or made.weights.source, made.weights.sha256))
        rows.append(row("calibration", made.calibration.kind, made.calibration.sha256))
    if gathered.run_config is not None:
        path, sha256 = gathered.run_config
        rows.append(row("config of the run", str(path), sha256))
    rows += [row(found.command, str(found.path), found.sha256) for found in gathered.read]
    caption = "SHA-256 of everything that the page rests on"
    return Table(caption=caption, columns=columns("What", "File", "SHA-256"), rows=tuple(rows), wide=True)
