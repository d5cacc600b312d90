"""Memory that was freed, and that the C library keeps for later."""

from __future__ import annotations

import ctypes
import sys


def give_back_freed_memory() -> None:
    """Gives memory that was freed back to the system, where the C library can (glibc)."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
