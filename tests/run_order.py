"""The order in which tests are handed to several workers at once.

Groups, whose expensive fixtures are made by one worker, go first, so that none is still running when all
else is done. Tests on emulated phones mostly wait: they are mixed with tests that compute. Within each kind
the order stays as it was, and modules whose fixtures are shared are groups: no fixture is made more often.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

_LONGEST = "test_real_data"


def ordered(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Returns the same tests in the order for several workers."""
    kinds: dict[int, list[pytest.Item]] = {}
    for item in items:
        kinds.setdefault(_kind(item), []).append(item)
    longest, groups, phones, others, units = (kinds.get(kind, []) for kind in range(5))
    return [*longest, *groups, *_mixed(phones, others), *units]


def check_groups(items: Sequence[pytest.Item]) -> None:
    """Makes sure that pytest-xdist will keep groups together: it tells by a mark at the end of their names.

    Raises:
        pytest.UsageError: It will not, and would make the fixtures of a group once for each worker.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid.rpartition("]")[2]:
            raise pytest.UsageError(
                f"{item.nodeid}: got no group from pytest-xdist, expected the one of its mark xdist_group; "
                "install the versions that pyproject.toml names"
            )


def _kind(item: pytest.Item) -> int:
    if item.path.stem == _LONGEST:
        return 0
    if item.get_closest_marker("xdist_group"):
        return 1
    return {"device": 2, "unit": 4}.get(item.path.parent.name, 3)


def _mixed(some: Sequence[pytest.Item], others: Sequence[pytest.Item]) -> list[pytest.Item]:
    places = [
        (number / len(items), kind, item)
        for kind, items in enumerate((some, others))
        for number, item in enumerate(items)
    ]
    return [item for *_, item in sorted(places, key=lambda place: place[:2])]
