"""Makes the package's table of what the demo's network costs on phones' processors, from what `cost` counted.

    edge-mnv3 demo -o demo
    edge-mnv3 cost demo/*.tflite --cpu all --json > cost.json
    python tools/demo_cost.py cost.json edge_mnv3/data/demo_modelled.toml

It needs what `edge-mnv3 cost` needs, with llvm-mca.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edge_mnv3.core.results.cost import CostResult
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.model import arch
from edge_mnv3.stages.demo import DEMO
from edge_mnv3_calibration_data.sources.digits import CLASSES

HEADER = """\
# What the demo's network costs on phones' processors: one warm inference, one thread, under an emulator.
# Made by tools/demo_cost.py; instructions are counted, cycles modelled, and nothing is measured.
"""
PHONES = {"Pixel 1": "kryo", "Pixel 2": "a73", "Pixel 4": "a76", "Pixel 8": "x3"}


def demo_costs(result: CostResult) -> str:
    """Writes the costs of the demo's two files as TOML.

    Raises:
        ValueError: They are no float and int8 file with modelled cycles.
    """
    layers = arch.weighted_layers(arch.expand(DEMO.variant), classes=CLASSES, input_size=DEMO.input_size_px)
    lines = [HEADER, f'runtime = "{result.runtime}"', f'cycle_model = "{result.cycle_model}"', "", "[phones]"]
    lines += [f'"{phone}" = "{core}"' for phone, core in PHONES.items()]
    for file in result.files:
        for cost in file.cpus:
            if cost.cycles.low is None or cost.cycles.high is None or file.data_type == "mixed":
                raise ValueError(f"{file.path}: got no modelled cycles, or a mixed file")
            lines += [
                "",
                "[[costs]]",
                f'variant = "{DEMO.variant.network}"',
                f"alpha = {DEMO.variant.alpha}",
                f'precision = "{"float" if file.data_type == "float32" else "int8"}"',
                f'processor = "{cost.cpu}"',
                f'kernels = "{cost.kernels}"',
                f"multiply_adds = {arch.count_multiply_adds(layers)}",
                f"instructions = {cost.instructions.total}",
                f"cycles_low = {cost.cycles.low:.0f}",
                f"cycles_high = {cost.cycles.high:.0f}",
            ]
    return "\n".join(lines) + "\n"


def main(counted: Path, table: Path) -> None:
    """Reads what `cost --json` wrote, and writes the table."""
    table.write_text(demo_costs(from_json(CostResult, counted.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
