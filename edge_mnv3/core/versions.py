"""Versions of what a result depends on."""

from __future__ import annotations

from collections.abc import Sequence

__version__ = "1.0.0"

TENSORFLOW_PACKAGES = ("tensorflow-cpu", "tensorflow")  # a system has one of them
# The versions that the extras take; a test compares them with `pyproject.toml`.
OLDEST_TENSORFLOW = (2, 19)
UNTRIED_TENSORFLOW = (2, 22)  # from here on
PIPELINE_PACKAGES = (
    "edge-mnv3",
    *TENSORFLOW_PACKAGES,
    "keras",
    "ai-edge-litert",
    "numpy",
    "pillow",
)


def versions(packages: Sequence[str] = PIPELINE_PACKAGES) -> dict[str, str]:
    """Returns the versions of Python and of those of the packages that are installed."""
    import importlib.metadata
    import platform

    installed = {"python": platform.python_version()}
    for package in packages:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
