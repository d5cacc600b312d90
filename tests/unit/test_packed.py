"""Columns without an object for each value."""

import pickle
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mnv3_calibration_data.packed import Coded, Texts

# Names of files may hold bytes that are no UTF-8, which Python writes as lone surrogates.
NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["\udcff", "a\udc80b"]))
VALUES = st.lists(st.none() | st.integers(-3, 3) | st.text("ab", max_size=1))


@given(names=NAMES)
def test_texts_are_what_was_given(names: list[str]) -> None:
    assert list(Texts(names)) == names
    assert list(pickle.loads(pickle.dumps(Texts(names)))) == names


@given(values=VALUES, cut=st.slices(6))
def test_columns_are_read_like_tuples(values: list[int | str | None], cut: slice) -> None:
    texts = list(map(str, values))
    both: list[tuple[Sequence[object], list[Any]]] = [(Coded(values), values), (Texts(texts), texts)]
    for column, wanted in both:
        assert len(column) == len(wanted)
        assert list(column[cut]) == wanted[cut]
        assert list(reversed(column)) == wanted[::-1]
        for beyond in (len(wanted), -len(wanted) - 1):
            with pytest.raises(IndexError):
                column[beyond]


@given(values=VALUES)
def test_different_values_are_kept_once(values: list[int | str | None]) -> None:
    coded = Coded(values)
    assert list(coded.distinct) == list(dict.fromkeys(values))
    asked: list[object] = []

    def change(value: object) -> bool:
        asked.append(value)
        return isinstance(value, str)

    assert list(coded.mapped(change)) == [isinstance(value, str) for value in values]
    assert asked == list(coded.distinct)
    assert list(coded) == values
    wanted = next((place for place, value in enumerate(values) if value is None), None)
    assert coded.first(lambda value: value is None) == wanted


def test_a_value_can_be_changed() -> None:
    coded = Coded(["a", "b", "a"])
    coded[-1] = "c"
    assert list(coded) == ["a", "b", "c"]
    with pytest.raises(IndexError):
        coded[3] = "d"
