"""Published figures and measurements that tests hold against each other."""

from __future__ import annotations

import dataclasses
from typing import Any

from bench_records import device_result, steady
from edge_mnv3.core.published import Figure, Published, Source
from edge_mnv3.core.results.binaries import BinaryInfo
from edge_mnv3_android_bench.published.reproduction import MeasuredFile, PublishedNetwork

SMALL, LARGE = PublishedNetwork("small", 1.0, "float"), PublishedNetwork("large", 1.0, "float")
MINIMAL = PublishedNetwork("small_minimalistic", 1.0, "float")


def figure(
    network: PublishedNetwork, latency_ms: float, source: str = "a", device: str = "Pixel 1", **more: Any
) -> Figure:
    return Figure(source=source, **network._asdict(), device=device, latency_ms=latency_ms, **more)


def published(*figures: Figure) -> Published:
    source = Source(title="t", address="a", conditions="c")
    return Published(sources={"a": source, "b": source}, figures=figures, phones={"Pixel": "Pixel 1"})


def measured(
    network: PublishedNetwork,
    ms: float,
    *,
    recipe: str | None = None,
    differences: tuple[str, ...] = (),
    **conditions: Any,
) -> MeasuredFile:
    conditions.setdefault("model_sha256", f"{network} {recipe}")
    result = device_result(steady(1e3 * ms), **conditions)
    return MeasuredFile(network=network, recipe=recipe, result=result, differences=differences)


def with_binary(measurement: MeasuredFile, binary: BinaryInfo) -> MeasuredFile:
    conditions = dataclasses.replace(measurement.result.conditions, binary=binary)
    return dataclasses.replace(
        measurement, result=dataclasses.replace(measurement.result, conditions=conditions)
    )
