"""Values of options that are lists, separated by commas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

LIST_ITEM = "list_item"  # of the callback of an option that is a list: click's type of one value


def list_of(item: Any) -> Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...]]:
    """Makes the callback of an option that takes several values of one type, each once, in the order given.

    Args:
        item: click's type of one value, such as `click.IntRange(min=1)`.

    Returns:
        A callback that gives the values, none where the option is not given; it raises `click.BadParameter`.
    """

    def read(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[Any, ...]:
        words = [] if text is None else [word.strip() for word in text.split(",")]
        return tuple(dict.fromkeys(item.convert(word, parameter, context) for word in words))

    vars(read)[LIST_ITEM] = item
    return read
