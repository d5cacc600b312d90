"""Holds the modelled cost on Arm against every published latency that it can be held against.

    python benchmarks/arm_model.py --folder arm_model            # models, counts, and the comparison
    python benchmarks/arm_model.py --folder arm_model --write    # and the package's table of costs

It needs what `edge-mnv3 cost` needs, with llvm-mca. Networks get random weights: what an inference costs does
not depend on their values (small on a Cortex-A73 with built-in kernels, trained and random: float 38,491,781
and 38,492,090 instructions, int8 42,206,825 and 42,206,722). What was counted stays in the folder, so that a
second run takes seconds.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import click

from edge_mnv3.commands.modelled_table import modelled_table
from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.modelled import FILE, ModelledCost, ModelledCosts
from edge_mnv3.core.published import ONE_THREAD, read_published
from edge_mnv3.core.tflite.read import only_graph, read_file
from edge_mnv3.model.arch import VARIANTS
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.packaging.arm import find_arm_runner
from edge_mnv3.stages.cost import cycle_model_name
from edge_mnv3.stages.modelled import hold_against
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3_android_bench.instructions.costing import processor_cost
from edge_mnv3_android_bench.instructions.emulation import ArmProcess, Emulator
from edge_mnv3_android_bench.instructions.llvm import Llvm, find_llvm
from edge_mnv3_android_bench.instructions.processors import PROCESSORS, Processor

# The large cores of Pixel 3 and Pixel 3a are Cortex-A75: A73's instructions and A57's pipeline, as LLVM takes
# them, with a second cache of its own for each core.
A75 = dataclasses.replace(
    PROCESSORS["a73"], cpu="a75", part="0xd0a", llvm="cortex-a75", second_cache_bytes=256 << 10
)
CORES = {
    "Pixel 1": PROCESSORS["kryo"],
    "Pixel 2": PROCESSORS["a73"],
    "Pixel 3": A75,
    "Pixel 3a": A75,
    "Pixel 4": PROCESSORS["a76"],
}
HEADER = """\
# What MobileNetV3 costs at 224x224 on phones' processors: one warm inference, one thread, under an emulator.
# Made by benchmarks/arm_model.py; instructions are counted, cycles modelled, and nothing is measured.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A network, as float or int8, on one core with one kind of kernels."""

    network: str
    precision: str
    core: Processor
    kernels: Kernels

    @property
    def name(self) -> str:
        """Name of its file of figures."""
        return f"{self.network}_{self.precision}_{self.core.cpu}_{self.kernels}.json"


def cases() -> list[Case]:
    """What published latencies ask for."""
    published = read_published()
    networks = {(variant.network, variant.alpha): name for name, variant in VARIANTS.items()}
    found: dict[str, Case] = {}
    for figure in published.figures:
        source = published.sources[figure.source]
        network = networks.get((figure.variant, figure.alpha))
        is_alike = source.threads == ONE_THREAD and source.graph is None and source.kernels != "unstated"
        if figure.device in CORES and is_alike and network:
            kernels: Kernels = "xnnpack" if source.kernels == "xnnpack" else "builtin"
            case = Case(network, figure.precision, CORES[figure.device], kernels)
            found[case.name] = case
    return sorted(
        found.values(), key=lambda each: (each.core.cpu, each.kernels, each.network, each.precision)
    )


def count(cases: list[Case], folder: Path, emulator: Emulator, llvm: Llvm) -> Iterator[ModelledCost]:
    """Counts what is not in the folder; gives all."""
    for core in dict.fromkeys(case.core for case in cases):
        of_core = [case for case in cases if case.core == core]
        missing = [case for case in of_core if not (folder / case.name).is_file()]
        if missing:
            with ArmProcess(emulator, core) as arm:
                for case in missing:
                    (folder / case.name).write_text(json.dumps(counted(case, folder, arm, llvm), indent=1))
        for case in of_core:
            yield ModelledCost(**json.loads((folder / case.name).read_text()))


def counted(case: Case, folder: Path, arm: ArmProcess, llvm: Llvm) -> dict[str, object]:
    """Counts one case."""
    click.echo(f"{case.network} {case.precision} on {case.core.cpu}, {case.kernels}", err=True)
    variant = VARIANTS[case.network]
    models = folder / case.network
    if not (models / "quantize.json").is_file():
        graph = GraphRequest(variant=variant, weights="none")
        quantize(QuantizeRequest(graph=graph, recipe="stock", samples=16, output_dir=models))
    record = json.loads((models / "quantize.json").read_text())
    (file,) = models.glob(f"*_{case.precision}.tflite")
    inference = arm.run(file, case.kernels)
    cost = processor_cost(case.core, case.kernels, only_graph(read_file(file), str(file)), inference, llvm)
    return {
        "variant": variant.network,
        "alpha": variant.alpha,
        "precision": case.precision,
        "processor": case.core.cpu,
        "kernels": case.kernels,
        "multiply_adds": record["variant"]["multiply_adds"],
        "instructions": cost.instructions.total,
        "cycles_low": cost.cycles.low,
        "cycles_high": cost.cycles.high,
    }


def toml(costs: ModelledCosts) -> str:
    """Writes the package's table."""
    lines = [HEADER, f'runtime = "{costs.runtime}"', f'cycle_model = "{costs.cycle_model}"', "", "[phones]"]
    lines += [f'"{phone}" = "{processor}"' for phone, processor in costs.phones.items()]
    for cost in costs.costs:
        lines += ["", "[[costs]]"]
        for name, value in dataclasses.asdict(cost).items():
            shown = round(value) if name.startswith("cycles") else value
            lines.append(f"{name} = {json.dumps(shown)}")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Models and figures.")
@click.option("--write", is_flag=True, help="Write the package's table of costs.")
def main(folder: Path, write: bool) -> None:
    """Prints the comparison."""
    folder.mkdir(parents=True, exist_ok=True)
    found, llvm = find_arm_runner(), find_llvm()
    if llvm is None:
        raise click.ClickException("llvm-mca of LLVM 19 is needed")
    (package,) = found.folder.glob("site/ai_edge_litert-*.dist-info")
    costs = ModelledCosts(
        runtime=f"litert {package.name.split('-')[1].removesuffix('.dist')}",
        cycle_model=cycle_model_name(llvm),
        phones={phone: core.cpu for phone, core in CORES.items()},
        costs=tuple(count(cases(), folder, Emulator(found.qemu, found.folder), llvm)),
    )
    click.echo(modelled_table(hold_against(read_published(), costs)))
    if write:
        data = Path(__file__).parents[1] / "edge_mnv3" / "data"
        (data / FILE).write_text(toml(costs), encoding="utf-8")


if __name__ == "__main__":
    main()
