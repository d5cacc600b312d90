"""The frozen result of `demo`; `json_format` writes and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.validate import ValidateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo made and measured.

    Attributes:
        folder: Where everything lies.
        quantize: The two files that were made.
        validate: Their accuracy on images that the network was not trained on.
        bench_float: Latency of the float file on this machine.
        bench_int8: Latency of the int8 file on this machine.
    """

    FORMAT: ClassVar[Format] = Format("demo")
    schema_version: int = FORMAT.version
    folder: str
    quantize: QuantizeResult
    validate: ValidateResult
    bench_float: HostBenchResult
    bench_int8: HostBenchResult
