"""What each step of the recipe `accurate` is worth: int8 files made step by step, then compared with float.

    python benchmarks/ablation.py --variant small --weights W.h5 --calibration calibration.csv --data val.csv

Prints a Markdown table: top-1, agreement with the float file and signal to noise of the logits, under XNNPACK
and under the built-in kernels. `-o DIR` keeps the files, for `latency.py`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import KERNELS, HardSwishPolicy, Kernels, PreprocessName
from edge_mnv3.core.images import SampleRequest
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.model.arch import parse_variant
from edge_mnv3.model.graphs import GraphRequest, build_graph, resolve_graph
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.algorithms.ranges import choose_ranges
from edge_mnv3_quantization.algorithms.sensitivity import Sensitivity, Tail
from edge_mnv3_quantization.calibration.activations import ChannelStatistics, Images
from edge_mnv3_quantization.calibration.statistics import collect, observed_network
from edge_mnv3_quantization.convert import convert_float
from edge_mnv3_quantization.diagnosis.signal_noise import decibels
from edge_mnv3_quantization.graph.network import Array
from edge_mnv3_quantization.graph.rewrites import centre_input
from edge_mnv3_quantization.graph.scale_sharing import rescale
from edge_mnv3_quantization.graph.writer import write_int8
from edge_mnv3_quantization.options import QuantizationOptions
from edge_mnv3_quantization.recipes.candidates import Candidate, best_candidate, candidate, round_to_nearest
from edge_mnv3_quantization.recipes.config import RECIPES
from edge_mnv3_quantization.recipes.inputs import QuantizationInputs
from edge_mnv3_quantization.recipes.plan import measured_plan
from edge_mnv3_quantization.recipes.quantize import quantize
from edge_mnv3_quantization.recipes.work import Work

PREPROCESS: PreprocessName = "slim"
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file under one kind of kernels; None where it does not load."""

    step: str
    kernels: Kernels
    top1_percent: float | None
    agreement_percent: float | None
    logits_snr_db: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """The classes (images,) and logits (images, classes) of one file."""

    classes: npt.NDArray[np.int64]
    logits: Array


def files(float_model: bytes, images: Images, seed: int) -> Iterator[tuple[str, bytes]]:
    """Makes the int8 files one by one, each with the name of its step."""
    accurate, fast = RECIPES["accurate"], RECIPES["fast"]
    yield "stock", quantize(float_model, images, RECIPES["stock"]).model
    observed = observed_network(float_model)
    statistics = collect(observed, images)
    inputs = QuantizationInputs(
        float_model=float_model,
        images=images,
        config=dataclasses.replace(accurate, clipping=1.0),  # for weights that are not refitted
        options=QuantizationOptions(hard_swish="lowered", seed=seed),
        statistics=statistics,
        reporter=SILENT,
    )
    plan = measured_plan(inputs, observed, Work({}, SILENT))
    seen = statistics.by_value(observed)
    reference = rescale(plan.lowered, {})
    ranges = choose_ranges(reference, {value: _whole(seen[value]) for value in plan.sensitivities})
    rewritten = Candidate(0.0, {}, {}, centre_input(reference, ranges[reference.input]), ranges)
    yield "rewritten, ranges from min to max", _written(rewritten)
    yield "+ ranges by measured cost", _written(candidate(plan._replace(scales={}), 1.0))
    compared = images[: fast.measured_images]
    equalized, _ = best_candidate(plan, accurate.equalization_exponents, compared, round_to_nearest)
    yield "+ equalization scales", _written(equalized)
    forms: Mapping[str, HardSwishPolicy] = {
        "+ weights refitted: `accurate`, `--hard-swish lowered`": "lowered",
        "`accurate`": "auto",
        "`accurate`, `--hard-swish fused`": "fused",
    }
    for name, form in forms.items():
        options = QuantizationOptions(hard_swish=form, seed=seed)
        yield name, quantize(float_model, images, accurate, options=options, statistics=statistics).model
    options = QuantizationOptions(seed=seed)
    yield "`fast`", quantize(float_model, images, fast, options=options, statistics=statistics).model


def _whole(seen: ChannelStatistics) -> Sensitivity:
    """A cost of clipping anything and none of rounding: its best range holds every number that was seen."""

    def tail(outermost: Array) -> Tail:
        count = len(outermost)
        return Tail(
            unit=np.maximum(outermost, _TINY),
            ends=np.array([0.0, 1.0]),
            costs=np.stack([np.ones(count), np.zeros(count)], axis=1),
        )

    return Sensitivity(rounding=np.zeros(len(seen.high)), high=tail(seen.high), low=tail(-seen.low))


def _written(chosen: Candidate) -> bytes:
    return write_int8(chosen.network, chosen.quantizations, round_to_nearest(chosen), io="uint8")


def answers(content: bytes, images: Images, kernels: Kernels) -> _Answers | None:
    """Runs a file over images; None where it does not load."""
    graph = read_model(content, "int8").main_graph
    (output,) = graph.outputs
    (logits,) = (operator.inputs[0] for operator in graph.operators if operator.name == "SOFTMAX")
    file = Edit(content, "int8")
    try:
        model = open_bytes(file.with_outputs([output, logits]).to_bytes(), kernels=kernels)
    except RuntimeError:
        return None
    outputs = [model.run_all(image) for image in images]
    return _Answers(
        classes=np.array([int(output[0].reshape(-1).argmax()) for output in outputs]),
        logits=_real(model, np.stack([output[1].reshape(-1) for output in outputs])),
    )


def _real(model: LoadedModel, stored: npt.NDArray[np.generic]) -> Array:
    numbers = stored.astype(np.float64)
    logits = model.outputs[1]
    if logits.scale is None or logits.dtype == "float32":
        return numbers
    return np.asarray(logits.scale * (numbers - (logits.zero_point or 0)))


def compared(step: str, kernels: Kernels, labels: Array, wanted: _Answers, got: _Answers | None) -> Row:
    """A row of the table."""
    if got is None:
        return Row(step=step, kernels=kernels, top1_percent=None, agreement_percent=None, logits_snr_db=None)
    signal = float(np.square(wanted.logits - wanted.logits.mean(axis=0)).sum())
    return Row(
        step=step,
        kernels=kernels,
        top1_percent=float(100 * np.mean(got.classes == labels)),
        agreement_percent=float(100 * np.mean(got.classes == wanted.classes)),
        logits_snr_db=decibels(signal, float(np.square(got.logits - wanted.logits).sum())),
    )


def table(rows: list[Row], float_top1_percent: float) -> str:
    """Writes the rows as Markdown: XNNPACK's figures, the built-in kernels' in brackets."""
    lines = [
        "| step | top-1 % | agreement with float % | signal to noise of the logits, dB |",
        "|---|---|---|---|",
        f"| float | {float_top1_percent:.1f} | | |",
    ]
    for step in dict.fromkeys(row.step for row in rows):
        pair = [next(row for row in rows if (row.step, row.kernels) == (step, k)) for k in KERNELS]
        cells = [
            _cell([number(row) for row in pair])
            for number in (_top1_percent, _agreement_percent, _logits_snr_db)
        ]
        lines.append(f"| {' | '.join([step, *cells])} |")
    return "\n".join(lines)


def _top1_percent(row: Row) -> float | None:
    return row.top1_percent


def _agreement_percent(row: Row) -> float | None:
    return row.agreement_percent


def _logits_snr_db(row: Row) -> float | None:
    return row.logits_snr_db


def _cell(numbers: list[float | None]) -> str:
    xnnpack, builtin = ("does not load" if number is None else f"{number:.1f}" for number in numbers)
    return f"{xnnpack} ({builtin})"


def float_file(variant: str, weights: str, size: int, reporter: Reporter) -> bytes:
    """Builds the graph and converts it."""
    request = GraphRequest(
        variant=parse_variant(variant, None), input_size_px=size, classes=None, weights=weights
    )
    return convert_float(build_graph(resolve_graph(request, reporter), batch_size=1))


def calibration_images(calibration: str, samples: int, seed: int, size: int, reporter: Reporter) -> Images:
    """Loads the calibration images as `quantize` does."""
    request = SampleRequest(samples=samples, seed=seed, preprocess=PREPROCESS, shape=ImageShape.square(size))
    return open_images(calibration).sample(request, reporter).pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command's options."""

    variant: str
    weights: str
    calibration: str
    data: Path
    samples: int
    seed: int
    input_size: int
    output_dir: Path | None
    as_json: bool


@click.command()
@click.option("--variant", required=True)
@click.option("--weights", required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--calibration", required=True)
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--samples", default=200, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--input-size", default=224, show_default=True)
@click.option("-o", "--output-dir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(**options: Any) -> None:
    """Prints a table of what each step is worth."""
    arguments = Arguments(**options)
    reporter = Reporter()
    images = calibration_images(
        arguments.calibration, arguments.samples, arguments.seed, arguments.input_size, reporter
    )
    held_out = open_images(arguments.data, need_labels=True)
    labels = np.array(held_out.labels())
    pixels = np.stack(
        [
            held_out.load(index, shape=ImageShape.square(arguments.input_size), preprocess=PREPROCESS)
            for index in range(len(labels))
        ]
    )
    float_model = float_file(arguments.variant, arguments.weights, arguments.input_size, reporter)
    keep = _keeper(arguments.output_dir)
    keep("float", float_model)
    wanted = answers(float_model, pixels, "xnnpack")
    if wanted is None:
        raise click.ClickException("the float file does not load under XNNPACK")
    rows = []
    for number, (step, content) in enumerate(files(float_model, images, arguments.seed)):
        keep(f"{number}_int8", content)
        for kernels in KERNELS:
            rows.append(compared(step, kernels, labels, wanted, answers(content, pixels, kernels)))
            click.echo(str(rows[-1]), err=True)
    top1_percent = float(100 * np.mean(wanted.classes == labels))
    if arguments.as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
    else:
        used = f"{len(images)} calibration images, seed {arguments.seed}, {len(labels)} images"
        click.echo(f"{arguments.variant}, {used}\n")
        click.echo(table(rows, top1_percent))


def _keeper(folder: Path | None) -> Callable[[str, bytes], None]:
    """Returns what writes a file into a folder, if there is one."""

    def keep(name: str, content: bytes) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.tflite").write_bytes(content)

    return keep


if __name__ == "__main__":
    main()
