"""Memory that is not needed now: freed and kept by the C library, or read from a file that is mapped."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator
from typing import Any

PAGES_OF = 64  # images that are read before what was read of them is let go


def give_back_freed_memory() -> None:
    """Gives memory that was freed back to the system, where the C library can (glibc)."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def forget_pages(array: Any) -> None:
    """Lets go of what was read of a mapped file; it is read again when it is needed.

    Args:
        array: A NumPy array, or a view of one. One that is not mapped, or may be written, stays as it is.
    """
    if array.flags.writeable:
        return
    mapped = array
    while mapped is not None and not isinstance(mapped, mmap.mmap):
        mapped = getattr(mapped, "base", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def each_once(images: Any) -> Iterator[Any]:
    """Goes through an array along its first axis, and keeps little of it in memory if it is mapped."""
    for place, image in enumerate(images):
        yield image
        if place % PAGES_OF == 0:
            forget_pages(images)
    forget_pages(images)
