"""The packaged costs of hard-swish's forms."""

from __future__ import annotations

import pytest

from edge_mnv3.core.hard_swish_costs import parse_form_costs, read_form_costs

TEXT = """
[[forms]]
form = "gate"
cpu = "a76"
cycles_each = 100
cycles_per_element = 3.0
cycles_per_pixel = 10.0
bytes_per_element = 4
"""


def test_cycles_of_an_operator() -> None:
    """2 x 4 places of 8 channels; 256 bytes are four lines of 20 cycles."""
    cost = parse_form_costs(TEXT)["gate", "a76"]
    low = 100 + 3 * 64 + 10 * 8
    assert cost.cycles(2, 4, 8) == pytest.approx((low, low + 4 * 20))


@pytest.mark.parametrize("text", ["", "[[forms]]\nform = 'gate'", TEXT + "more = 1"])
def test_costs_that_are_no_costs(text: str) -> None:
    with pytest.raises(ValueError, match="costs of hard-swish: "):
        parse_form_costs(text)


@pytest.mark.parametrize("cpu", ["a73", "a76", "x3"])
def test_a_table_is_the_cheapest_form(cpu: str) -> None:
    """Scales per channel take a convolution and a product."""
    costs = read_form_costs()
    table, operator, gate = (costs[form, cpu].cycles(112, 112, 16) for form in ("table", "operator", "gate"))
    assert table[0] < operator[0] < gate[0]
    assert table[1] < operator[1] < gate[1]
