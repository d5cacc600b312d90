"""How often `bench --device A B` and `compare` call a file slower or faster than its equal, and find 5 %.

    PYTHONPATH=tests python benchmarks/device_verdicts.py model.tflite --pairs 200

Everything but the phone is real: `bench` through adb, the order of the launches, the rule by which they
end, the logs and their reading, `compare` of two result files. The phone is emulated, and what its launches
give is scripted: one true latency, times noise that was measured. The noise is that of this machine, each
value the median of a file that was loaded anew and run ten times, or that of a phone's result (`--noise`).
Its deviations are replayed in the order in which they were measured, so that drifts and outliers are as
they were, and are scaled to the coefficient of variation that is asked for. For the true difference the
second file's launches are made 5 % longer after they were measured: the noise is the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from device.adb_servers import find_adb_binaries, running_server
from device.bench_setup import model_file
from device.layouts import generic_phone
from device.phone import Phone
from device.stand_in_behaviour import Figures, benchmark_binary
from device.stand_in_runner import running_stand_in
from edge_mnv3.core.errors import ConditionsDifferError
from edge_mnv3.core.results.bench import DeviceBenchResult, LaunchRecord
from edge_mnv3.core.results.json_format import to_json
from edge_mnv3.core.results.verdicts import Comparison
from edge_mnv3.stages.bench import bench
from edge_mnv3.stages.bench_requests import DeviceBenchRequest
from edge_mnv3.stages.compare import CompareRequest, compare
from edge_mnv3_android_bench.comparison.latencies import read_bench_results
from edge_mnv3_android_bench.measuring.host import bench_in_turns
from edge_mnv3_android_bench.measuring.launch_statistics import counted_figures_us, summarize
from edge_mnv3_android_bench.measuring.plan import CoolDown, HostTurnsRequest

TRUE_DIFFERENCE = 0.05
TRUE_US = 20_000
NOISE_ROUNDS = 200


class Verdicts(NamedTuple):
    """What was said of one pair: as it is, and with the second file slowed; None for no verdict."""

    same: Comparison | None
    slowed: Comparison | None


def noise_of_this_machine(model: Path) -> list[float]:
    """Medians of rounds, each with the file loaded anew, in the order in which they ran."""
    request = HostTurnsRequest(models=(model, model), num_runs=10 * NOISE_ROUNDS, rounds=NOISE_ROUNDS)
    a, b = (result.block_medians_us for result in bench_in_turns(request))
    rounds = zip(a, b, strict=True)
    return [us for number, pair in enumerate(rounds) for us in (pair if number % 2 == 0 else pair[::-1])]


def noise_of_a_phone(path: Path) -> list[float]:
    """Figures of the launches that count, of the first result of a file that has some."""
    results = [result for result in read_bench_results(path) if isinstance(result, DeviceBenchResult)]
    return [us for result in results[:1] for us in counted_figures_us(result)]


def deviations(figures_us: Sequence[float], variation_percent: float) -> list[float]:
    """Logarithms of figures by their median, scaled to a coefficient of variation, in their order."""
    middle = statistics.median(figures_us)
    logs = [math.log(us / middle) for us in figures_us]
    return [variation_percent / 100 * value / statistics.pstdev(logs) for value in logs]


def scripted(noise: Sequence[float], start: int) -> Figures:
    """Launches whose figures take up the noise one after the other, whichever file it is."""
    medians = [round(TRUE_US * math.exp(value)) for value in (*noise[start:], *noise[:start])]
    return Figures(in_order_us=[[median - 50, median, median + 50] for median in medians])


def slowed(result: DeviceBenchResult) -> DeviceBenchResult:
    """The result of a file that takes 5 % longer in each launch."""

    def longer(launch: LaunchRecord) -> LaunchRecord:
        timings = launch.timings
        if timings is None or timings.median_us is None:
            return launch
        figure = (1 + TRUE_DIFFERENCE) * timings.median_us
        return dataclasses.replace(launch, timings=dataclasses.replace(timings, median_us=figure))

    return summarize(result.conditions, [longer(launch) for launch in result.launches])


def verdict(folder: Path, a: DeviceBenchResult, b: DeviceBenchResult) -> Comparison | None:
    """What `compare` says of two files of results; None where it gives no verdict."""
    paths = [folder / name for name in ("a.json", "b.json")]
    for path, result in zip(paths, (a, b), strict=True):
        path.write_text(to_json(result), encoding="utf-8")
    try:
        return compare(CompareRequest(a=paths[0], b=paths[1])).comparisons[0]
    except ConditionsDifferError:
        return None


@contextlib.contextmanager
def quiet_phones(folder: Path, figures: Sequence[Figures]) -> Iterator[list[Phone]]:
    """Emulated phones on an adb server of their own, which the commands of this process find."""
    made = [folder / name for name in ("adb", "stand_in", "cache")]
    for path in made:
        path.mkdir()
    binary = find_adb_binaries()[-1]
    with (
        running_server(binary, made[0]) as server,
        running_stand_in(made[1]) as stand_in,
        contextlib.ExitStack() as stack,
    ):
        names = ("HOME", "ANDROID_USER_HOME", "ANDROID_ADB_SERVER_PORT")
        os.environ.update({name: server.environment[name] for name in names})
        os.environ.update({"ADB": str(binary.path), "EDGE_MNV3_CACHE": str(made[2])})
        phones = []
        for number, script in enumerate(figures):
            (folder / f"phone{number}").mkdir()
            phone = Phone(generic_phone(), folder / f"phone{number}", stand_in=stand_in)
            stack.callback(phone.close)
            phone.figures = script
            server.connect(phone.serial)
            phones.append(phone)
        yield phones


def measured_pairs(
    folder: Path, phones: Sequence[Phone], models: Sequence[Path]
) -> Iterator[tuple[Verdicts, int]]:
    """Measures files in turns; yields the verdicts on each two of them, and their launches."""
    request = DeviceBenchRequest(
        models=models,
        serials=[phone.serial for phone in phones],
        binaries=(folder / "benchmark_model",),
        fresh=True,
        cool_down=CoolDown().at_most(0.1),
    )
    results = bench(request).results  # phone by phone
    for a, b in zip(results[::2], results[1::2], strict=True):
        verdicts = Verdicts(verdict(folder, a, b), verdict(folder, a, slowed(b)))
        yield verdicts, len(a.launches) + len(b.launches)


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--pairs", default=200, show_default=True, type=click.IntRange(min=1))
@click.option("--phones", default=4, show_default=True, type=click.IntRange(min=1), help="Side by side.")
@click.option("--at-once", default=5, show_default=True, type=click.IntRange(min=1), help="Pairs a phone.")
@click.option("--variation", default=2.0, show_default=True, help="Of the launches, in percent.")
@click.option(
    "--noise", type=click.Path(path_type=Path, exists=True), help="Result of a phone to take it from."
)
@click.option("--seed", default=0, show_default=True)
def main(model: Path, pairs: int, noise: Path | None, **options: Any) -> None:
    """Prints the counts."""
    figures_us = noise_of_a_phone(noise) if noise else noise_of_this_machine(model)
    raw = 100 * statistics.pstdev([math.log(us / statistics.median(figures_us)) for us in figures_us])
    click.echo(
        f"noise: {len(figures_us)} values that vary by {raw:.1f} %, scaled to {options['variation']:g} %"
    )
    replayed = deviations(figures_us, options["variation"])
    chance = random.Random(options["seed"])  # noqa: S311 - nothing secret
    scripts = [scripted(replayed, chance.randrange(len(replayed))) for _ in range(options["phones"])]
    counts: Counter[str] = Counter()
    widths: list[float] = []
    with tempfile.TemporaryDirectory() as name, quiet_phones(Path(name), scripts) as phones:
        folder = Path(name)
        (folder / "benchmark_model").write_bytes(benchmark_binary())
        models = [model_file(folder, f"{i}.tflite", classes=3 + i) for i in range(2 * options["at_once"])]
        while counts["pairs"] < pairs:
            for verdicts, launches in measured_pairs(folder, phones, models):
                counts += Counter(
                    pairs=1,
                    launches=launches,
                    none=verdicts.same is None,
                    false=verdicts.same is not None and verdicts.same.differ,
                    found=verdicts.slowed is not None and verdicts.slowed.differ,
                )
                if verdicts.same:
                    low, high = verdicts.same.ratio_ci95
                    widths.append(100 * (high - low) / 2)
            click.echo(f"\r{counts['pairs']}/{pairs}", nl=False, err=True)
    click.echo(err=True)
    done = counts["pairs"]
    click.echo(
        f"{done} pairs of equal files, {counts['launches'] / done / 2:.1f} launches each on the average"
    )
    click.echo(f"false verdicts: {counts['false']} ({100 * counts['false'] / done:.1f} %)")
    click.echo(f"true difference of 5 % found: {counts['found']} ({100 * counts['found'] / done:.1f} %)")
    click.echo(f"no verdict, for a result that is not quotable: {counts['none']}")
    click.echo(
        f"half width of the interval: median {statistics.median(widths):.2f} %" if widths else "no width"
    )


if __name__ == "__main__":
    main()
