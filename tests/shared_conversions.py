"""Float files that the workers of one run convert for each other.

TensorFlow takes seconds to build and convert a network, and several workers need the same ones. The rest of
their caches, such as unfinished launches on phones that look alike, stays their own.
"""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "EDGE_MNV3_TEST_CONVERSIONS"


def share_conversions(folder: Path) -> None:
    """Makes the folder: that of the process that started this worker, where pytest-xdist did so."""
    shared = os.environ.get(_VARIABLE)
    if shared and "PYTEST_XDIST_WORKER" in os.environ:
        folder.symlink_to(shared, target_is_directory=True)
    else:
        folder.mkdir()
        os.environ[_VARIABLE] = str(folder)
