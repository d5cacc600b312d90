"""Which of the processes that tests start are measured by coverage.

Coverage puts a variable into the environment, by which every Python that is started measures itself. That
costs 0.15 s of processor time for each of a thousand processes, and slows TensorFlow in the long ones; nearly
all run lines that other tests run in the tests' own process. So the variable is kept from processes, except
from those of tests marked `measured_processes`: what those run, runs nowhere else.
"""

from __future__ import annotations

import os

_VARIABLE = "COVERAGE_PROCESS_CONFIG"
_kept: dict[str, str] = {}


def measure_processes(*, measured: bool) -> None:
    """Takes the variable out of the environment, or puts it back; without coverage there is none."""
    if _VARIABLE in os.environ:
        _kept[_VARIABLE] = os.environ.pop(_VARIABLE)
    if measured:
        os.environ.update(_kept)
