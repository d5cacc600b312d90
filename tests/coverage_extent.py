"""What coverage measures of what tests run: not everything, for it costs time.

Of the processes that tests start, only those of tests marked `measured_processes`. Coverage puts a variable
into the environment, by which every Python that is started measures itself. That costs 0.15 s of processor
time for each of a thousand processes, and slows TensorFlow in the long ones; nearly all run lines that other
tests run in the tests' own process. What marked tests' processes run, runs nowhere else.

In the tests' own process, everything but tests marked `unmeasured`: those of whole models, of which nearly
all lines run in other tests too. Python tells a tracer of each line of Keras and TensorFlow as well.
"""

from __future__ import annotations

import os
from typing import Protocol

import pytest

_VARIABLE = "COVERAGE_PROCESS_CONFIG"
_kept: dict[str, str] = {}


class _Controller(Protocol):
    started: bool

    def pause(self) -> None: ...
    def resume(self) -> None: ...


def measure_for(item: pytest.Item) -> None:
    """Measures what a test and its fixtures run as far as its marks say; without coverage, does nothing."""
    _measure_processes(measured=item.get_closest_marker("measured_processes") is not None)
    measure_here(item.config, measured=item.get_closest_marker("unmeasured") is None)


def measure_here(config: pytest.Config, *, measured: bool) -> bool:
    """Lets coverage measure this process, or not.

    Returns:
        Whether it did so before.
    """
    controller: _Controller | None = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if controller is None:
        return False
    before = controller.started
    if before and not measured:
        controller.pause()
    elif measured and not before:
        controller.resume()
    return before


def _measure_processes(*, measured: bool) -> None:
    """Takes the variable out of the environment, or puts it back; without coverage there is none."""
    if _VARIABLE in os.environ:
        _kept[_VARIABLE] = os.environ.pop(_VARIABLE)
    if measured:
        os.environ.update(_kept)
