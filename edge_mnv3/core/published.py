"""The published figures of MobileNetV3, read from `data/published_mobilenet_v3.toml`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, fields
from importlib import resources
from typing import Any, ClassVar

from edge_mnv3.core.choices import KERNELS
from edge_mnv3.core.results.formats import Format

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PRECISIONS = ("float", "int8")
# How many threads a source used, on which cores, where it says so.
ONE_THREAD, THREAD_PER_LARGE_CORE, UNSTATED = "1", "one per large core", "unstated"
LARGE_CORES = "large"
BENCHMARK_MODEL = "benchmark_model"
_CHOICES = {
    "threads": (ONE_THREAD, THREAD_PER_LARGE_CORE, UNSTATED),
    "cores": (LARGE_CORES, UNSTATED),
    "kernels": (*KERNELS, UNSTATED),
}
_REVISION = re.compile(r" Rev \d+(\.\d+)*$")  # boards name it behind their model


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where figures were published, and what sets its measurements apart.

    The defaults are the conditions of the figures of MobileNetV3's own time. A page with two tables of
    different conditions is two sources.

    Attributes:
        title: Title of the page or paper.
        address: Its URL.
        conditions: What it says about how latencies were measured.
        program: What measured them.
        threads: `1`, `one per large core` or `unstated`.
        cores: `large` or `unstated`.
        kernels: `builtin`, `xnnpack` or `unstated`.
        version: Runtime and version, such as `LiteRT 2.2.0`; None for one of the published figures' time.
        graph: How its networks differ from these; None where they do not.
    """

    title: str
    address: str
    conditions: str
    program: str = BENCHMARK_MODEL
    threads: str = ONE_THREAD
    cores: str = LARGE_CORES
    kernels: str = "builtin"
    version: str | None = None
    graph: str | None = None

    @property
    def setting(self) -> tuple[str | None, ...]:
        """What must be equal for two sources to contradict one another."""
        return (self.program, self.threads, self.cores, self.kernels, self.version, self.graph)

    @property
    def is_of_first_figures(self) -> bool:
        """It measured as MobileNetV3's own authors did, as far as is stated."""
        return self.setting == FIRST_FIGURES.setting


# The conditions that MobileNetV3's first figures state, or that their time implies.
FIRST_FIGURES = Source(title="", address="", conditions="")


def _add_settings(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades figures of version 2, whose sources all measured as the first figures did."""
    names = ("program", "threads", "cores", "kernels", "version", "graph")
    setting = dict(zip(names, FIRST_FIGURES.setting, strict=True))
    return {**data, "sources": {name: {**source, **setting} for name, source in data["sources"].items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of one source; None where the source gives no such figure.

    Attributes:
        source: Key of `Published.sources`.
        variant: Such as `small_minimalistic`.
        alpha: Width multiplier, > 0.
        precision: `float` or `int8`.
        device: Phone or board whose CPU was measured; None for figures of the network itself.
        latency_ms: Time of one inference on `device`.
        top1_percent: On the ImageNet validation set.
        multiply_adds_m: Millions, for one image.
        parameters_m: Millions.
        conditions: What sets this row apart from the source's others.
    """

    source: str
    variant: str
    alpha: float
    precision: str
    device: str | None = None
    latency_ms: float | None = None
    top1_percent: float | None = None
    multiply_adds_m: float | None = None
    parameters_m: float | None = None
    conditions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """All figures with their sources.

    Attributes:
        sources: Short name to source.
        figures: One row of one source each.
        phones: What phones call themselves, where the figures' `device` names them otherwise or means a
            sister with the same chip.
    """

    FORMAT: ClassVar[Format] = Format("published figures", (lambda old: {**old, "phones": {}}, _add_settings))
    schema_version: int = FORMAT.version
    sources: dict[str, Source]
    figures: tuple[Figure, ...]
    phones: dict[str, str] = field(default_factory=dict)

    def phone(self, model: str) -> str | None:
        """Names a device as the figures' `device` does, by its model; None where it has no figure."""
        alias = self.phones.get(model) or self.phones.get(_REVISION.sub("", model))
        name = alias or model
        return name if any(figure.device == name for figure in self.figures) else None

    def of_variant(self, variant: str, alpha: float) -> Published:
        """Keeps the figures of one network."""
        kept = tuple(f for f in self.figures if (f.variant, f.alpha) == (variant, alpha))
        return Published(sources=self.sources, figures=kept, phones=self.phones)


def read_published() -> Published:
    """Reads the packaged figures.

    Raises:
        ValueError: The data file is wrong; the text names the row.
    """
    return parse_published(
        (resources.files("edge_mnv3") / "data" / "published_mobilenet_v3.toml").read_text(encoding="utf-8")
    )


def parse_published(text: str) -> Published:
    """Reads figures from TOML text.

    Raises:
        ValueError: A key is unknown or missing, a source is not declared or states what cannot be, a
            precision is neither of the two, a row has a latency without device or a device without latency,
            or a phone's name in the figures is in none of them.
    """
    data = tomllib.loads(text)
    sources = {name: _make(Source, row, f"source {name}") for name, row in data["sources"].items()}
    for name, source in sources.items():
        for key, known in _CHOICES.items():
            if getattr(source, key) not in known:
                raise ValueError(f"source {name}: {key} {getattr(source, key)!r} is none of {known}")
    figures = []
    for number, row in enumerate(data["figures"], start=1):
        figure = _make(Figure, row, f"figure {number}")
        if figure.source not in sources:
            raise ValueError(f"figure {number}: source {figure.source!r} is not declared")
        if figure.precision not in _PRECISIONS:
            raise ValueError(f"figure {number}: precision {figure.precision!r} is none of {_PRECISIONS}")
        if (figure.device is None) != (figure.latency_ms is None):
            raise ValueError(f"figure {number}: a latency needs a device, and a device a latency")
        figures.append(figure)
    phones = dict(data.get("phones", {}))
    devices = {figure.device for figure in figures}
    for model, name in phones.items():
        if name not in devices:
            raise ValueError(f"phone {model!r}: {name!r} is the device of no figure")
    return Published(sources=sources, figures=tuple(figures), phones=phones)


def _make(kind: Any, row: dict[str, Any], where: str) -> Any:
    unknown = row.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")
    try:
        return kind(**row)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error
