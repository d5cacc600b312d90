"""Block tables and what follows from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.model import arch
from edge_mnv3.model.arch import VARIANTS, Variant

GOLDEN = Path(__file__).parent.parent / "golden" / "expanded_blocks.json"

# Counted on the graphs of keras.applications 3.15 at 224 px: parameters with top, without top, multiply-adds.
COUNTS = {
    Variant("small", False, 0.75): (2_051_552, 583_160, 43.4),
    Variant("small", False, 1.0): (2_554_968, 939_120, 56.5),
    Variant("small", True, 0.75): (1_742_192, 273_800, 40.1),
    Variant("small", True, 1.0): (2_056_848, 441_000, 52.3),
    Variant("large", False, 0.75): (4_012_616, 1_808_736, 154.6),
    Variant("large", False, 1.0): (5_507_432, 2_996_352, 216.6),
    Variant("large", True, 0.75): (3_069_400, 865_520, 148.8),
    Variant("large", True, 1.0): (3_948_688, 1_437_608, 209.1),
}


@pytest.mark.parametrize(("variant", "counts"), COUNTS.items(), ids=lambda value: getattr(value, "name", ""))
def test_counts(variant: Variant, counts: tuple[int, int, float]) -> None:
    network = arch.expand(variant)
    with_top = arch.weighted_layers(network)
    assert arch.count_parameters(with_top) == counts[0]
    assert arch.count_parameters(arch.weighted_layers(network, include_top=False)) == counts[1]
    assert round(arch.count_multiply_adds(with_top) / 1e6, 1) == counts[2]


def test_tables_have_the_papers_rows() -> None:
    assert len(arch.LARGE) == 15
    assert len(arch.SMALL) == 11
    assert [block.stride for block in arch.SMALL] == [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1]
    assert sum(block.use_se for block in arch.LARGE) == 8


def test_expanded_blocks_are_golden(pytestconfig: pytest.Config) -> None:
    rows = {
        variant.name: [
            [
                b.in_channels,
                b.exp_channels,
                b.out_channels,
                b.se_channels,
                b.kernel_size,
                b.stride,
                b.activation,
            ]
            for b in arch.expand(variant).blocks
        ]
        for variant in COUNTS
    }
    text = json.dumps(rows, indent=1).replace("\n   ", "").replace("\n  ]", "]") + "\n"
    if pytestconfig.getoption("--update-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_ratio_is_applied_to_the_scaled_width() -> None:
    # Scaling exp_size itself would give make_divisible(88 * 0.75) = 64 for block 2 of small.
    assert arch.expand(Variant("small", False, 0.75)).blocks[2].exp_channels == 88


@given(value=st.floats(1, 5000), divisor=st.sampled_from([4, 8, 16]))
def test_make_divisible(value: float, divisor: int) -> None:
    rounded = arch.make_divisible(value, divisor)
    assert rounded % divisor == 0
    assert rounded >= divisor
    assert rounded >= 0.9 * value
    assert rounded - value <= divisor


@given(
    size=st.sampled_from(["small", "large"]),
    minimalistic=st.booleans(),
    alpha=st.floats(0.05, 3),
    top=st.booleans(),
)
def test_any_network_is_consistent(size: arch.Size, minimalistic: bool, alpha: float, top: bool) -> None:
    network = arch.expand(Variant(size, minimalistic, alpha))
    for before, after in zip(network.blocks, network.blocks[1:], strict=False):
        assert before.out_channels == after.in_channels
    assert all(block.exp_channels % 8 == 0 for block in network.blocks)
    assert all((block.se_channels is None) or not minimalistic for block in network.blocks)
    layers = arch.weighted_layers(network, include_top=top, classes=7)
    assert len({layer.name for layer in layers}) == len(layers)
    assert (layers[-1].name == "logits") == top
    if top:
        assert layers[-1].shapes[-1] == (7,)
    else:
        assert layers[-1].name == "conv_1_bn"


def test_parse_variant() -> None:
    assert arch.parse_variant("small_minimalistic") == Variant("small", True, 1.0)
    assert arch.parse_variant("large_0.75") == Variant("large", False, 0.75)
    assert arch.parse_variant("large_0.75", 0.75).name == "large_0.75"
    assert arch.parse_variant("small", 1).name == "small_1.0"
    assert set(VARIANTS) == {
        "small", "small_minimalistic", "large", "large_minimalistic", "small_0.75", "large_0.75"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "alpha", "text"),
    [
        ("medium", None, "variant: got 'medium', expected one of small, small_minimalistic, large"),
        (
            "small_0.75",
            0.5,
            "alpha of variant small_0.75: got 0.5, expected 0.75; use --variant small --alpha 0.5",
        ),
        ("small", 0.0, "alpha: got 0.0, expected a finite number greater than 0"),
        ("small", -1.0, "alpha: got -1.0, expected a finite number greater than 0"),
        ("small", float("nan"), "alpha: got nan, expected a finite number greater than 0"),
        ("small", float("inf"), "alpha: got inf, expected a finite number greater than 0"),
    ],
)
def test_parse_variant_refuses(name: str, alpha: float | None, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        arch.parse_variant(name, alpha)
    assert str(caught.value).startswith(text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("alpha", [True, "1", None, [1]])
def test_check_alpha_refuses_what_is_no_number(alpha: object) -> None:
    with pytest.raises(ArgumentError, match="expected a finite number greater than 0"):
        arch.check_alpha(alpha)  # type: ignore[arg-type]
