"""The result of `calibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.results.model_facts import ModelFacts
from edge_mnv3.core.results.models import ModelSource, VariantInfo, WeightsInfo, facts_of_variant


def _without_cache(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 1: there was no cache then."""
    return {**data, "float_from_cache": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateResult:
    """A stored calibration, with the statistics of one network.

    Attributes:
        path: The folder.
        model: What the float file takes and gives.
        source: The whole model that was calibrated; None for a variant.
        variant: The network; None for a whole model.
        weights: Where the variant's weights came from; None for a whole model.
        calibration: The calibration images.
        pixels_size_bytes: Size of the preprocessed images.
        merged: SHA-256 of the manifests that were joined; of the one manifest where none were.
        float_sha256: SHA-256 of the float file.
        float_from_cache: An earlier run converted the float file; it lay in the cache.
        network_sha256: SHA-256 of its operators and weights up to the softmax: what the statistics belong to.
        statistics_path: File of the statistics.
        statistics_size_bytes: Size of the file of statistics.
        values: Outputs of operators whose numbers were counted.
        channels: Channels of all these values together.
        observed: Images that were run through the float model now.
        reused: Images that an earlier run had observed.
        warnings: What the user must know.
        timings_s: Step to seconds of wall time; images are read while the float file is made.
        versions: Package to version.
    """

    FORMAT: ClassVar[Format] = Format("calibrate", (_without_cache, facts_of_variant))
    schema_version: int = FORMAT.version
    path: str
    model: ModelFacts
    source: ModelSource | None
    variant: VariantInfo | None
    weights: WeightsInfo | None
    calibration: CalibrationManifest
    pixels_size_bytes: int
    merged: tuple[str, ...]
    float_sha256: str
    float_from_cache: bool
    network_sha256: str
    statistics_path: str
    statistics_size_bytes: int
    values: int
    channels: int
    observed: int
    reused: int
    warnings: tuple[str, ...]
    timings_s: dict[str, float]
    versions: dict[str, str]
