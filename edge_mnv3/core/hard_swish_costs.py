"""What each form of an int8 hard-swish costs on phones' processors, read from `data/hard_swish_costs.toml`.

`FormCost.cycles` gives modelled cycles of a form, without and with what the caches miss. Tables by groups are
as many tables, and as many parts, of which each gives its own channels. No figure is a time.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import resources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "hard_swish_costs.toml"
_CYCLES_PER_MISSED_BYTE = 20 / 64  # as `edge-mnv3 cost` adds for a line that the second cache misses


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCost:
    """One form on one processor; cycles of the core, no time.

    Attributes:
        form: `operator` (HARD_SWISH), `table` (a sum with a constant and the product with it), `gate` (a 1x1
            depthwise convolution and the product with it), `gate_rows` (the same over whole rows), or `part`
            (one input of a concatenation).
        cpu: `a73`, `a76` or `x3`.
        cycles_each: Cycles of each operator, whatever its size.
        cycles_per_element: Of each number that it gives.
        cycles_per_pixel: Of each place of the map, height times width.
        bytes_per_element: What it reads and writes for each number.
    """

    form: str
    cpu: str
    cycles_each: float
    cycles_per_element: float
    cycles_per_pixel: float
    bytes_per_element: int

    def cycles(self, height: int, width: int, channels: int) -> tuple[float, float]:
        """Models one operator that gives a map of this size.

        Returns:
            Cycles when every load hits the first cache, and when the second one misses all that is read and
            written, at 20 cycles for 64 bytes.
        """
        elements = height * width * channels
        low = self.cycles_each + elements * self.cycles_per_element + height * width * self.cycles_per_pixel
        return low, low + _CYCLES_PER_MISSED_BYTE * elements * self.bytes_per_element


def read_form_costs() -> dict[tuple[str, str], FormCost]:
    """Reads the packaged costs, by form and processor."""
    return parse_form_costs((resources.files("edge_mnv3") / "data" / FILE).read_text(encoding="utf-8"))


def parse_form_costs(text: str) -> dict[tuple[str, str], FormCost]:
    """Reads costs from TOML text.

    Raises:
        ValueError: It is no TOML, or a key is unknown or missing.
    """
    try:
        forms = [FormCost(**row) for row in tomllib.loads(text)["forms"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"costs of hard-swish: {error}") from error
    return {(each.form, each.cpu): each for each in forms}
