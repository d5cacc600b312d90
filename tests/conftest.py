"""Fixtures that all tests share."""

from __future__ import annotations

import atexit
import gc
import os
import tempfile
from pathlib import Path

import pytest

from coverage_extent import measure_for, start_workers_unmeasured, stop_measuring_as_master
from examples_count import register_profiles
from run_order import check_groups, ordered
from shared_conversions import share_conversions

# Before anything imports them: TensorFlow's messages off, Keras on TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# What tests convert is kept for other tests, not in the user's own cache. Workers share the conversions.
_CACHE = tempfile.TemporaryDirectory(prefix="edge-mnv3-cache-")
atexit.register(_CACHE.cleanup)
os.environ["EDGE_MNV3_CACHE"] = _CACHE.name
share_conversions(Path(_CACHE.name) / "converted")

register_profiles()

CHECKOUT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the files in tests/golden")
    parser.addoption(
        "--whole-grid", action="store_true", help="compare every combination of builder arguments"
    )
    parser.addoption(
        "--all-forms", action="store_true", help="convert every form of Keras models, not a few of each kind"
    )
    parser.addoption(
        "--all-mutations", action="store_true", help="change saved Keras models in 500 ways, not in a few"
    )
    parser.addoption(
        "--run-device", metavar="SERIAL", help="run the tests marked device_capable on this phone too"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Before pytest-xdist starts its workers."""
    start_workers_unmeasured()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Before pytest-cov measures what a worker runs."""
    if hasattr(session.config, "workerinput"):
        stop_measuring_as_master(session.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the fixtures, of whatever scope."""
    measure_for(item)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of pytest-xdist's workers, all of which must see the same order
        items[:] = ordered(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is loaded by now stays until the end: the garbage collector need not go through it each time."""
    if session.config.getoption("loadgroup", default=False):
        check_groups(session.items)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real weights and labelled images, which are no part of the project."""
    folder = Path(os.environ.get("EDGE_MNV3_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data in {folder}; set EDGE_MNV3_TEST_DATA")
    return folder
