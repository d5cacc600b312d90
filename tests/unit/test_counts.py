"""Numbers in sentences."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3.core.counts import count, listed, rounded, three_digits


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1200, "1,200 images")]
)
def test_numbers_of_things(number: int, words: str) -> None:
    assert count(number, "image") == words


def test_other_plurals() -> None:
    said = [count(number, "launch counts", "launches count") for number in (1, 2)]
    assert said == ["1 launch counts", "2 launches count"]


@given(value=st.floats(-1000, 1000), digits=st.integers(0, 3))
def test_what_rounds_to_zero_has_no_minus(value: float, digits: int) -> None:
    text = f"{rounded(value, digits):+.{digits}f}"
    plain = f"{value:+.{digits}f}"
    assert text == (plain.replace("-", "+") if float(plain) == 0 else plain)


def test_what_is_no_number_stays_none() -> None:
    assert math.isnan(rounded(math.nan, 2))
    assert rounded(math.inf, 2) == math.inf


@pytest.mark.parametrize(
    ("value", "text"), [(1000.4, "1000"), (10.84, "10.8"), (1.0, "1"), (0.012345, "0.0123"), (98765, "98800")]
)
def test_three_digits_count(value: float, text: str) -> None:
    assert three_digits(value) == text


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_in_a_sentence(names: list[str], text: str) -> None:
    assert listed(names) == text
