"""What a phone's budget buys: accuracy and modelled cost on Arm of int8 files with each budget.

    python benchmarks/arm_forms.py --variant small --weights W.h5 --calibration calibration.csv \
        --budgets 0,5,10,15 --data val.csv --folder front

Quantizes one network without a budget, with `--hard-swish fused`, and with each target and budget. Compares
the logits with float's on other images (`--held-out`, or calibration images that none of the files was made
from), with a bootstrap that is paired with the file without a budget, and models each file's cycles on each
core, relative to `fused`. It needs what `edge-mnv3 cost` needs, with llvm-mca. Prints a Markdown table, or
JSON. What was made stays in the folder, so that a second run only measures; other networks, images or recipes
want another folder.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.core.choices import DEFAULT_PREPROCESS, HardSwishPolicy, PreprocessName, Target
from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.outputs import write_text
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.result_files import read_quantize_result
from edge_mnv3.core.results.cost import CPUS, ProcessorCost
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.sweep import HeldOutFigures
from edge_mnv3.core.tflite.output_facts import read_outputs
from edge_mnv3.core.versions import versions
from edge_mnv3.model.arch import parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.cost import CostRequest, cost
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3.stages.sweep_images import SweepImages
from edge_mnv3.stages.sweep_request import SweepRequest
from edge_mnv3.stages.validate import ValidateRequest, validate
from edge_mnv3_calibration_data.preprocess import PREPROCESSES
from edge_mnv3_quantization.exploring.held_out import Runs, held_out_figures, logits_of
from edge_mnv3_quantization.exploring.told_apart import snr_difference

BASELINE, REFERENCE = "no budget", "fused"
_MADE = "made.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One file: how it is quantized."""

    name: str
    hard_swish: HardSwishPolicy = "auto"
    target: Target = "x86"
    budget_percent: float | None = None

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file as it was measured.

    Attributes:
        snr_db: Signal to noise of the logits on held-out images.
        gain_db: By how much that is more than without a budget, as the mean of a paired bootstrap.
        gain_ci95_db: Its 95 % interval; None for the file without a budget.
        cost: Modelled cycles with the second cache by core, as a share of those of `fused`.
        cost_low: The same without the second cache.
        top1_percent: On labelled images; None without.
        labelled_agreement_percent: On labelled images; None without.
    """

    name: str
    sha256: str
    snr_db: float | None
    gain_db: float | None
    gain_ci95_db: tuple[float, float] | None
    agreement_percent: float | None
    cost: Mapping[str, float]
    cost_low: Mapping[str, float]
    top1_percent: float | None
    labelled_agreement_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command's options."""

    variant: str
    weights: str
    calibration: str
    held_out: str | None
    data: str | None
    preprocess: PreprocessName
    recipe: str
    targets: str
    budgets: str
    cpus: str
    samples: int
    seed: int
    input_size: int | None
    folder: Path
    as_json: bool

    def cases(self) -> list[Case]:
        """The files, the two that others are compared with first."""
        return [
            Case(name=BASELINE),
            Case(name=REFERENCE, hard_swish="fused"),
            *(
                Case(name=f"{target} {budget:g}", target=target, budget_percent=budget)
                for target in listed(self.targets, "--targets", ("phone", "x86"))
                for budget in numbers(self.budgets)
            ),
        ]

    def request(self, case: Case) -> QuantizeRequest:
        """What makes a file."""
        graph = GraphRequest(
            variant=parse_variant(self.variant), input_size_px=self.input_size, weights=self.weights
        )
        return QuantizeRequest(
            graph=graph,
            calibration=self.calibration,
            samples=self.samples,
            seed=self.seed,
            preprocess=self.preprocess,
            recipe=self.recipe,
            hard_swish=case.hard_swish,
            target=case.target,
            budget_percent=case.budget_percent,
            output_dir=self.folder / case.folder,
            force=True,
        )

    def images(self) -> SweepImages:
        """The images that no file is made from."""
        request = SweepRequest(
            variants=(self.variant,),
            weights=self.weights,
            calibration=self.calibration,
            samples=self.samples,
            seeds=(self.seed,),
            preprocess=self.preprocess,
            held_out=self.held_out,
        )
        return SweepImages(request, compares=True)


def listed(text: str, option: str, known: Sequence[str]) -> list[Any]:
    """Reads names that are divided by commas."""
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in known:
            raise click.BadParameter(f"got '{name}', expected some of {', '.join(known)}", param_hint=option)
    return names


def numbers(text: str) -> list[float]:
    """Reads budgets that are divided by commas."""
    try:
        return [float(one) for one in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"got '{text}', expected numbers such as 0,5,10", param_hint="--budgets"
        ) from error


def identity(arguments: Arguments, case: Case) -> str:
    """Tells a file's request from others."""
    names = ("variant", "weights", "calibration", "preprocess", "recipe", "samples", "seed", "input_size")
    asked = {name: getattr(arguments, name) for name in names}
    return json.dumps({**asked, **dataclasses.asdict(case), "versions": versions()}, indent=2)


def made(arguments: Arguments, case: Case, reporter: TerminalReporter) -> QuantizeResult:
    """Makes a file, unless it is in its folder already."""
    folder, asked = arguments.folder / case.folder, identity(arguments, case)
    note = folder / _MADE
    if note.is_file():
        if note.read_text(encoding="utf-8") != asked:
            raise click.ClickException(f"{folder}: got a file of another request, expected an empty folder")
        return read_quantize_result(folder / "quantize.json")
    reporter.step(f"quantizing, {case.name}")
    result = quantize(arguments.request(case), SILENT)
    write_text(note, asked, force=True)
    return result


def files(arguments: Arguments, case: Case, result: QuantizeResult) -> tuple[Path, Path]:
    """The float and the int8 file of a case."""
    folder = arguments.folder / case.folder
    return folder / Path(result.float_path).name, folder / Path(result.int8_path).name


def held_out(arguments: Arguments, results: Mapping[Case, QuantizeResult]) -> dict[Case, HeldOutFigures]:
    """Compares each file's logits with float's."""
    image = next(iter(results.values())).model.input
    shape = ImageShape(height_px=image.height_px, width_px=image.width_px, channels=image.channels)
    pixels = arguments.images().held_out_pixels(shape)
    figures = {}
    for case, result in results.items():
        float_path, int8_path = files(arguments, case, result)
        wanted, got = (logits_of(path.read_bytes(), pixels, Runs()) for path in (float_path, int8_path))
        figures[case] = held_out_figures(wanted, got, read_outputs(float_path), "xnnpack")
    return figures


def costs(
    paths: Mapping[Case, Path], cpus: Sequence[str], reporter: TerminalReporter
) -> dict[Case, dict[str, ProcessorCost]]:
    """Models each file's cycles."""
    reporter.step(f"counting {len(paths)} files on {', '.join(cpus)}")
    counted = cost(CostRequest(files=tuple(paths.values()), cpus=tuple(cpus)), SILENT)
    if counted.cycle_model is None:
        raise click.ClickException("llvm-mca of LLVM 19 is needed: see docs/cost.md")
    return {
        case: {each.cpu: each for each in of_file.cpus}
        for case, of_file in zip(paths, counted.files, strict=True)
    }


def shares(
    of_file: Mapping[str, ProcessorCost], of_reference: Mapping[str, ProcessorCost], end: str
) -> dict[str, float]:
    """One end of the modelled cycles as a share of the reference's, by core."""
    return {
        cpu: round(getattr(each.cycles, end) / getattr(of_reference[cpu].cycles, end), 4)
        for cpu, each in of_file.items()
    }


def labelled(arguments: Arguments, float_path: Path, int8_path: Path) -> tuple[float | None, float | None]:
    """Top-1 and agreement on labelled images, if there are any."""
    if arguments.data is None:
        return None, None
    request = ValidateRequest(
        float_path=float_path, int8_path=int8_path, data=arguments.data, preprocess=arguments.preprocess
    )
    found = validate(request, SILENT).figures
    if found is None:
        raise click.ClickException(f"{arguments.data}: no images with classes")
    return found.int8_top1_percent, found.agreement_percent


def rows(arguments: Arguments, reporter: TerminalReporter) -> list[Row]:
    """Makes and measures all files."""
    cpus = listed(arguments.cpus, "--cpus", CPUS)
    cases = arguments.cases()
    results = {case: made(arguments, case, reporter) for case in cases}
    reporter.step("comparing logits on held-out images")
    figures = held_out(arguments, results)
    counted = costs({case: files(arguments, case, results[case])[1] for case in cases}, cpus, reporter)
    baseline, reference = cases[:2]
    measured = []
    for case in cases:
        noise = [np.array([figures[one].noise]) for one in (case, baseline)]
        gain = None if case == baseline else snr_difference(*noise)
        top1_percent, agreement_percent = labelled(arguments, *files(arguments, case, results[case]))
        measured.append(
            Row(
                name=case.name,
                sha256=results[case].int8_sha256,
                snr_db=figures[case].snr_db,
                gain_db=gain and round(gain.mean, 3),
                gain_ci95_db=gain and (round(gain.low, 3), round(gain.high, 3)),
                agreement_percent=figures[case].agreement_percent,
                cost=shares(counted[case], counted[reference], "high"),
                cost_low=shares(counted[case], counted[reference], "low"),
                top1_percent=top1_percent,
                labelled_agreement_percent=agreement_percent,
            )
        )
    return measured


def table(measured: Sequence[Row]) -> str:
    """Writes the rows as Markdown."""
    cpus = list(measured[0].cost)
    with_labels = measured[0].top1_percent is not None
    titles = ["file", "dB", "against no budget, dB", "agreement %"]
    titles += ["top-1 %, labelled", "agreement %, labelled"] if with_labels else []
    titles += [f"cost, {cpu.upper()}" for cpu in cpus]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for row in measured:
        cells = [row.name, shown(row.snr_db, 2), _gain(row), shown(row.agreement_percent, 1)]
        if with_labels:
            cells += [shown(row.top1_percent, 1), shown(row.labelled_agreement_percent, 1)]
        cells += [shown(row.cost[cpu], 3) for cpu in cpus]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _gain(row: Row) -> str:
    if row.gain_db is None or row.gain_ci95_db is None:
        return ""
    low, high = row.gain_ci95_db
    return f"{row.gain_db:+.2f} ± {(high - low) / 2:.2f}"


def shown(number: float | None, digits: int) -> str:
    """A figure, or nothing."""
    return "" if number is None else f"{number:.{digits}f}"


@click.command()
@click.option("--variant", required=True)
@click.option("--weights", required=True, help="A weights file.")
@click.option("--calibration", required=True, help="Images, of which those that are left are held out.")
@click.option("--held-out", help="Other images, in place of those.")
@click.option("--data", help="Labelled images, for top-1 and agreement.")
@click.option(
    "--preprocess", default=DEFAULT_PREPROCESS, show_default=True, type=click.Choice(tuple(PREPROCESSES))
)
@click.option("--recipe", default="accurate", show_default=True, type=click.Choice(["accurate", "fast"]))
@click.option("--targets", default="phone", show_default=True, help="phone, x86, or both.")
@click.option("--budgets", default="0,5,10,15", show_default=True, help="Percent of modelled cost.")
@click.option("--cpus", default="a73,a76", show_default=True, help=f"Some of {', '.join(CPUS)}.")
@click.option("--samples", default=200, show_default=True, help="Calibration images of each file.")
@click.option("--seed", default=0, show_default=True)
@click.option("--input-size", type=click.IntRange(min=32), help="Rows and columns of the input.")
@click.option("--folder", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(**options: Any) -> None:
    """Prints what each budget buys."""
    arguments = Arguments(**options)
    reporter = TerminalReporter()
    try:
        measured = rows(arguments, reporter)
    except EdgeMnv3Error as error:
        raise click.ClickException(str(error)) from error
    finally:
        reporter.close()
    result = {"versions": versions(), "rows": [dataclasses.asdict(row) for row in measured]}
    write_text(arguments.folder / "arm_forms.json", json.dumps(result, indent=2) + "\n", force=True)
    click.echo(json.dumps(result, indent=2) if arguments.as_json else table(measured))


if __name__ == "__main__":
    main()
