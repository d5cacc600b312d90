"""Versions of what a result depends on."""

from __future__ import annotations

__version__ = "0.1.0"

_VERSIONED = ("edge-mnv3", "tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    import importlib.metadata
    import platform

    found = {"python": platform.python_version()}
    for package in _VERSIONED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
