"""Several workers: the order of tests, and groups that stay together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from run_order import check_groups, ordered


def item(path: str, group: str | None = None, nodeid: str | None = None) -> Any:
    return SimpleNamespace(
        path=Path(path),
        nodeid=nodeid or path,
        get_closest_marker=lambda name: group and pytest.mark.xdist_group,
    )


def test_what_takes_long_goes_first_and_phones_are_mixed_with_the_rest() -> None:
    items = [
        *(item(f"device/test_{number}.py") for number in range(2)),
        *(item(f"integration/test_{number}.py") for number in range(4)),
        item("integration/test_grouped.py", "g"),
        item("integration/test_real_data.py"),
        item("unit/test_0.py"),
    ]
    assert [str(one.path) for one in ordered(cast("list[pytest.Item]", items))] == [
        "integration/test_real_data.py",
        "integration/test_grouped.py",
        "device/test_0.py",
        "integration/test_0.py",
        "integration/test_1.py",
        "device/test_1.py",
        "integration/test_2.py",
        "integration/test_3.py",
        "unit/test_0.py",
    ]


def test_groups_that_would_be_torn_apart_are_refused() -> None:
    check_groups([item("a.py"), item("a.py", "g", "a.py::t[x@y]@g"), item("a.py", "g", "a.py::t@g")])
    with pytest.raises(pytest.UsageError, match=r"t\[x@y\]: got no group from pytest-xdist"):
        check_groups([item("a.py", "g", "a.py::t[x@y]")])
