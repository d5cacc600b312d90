"""The registry of recipes, and what reads it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.model.arch import parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.stages.quantize import QuantizeRequest
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES


def test_recipes_are_known_by_their_names() -> None:
    assert {name: config.name for name, config in RECIPES.items()} == {name: name for name in RECIPES}
    assert DEFAULT_RECIPE in RECIPES


def test_help_lists_every_recipe() -> None:
    done = CliRunner().invoke(main, ["quantize", "--help"])
    text = " ".join(done.stdout.split())
    assert f"--recipe [{'|'.join(sorted(RECIPES))}]" in text
    for name, config in RECIPES.items():
        assert f"{name}: {config.summary}" in text


def test_policy_that_a_recipe_does_not_take() -> None:
    graph = GraphRequest(variant=parse_variant("small"), input_size_px=32, classes=3, weights="none")
    with pytest.raises(ArgumentError) as caught:
        QuantizeRequest(graph=graph, recipe="stock", hard_swish="fused")
    assert str(caught.value) == (
        "--hard-swish with recipe stock: got fused, expected auto; use --recipe accurate"
    )
