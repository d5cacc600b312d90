"""The pixels of a sample, in memory as long as they are few.

More of them lie in a temporary file that has no name, so that nothing is left of it however the program ends.
They are mapped into memory: what is not being read takes none.
"""

from __future__ import annotations

import tempfile
import weakref
from typing import IO

import numpy as np

from edge_mnv3.core.errors import CalibrationDataError
from edge_mnv3.core.images import Pixels

MOST_BYTES = 500 * 224 * 224 * 3  # as many images as a recipe measures and refits with, of the usual size


class PixelStack:
    """Images of one shape that come one after the other."""

    def __init__(self) -> None:
        self._waiting: list[Pixels] = []
        self._file: IO[bytes] | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, pixels: Pixels) -> None:
        """Adds an image, (rows, columns, channels) uint8.

        Raises:
            CalibrationDataError: The temporary file cannot be written.
        """
        self._count += 1
        self._waiting.append(pixels)
        if self._file is not None or self._count * pixels.nbytes > MOST_BYTES:
            self._write_out()

    def stacked(self) -> Pixels:
        """Returns all images, (N, rows, columns, channels).

        Raises:
            CalibrationDataError: The temporary file cannot be read.
        """
        if self._file is None:
            return np.stack(self._waiting)
        try:
            self._file.flush()
            return np.memmap(self._file, np.uint8, "r", shape=(self._count, *self._shape))
        except OSError as error:
            raise _refused(self._count, error) from error

    def _write_out(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
                weakref.finalize(self, self._file.close)  # a mapping stays
            self._shape = self._waiting[0].shape
            for pixels in self._waiting:
                self._file.write(np.ascontiguousarray(pixels).data)
        except OSError as error:
            raise _refused(self._count, error) from error
        self._waiting = []


def _refused(count: int, error: OSError) -> CalibrationDataError:
    return CalibrationDataError(
        f"the pixels of {count} images in a temporary file",
        error.strerror or str(error),
        f"a place to write to in {tempfile.gettempdir()}",
        "free some, name another folder in TMPDIR, or take fewer --samples",
    )
