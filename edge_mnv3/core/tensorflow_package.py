"""Whether TensorFlow is here: told without importing it, and before any work that would be in vain."""

from __future__ import annotations

import importlib.util
import re
import sys

from edge_mnv3.core.errors import MissingExtraError, RuntimeUnavailableError
from edge_mnv3.core.versions import OLDEST_TENSORFLOW, TENSORFLOW_PACKAGES, versions

TENSORFLOW_EXTRAS = "pip install 'edge-mnv3[tensorflow-cpu]', or pip install 'edge-mnv3[tensorflow]' for GPUs"
_MODULES = ("tensorflow", "keras")
_MINOR_VERSION = re.compile(r"(\d+)\.(\d+)")


def check_tensorflow(what: str) -> None:
    """Refuses work that needs TensorFlow where there is none, or one of the time of Keras 2.

    It does not matter which package brings the module: `tensorflow`, `tensorflow-cpu`, or another build.

    Args:
        what: What needs it, the sentence's subject.

    Raises:
        MissingExtraError: The module `tensorflow` or `keras` is not installed.
        RuntimeUnavailableError: TensorFlow is older than `OLDEST_TENSORFLOW`.
    """
    if not all(map(_is_installed, _MODULES)):
        raise missing_tensorflow(what)
    for package, version in versions(TENSORFLOW_PACKAGES).items():
        found = _MINOR_VERSION.match(version)
        if package != "python" and found and (int(found[1]), int(found[2])) < OLDEST_TENSORFLOW:
            oldest = ".".join(map(str, OLDEST_TENSORFLOW))
            raise RuntimeUnavailableError(
                f"{what} needs a newer TensorFlow",
                f"{package} {version}",
                f"{oldest} or newer",
                f"pip install '{package}>={oldest}'",
            )


def missing_tensorflow(what: str) -> MissingExtraError:
    """Makes the error of work that needs TensorFlow, or h5py, which TensorFlow brings."""
    return MissingExtraError(f"{what} needs TensorFlow, which is not installed", next_step=TENSORFLOW_EXTRAS)


def _is_installed(module: str) -> bool:
    """Whether a module could be imported; a folder that an uninstalled package left behind is none."""
    if sys.modules.get(module) is not None:
        return True
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None
