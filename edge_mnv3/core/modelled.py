"""The modelled cost of networks on phones' processors, as the package's tables in `data/` have it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import resources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "modelled_mobilenet_v3.toml"
DEMO_FILE = "demo_modelled.toml"  # of the demo's network, at its size


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledCost:
    """What one inference of a network costs on one processor with one thread; none of it is a time.

    Attributes:
        variant: Such as `small_minimalistic`.
        alpha: Width multiplier, > 0.
        precision: `float`, or `int8` as TensorFlow's converter makes it; the demo's, as `accurate` does.
        processor: The core.
        kernels: `builtin` or `xnnpack`.
        multiply_adds: Of the network, for one image.
        instructions: Counted inside the runtime's library.
        cycles_low: Modelled cycles when every load hits the first cache.
        cycles_high: The same and a term for what the second cache misses.
    """

    variant: str
    alpha: float
    precision: str
    processor: str
    kernels: str
    multiply_adds: int
    instructions: int
    cycles_low: float
    cycles_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelledCosts:
    """All modelled costs.

    Attributes:
        runtime: Name and version of the runtime.
        cycle_model: What modelled the cycles.
        phones: Phone, as published figures call it, to the core that was modelled for it.
        costs: One row of one network, precision, core and kind of kernels.
    """

    runtime: str
    cycle_model: str
    phones: dict[str, str]
    costs: tuple[ModelledCost, ...]


def read_modelled(file: str = FILE) -> ModelledCosts:
    """Reads the packaged costs; `file` is `FILE` or `DEMO_FILE`."""
    return parse_modelled((resources.files("edge_mnv3") / "data" / file).read_text(encoding="utf-8"))


def parse_modelled(text: str) -> ModelledCosts:
    """Reads costs from TOML text.

    Raises:
        ValueError: It is no TOML, or a key is unknown or missing.
    """
    data = tomllib.loads(text)
    try:
        costs = tuple(ModelledCost(**row) for row in data.pop("costs"))
        return ModelledCosts(**data, costs=costs)
    except (KeyError, TypeError) as error:
        raise ValueError(f"modelled costs: {error}") from error
