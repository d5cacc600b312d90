"""Errors: one line each, and they survive a process boundary."""

from __future__ import annotations

import pickle

import pytest

from edge_mnv3.core import errors
from edge_mnv3.core.errors import EdgeMnv3Error

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, EdgeMnv3Error)]


@pytest.mark.parametrize("kind", CLASSES)
def test_pickles_with_its_facts(kind: type[EdgeMnv3Error]) -> None:
    error = pickle.loads(pickle.dumps(kind("file x", "y", "z", "do w")))
    assert type(error) is kind
    assert (error.what, error.got, error.expected, error.next_step) == ("file x", "y", "z", "do w")
    assert str(error) == "file x: got y, expected z; do w"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("a",), "a"),
        (("a", "b"), "a: got b"),
        (("a", "", "c"), "a: expected c"),
        (("a", "", "", "d"), "a; d"),
        (("a", "two\nlines  of\ttext"), "a: got two lines of text"),
    ],
)
def test_text_is_one_line(arguments: tuple[str, ...], text: str) -> None:
    assert str(EdgeMnv3Error(*arguments)) == text
