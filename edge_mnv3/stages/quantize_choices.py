"""Choices of `quantize` that go together, and those that one recipe or target does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge_mnv3.core.choices import (
    DEFAULT_HARD_SWISH,
    DEFAULT_TARGET,
    MOST_BUDGET_PERCENT,
    HardSwishPolicy,
    Target,
)
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.requests import AnyPath
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RecipeConfig


class Choices(Protocol):
    """What of a request goes together; see `QuantizeRequest`."""

    @property
    def target(self) -> Target:
        """Where the file is to run."""

    @property
    def hard_swish(self) -> HardSwishPolicy:
        """What becomes of hard-swish."""

    @property
    def budget_percent(self) -> float | None:
        """How much more modelled cost may be spent."""

    @property
    def statistics(self) -> Sequence[AnyPath]:
        """Files of statistics."""


def check_choices(request: Choices, recipe: RecipeConfig) -> None:
    """Refuses choices that the recipe has no use for, and a target from which nothing would follow.

    Raises:
        ArgumentError: With what was expected.
    """
    if request.target != DEFAULT_TARGET and not recipe.chooses_forms:
        raise ArgumentError(
            f"--target with recipe {recipe.name}",
            request.target,
            f"{DEFAULT_TARGET}: it chooses no forms of hard-swish",
            f"use --recipe {DEFAULT_RECIPE}",
        )
    _check_target(request)
    if request.statistics and not recipe.reuses_statistics:
        raise ArgumentError(
            f"--statistics with recipe {recipe.name}",
            "statistics",
            "none: TensorFlow's converter needs the range of each tensor of its own graph, some of which "
            "statistics do not have",
            f"use --recipe {DEFAULT_RECIPE}, or have the converter run over more images, with --samples",
        )
    if request.budget_percent is None:
        return
    if not 0 <= request.budget_percent <= MOST_BUDGET_PERCENT:
        raise ArgumentError(
            "--budget", f"{request.budget_percent:g}", f"0 to {MOST_BUDGET_PERCENT:g} percent of more cost"
        )
    if request.budget_percent and not recipe.copies_channels:
        raise ArgumentError(
            f"--budget with recipe {recipe.name}",
            f"{request.budget_percent:g}",
            "0: it copies no channels",
            f"use --recipe {DEFAULT_RECIPE}",
        )


def _check_target(request: Choices) -> None:
    """Refuses a target other than the default where the file would be that of the default."""
    if request.target == DEFAULT_TARGET:
        return
    if request.budget_percent is None:
        raise ArgumentError(
            f"--target {request.target}",
            "no --budget",
            "one: the target decides how a budget is spent, and nothing else",
            "use --budget 0 for the cheapest file, or a number of percent",
        )
    if request.hard_swish != DEFAULT_HARD_SWISH:
        raise ArgumentError(
            f"--target {request.target} with --hard-swish {request.hard_swish}",
            "one form for every hard-swish",
            f"{DEFAULT_HARD_SWISH}: the target chooses forms",
            "leave one of the two out",
        )
