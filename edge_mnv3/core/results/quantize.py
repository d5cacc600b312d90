"""The result of `quantize`, which `quantize.json` holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_mnv3.core.results.calibration_statistics import UsedStatistics
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.images import CalibrationManifest
from edge_mnv3.core.results.model_facts import ModelFacts
from edge_mnv3.core.results.models import ModelChecks, ModelSource, VariantInfo, WeightsInfo, facts_of_variant
from edge_mnv3.core.results.recipe import RecipeReport
from edge_mnv3.core.results.validate import Noticed


def _without_report(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 1, whose first files lack `hard_swish` as well: there was no choice of it then."""
    return {"hard_swish": "auto", **data, "recipe_report": None}


def _without_cache(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 2: there was no cache then."""
    return {**data, "float_from_cache": False}


def _without_findings(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 4: the answers were not looked at then."""
    return {**data, "findings": []}


def _without_budget(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 5: there were no channel copies to spend a budget on then."""
    return {**data, "budget_percent": 0.0}


def _without_statistics(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 6: the statistics were always those of the calibration images then."""
    return {**data, "statistics": None}


def _without_target(data: dict[str, Any]) -> dict[str, Any]:
    """Upgrades version 7: a budget was for channel copies alone then."""
    return {**data, "target": "x86"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """A float and an int8 file made from one graph.

    Attributes:
        name: Start of the two files' names, such as `mobilenet_v3_small_1.0_224`.
        model: What the float file takes and gives.
        source: The whole model that the files were made of; None for a variant.
        variant: The network; None for a whole model.
        weights: Where the variant's weights came from; None for a whole model.
        calibration: The calibration images.
        statistics: The statistics that were given, from which the numbers that values reach were taken; None
            where they are those of the calibration images.
        recipe: Name of the quantization recipe.
        hard_swish: What it was asked to make of hard-swish.
        target: Where the file is to run: `phone` or `x86`.
        budget_percent: How much more modelled cost than the cheapest file it was allowed; in files of version
            7 and older, than without channel copies. None: the cheapest forms that are accurate enough.
        io: dtype of the int8 file's input and output.
        float_path: The float file.
        float_size_bytes: Size of the float file.
        float_sha256: SHA-256 of the float file.
        float_from_cache: An earlier run converted the float file; it lay in the cache.
        int8_path: The int8 file.
        int8_size_bytes: Size of the int8 file.
        int8_sha256: SHA-256 of the int8 file.
        checks: What was checked of the int8 file.
        recipe_report: What the recipe did; None in files of version 1, which does not tell.
        findings: What both files' answers to calibration images show; empty in files of version 4 and older.
        warnings: What the user must know before shipping, with the findings in words.
        timings_s: Step to seconds of wall time; images are read while the float file is made.
        versions: Package to version.
    """

    FORMAT: ClassVar[Format] = Format(
        "quantize",
        (
            _without_report,
            _without_cache,
            facts_of_variant,
            _without_findings,
            _without_budget,
            _without_statistics,
            _without_target,
        ),
    )
    schema_version: int = FORMAT.version
    name: str
    model: ModelFacts
    source: ModelSource | None
    variant: VariantInfo | None
    weights: WeightsInfo | None
    calibration: CalibrationManifest
    statistics: UsedStatistics | None
    recipe: str
    hard_swish: str
    target: str
    budget_percent: float | None
    io: str
    float_path: str
    float_size_bytes: int
    float_sha256: str
    float_from_cache: bool
    int8_path: str
    int8_size_bytes: int
    int8_sha256: str
    checks: ModelChecks
    recipe_report: RecipeReport | None
    findings: tuple[Noticed, ...]
    warnings: tuple[str, ...]
    timings_s: dict[str, float]
    versions: dict[str, str]
