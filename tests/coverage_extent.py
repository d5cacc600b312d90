"""What coverage measures of what tests run: not everything, for it costs time.

Of the processes that tests start, only those of tests marked `measured_processes`. Coverage puts a variable
into the environment, by which every Python that is started measures itself. That costs 0.15 s of processor
time for each of a thousand processes, and slows TensorFlow in the long ones; nearly all run lines that other
tests run in the tests' own process. What marked tests' processes run, runs nowhere else.

In the tests' own process, everything but tests marked `unmeasured`: those of whole models, and those on
phones under an older adb, of which nearly all lines run in other tests too. Python tells a tracer of each
line of Keras and TensorFlow as well.

A worker of pytest-xdist is measured by pytest-cov, once it has been told that it is a worker. Before, it
takes the worker for the process that starts workers, and measures that; and coverage's variable would have
the worker measure itself. Either goes on wherever the marks stop the measurement that counts, and is thrown
away. So workers are started without the variable, and the first measurement is stopped; a test that would be
measured all the same is an error.
"""

from __future__ import annotations

import os
from typing import Protocol

import pytest

_VARIABLE = "COVERAGE_PROCESS_CONFIG"
_kept: dict[str, str] = {}


class _Measuring(Protocol):
    def current(self) -> object | None: ...


class _Controller(Protocol):
    started: bool
    cov: _Measuring

    def pause(self) -> None: ...
    def resume(self) -> None: ...


def measure_for(item: pytest.Item) -> None:
    """Measures what a test and its fixtures run as far as its marks say; without coverage, does nothing."""
    measured = item.get_closest_marker("unmeasured") is None
    _measure_processes(measured=measured and item.get_closest_marker("measured_processes") is not None)
    measure_here(item.config, measured=measured)


def start_workers_unmeasured() -> None:
    """Takes coverage's variable out of the environment, for what is started from now on."""
    os.environ.pop(_VARIABLE, None)


def stop_measuring_as_master(config: pytest.Config) -> None:
    """Stops the measurement that pytest-cov began in a worker before it knew it for one."""
    controller = _controller(config)
    if controller is not None:
        controller.pause()  # whether it says that it has started or not


def measure_here(config: pytest.Config, *, measured: bool) -> bool:
    """Lets coverage measure this process, or not.

    Returns:
        Whether it did so before.
    """
    controller = _controller(config)
    if controller is None:
        return False
    before = controller.started
    if before and not measured:
        controller.pause()
        if controller.cov.current() is not None:
            raise pytest.UsageError(
                "coverage: got a second measurement in this process, which measures what is marked "
                f"unmeasured, expected one; start the process without the variable {_VARIABLE}"
            )
    elif measured and not before:
        controller.resume()
    return before


def _controller(config: pytest.Config) -> _Controller | None:
    controller: _Controller | None = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    return controller


def _measure_processes(*, measured: bool) -> None:
    """Takes the variable out of the environment, or puts it back; without coverage there is none."""
    if _VARIABLE in os.environ:
        _kept[_VARIABLE] = os.environ.pop(_VARIABLE)
    if measured:
        os.environ.update(_kept)
