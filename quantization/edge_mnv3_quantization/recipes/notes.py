"""What an int8 file tells of its recipe, in metadata entries: channel copies and groups, scales, a report.

Equalization scales cannot be recovered exactly from weights that were refitted, and diagnosis needs them
exactly: an error of some percent in every value would exceed the errors of int8.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import ItemsView, Mapping, Sequence

import numpy as np

from edge_mnv3.core.results.calibration_statistics import StatisticsFacts
from edge_mnv3.core.results.json_format import from_json, to_jsonable
from edge_mnv3.core.results.recipe import RecipeReport
from edge_mnv3_quantization.algorithms.curves import Curves
from edge_mnv3_quantization.graph.network import Array, Network

CHANNEL_COPIES = "edge_mnv3_channel_copies"
CHANNEL_GROUPS = "edge_mnv3_channel_groups"
LINEAR_SCALES = "edge_mnv3_linear_scales"
FITTED_CHANNELS = "edge_mnv3_fitted_channels"
STRAIGHT_CHANNELS = "edge_mnv3_straight_channels"  # of older files
EQUALIZATION_SCALES = "edge_mnv3_channel_factors"
RECIPE_REPORT = "edge_mnv3_recipe_report"
STATISTICS = "edge_mnv3_statistics"
_DTYPE = np.dtype("<f4")


def write_notes(network: Network, scales: Mapping[int, Array]) -> dict[str, bytes]:
    """Makes the metadata entries for a network's file.

    Args:
        network: The lowered network, before its values were divided.
        scales: The equalization scales that divided them, (C,) each, by scale-sharing group.

    Returns:
        Name to content of each entry. The entry of the scales begins with a line of JSON, the name of a
        group's value to the count of its scales; the scales follow in the same order as float32. Groups whose
        scales are all 1 are left out.
    """
    noted = {group: scale for group, scale in scales.items() if (scale != 1).any()}
    line = json.dumps({network.values[group].name: len(scale) for group, scale in noted.items()})
    numbers = np.concatenate([*noted.values(), np.zeros(0)])
    entries = {EQUALIZATION_SCALES: line.encode() + b"\n" + numbers.astype(_DTYPE).tobytes()}
    if network.channel_groups:
        entries[CHANNEL_GROUPS] = json.dumps(network.channel_groups, separators=(",", ":")).encode()
    if network.channel_copies:
        entries[CHANNEL_COPIES] = json.dumps(network.channel_copies, separators=(",", ":")).encode()
    if network.linear_scales:
        entries[LINEAR_SCALES] = json.dumps(network.linear_scales, separators=(",", ":")).encode()
    if network.fitted_channels:
        entries[FITTED_CHANNELS] = json.dumps(network.fitted_channels, separators=(",", ":")).encode()
    return entries


def read_scales(entry: bytes) -> dict[str, Array]:
    """Reads the equalization scales, (C,) each, by the name of a group's value; a missing group has 1.

    Raises:
        ValueError: The entry is damaged.
    """
    line, _, content = entry.partition(b"\n")
    counts = dict(json.loads(line))
    numbers = np.frombuffer(content, _DTYPE).astype(np.float64)
    if sum(counts.values()) != len(numbers) or not (np.isfinite(numbers) & (numbers > 0)).all():
        raise ValueError(f"{len(numbers)} numbers for {sum(counts.values())} positive scales")
    ends = np.cumsum(list(counts.values()))
    return dict(zip(counts, np.split(numbers, ends[:-1]), strict=True)) if counts else {}


def read_groups(entry: bytes) -> dict[str, Sequence[Sequence[int]]]:
    """Reads the channels of each channel group, by the name of the value where the groups begin.

    Raises:
        ValueError: The entry is damaged.
    """
    return dict(json.loads(entry))


def read_copies(entry: bytes) -> dict[str, Sequence[int]]:
    """Reads how often each channel is computed, by the name of the value where the copies begin.

    Raises:
        ValueError: The entry is damaged.
    """
    return dict(json.loads(entry))


def write_statistics(facts: StatisticsFacts | None) -> dict[str, bytes]:
    """Makes the entry that names the statistics that were given; none where they were the images' own."""
    if facts is None:
        return {}
    noted = {"images": facts.images, "sha256": facts.sha256}
    return {STATISTICS: json.dumps(noted, separators=(",", ":")).encode()}


def read_linear_scales(entry: bytes) -> dict[str, Sequence[float]]:
    """Reads the scales that go through a hard-swish, (C,), by the name of its input.

    Raises:
        ValueError: The entry is damaged.
    """
    scales = dict(json.loads(entry))
    if not all(np.isfinite(one).all() and (np.array(one) >= 1).all() for one in scales.values()):
        raise ValueError("scales of linear channels that are not 1 or more")
    return scales


def read_fitted_channels(metadata: Mapping[str, bytes]) -> dict[str, Curves]:
    """Reads the curves that replace a hard-swish channel by channel, by the name of its input.

    Args:
        metadata: A file's entries. Older files have straight channels, which are curves without constants.

    Raises:
        ValueError: An entry is damaged.
    """
    straight = {
        name: Curves(*_arrays(parts, 3), *np.zeros((2, len(parts[0]))))
        for name, parts in _items(metadata.get(STRAIGHT_CHANNELS, b"{}"))
    }
    curves = straight | {
        name: Curves(*_arrays(parts, 5)) for name, parts in _items(metadata.get(FITTED_CHANNELS, b"{}"))
    }
    for one in curves.values():
        if not np.isfinite(np.concatenate(one)).all() or min(one.slopes.min(), one.gains.min()) <= 0:
            raise ValueError("fitted channels whose slopes and gains are not above 0")
    return curves


def _arrays(parts: Sequence[Sequence[float]], count: int) -> list[Array]:
    if len(parts) != count:
        raise ValueError(f"fitted channels of {len(parts)} rows of numbers, where {count} were expected")
    return [np.array(part, np.float64) for part in parts]


def _items(entry: bytes) -> ItemsView[str, Sequence[Sequence[float]]]:
    return dict(json.loads(entry)).items()


def write_report(report: RecipeReport) -> bytes:
    """Makes the entry `RECIPE_REPORT`, one line of JSON.

    Wall times are left out, so that the same inputs give the same file, and so are ranges, which the file's
    tensors have.
    """
    noted = dataclasses.replace(report, ranges=(), phases_s={})
    return json.dumps(to_jsonable(noted), separators=(",", ":"), allow_nan=False).encode()


def read_report(entry: bytes) -> RecipeReport:
    """Reads what `write_report` wrote, now or in an older version.

    Raises:
        ValueError: The entry is damaged.
    """
    return from_json(RecipeReport, entry.decode())
