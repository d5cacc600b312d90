"""What docs/benchmarking.md shows is what its commands print, on an emulated phone."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from device.command_setup import Bench
from device.phone import Phone
from device.stand_in_behaviour import Figures
from tiny_models import write_classifier

PAGE = Path(__file__).parent.parent.parent / "docs" / "benchmarking.md"
BEFORE_US = {"float.tflite": 72_040, "int8.tflite": 43_230}
AFTER_US = {"float.tflite": 72_010, "int8.tflite": 39_480}


def figures(medians_us: dict[str, int]) -> Figures:
    """Launches that vary by some hundredths of a percent, float and int8 in turn."""
    a, b = medians_us.values()
    medians = [middle + 20 * (n % 3) for n in range(5) for middle in ((a, b) if n % 2 == 0 else (b, a))]
    return Figures(in_order_us=[[us - 90, us, us + 240] for us in medians], warmup_us=[81_300], init_us=5_120)


@pytest.mark.any_adb
def test_the_page_shows_what_is_printed(bench: Bench, pixel: Phone) -> None:
    sizes = {"float.tflite": ("float32", 5_000), "int8.tflite": ("uint8", 4_400)}
    for name, (dtype, classes) in sizes.items():
        write_classifier(bench.folder / name, dtype, classes=classes)
    added = bench.run("benchmark-binary", "add", "current", bench.binary(), "--abi", "arm64-v8a")
    assert added.exit_code == 0, added.output
    block = next(re.finditer(r"^```text\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S))[1]
    before, compared = re.split(r"^\$ edge-mnv3 ", block, flags=re.M)[1:]
    after = before.partition("\n")[0].replace("a.json", "b.json")
    for shown, medians_us in ((before, BEFORE_US), (after, AFTER_US), (compared, {})):
        pixel.figures = figures(medians_us) if medians_us else pixel.figures
        typed, _, text = shown.partition("\n")
        done = bench.run(*shlex.split(typed.replace("SERIAL", pixel.serial)))
        assert done.exit_code == 0, done.output
        lines = [line for line in done.output.splitlines() if "launches on the device" not in line]
        assert text.strip() in "\n".join(lines).replace(pixel.serial, "SERIAL"), done.output
