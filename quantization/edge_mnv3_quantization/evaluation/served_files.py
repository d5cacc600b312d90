"""Files behind URLs that images of a run were read from: whether they stayed what they were."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.images import ImageSource

_ASK_EACH_S = 20.0  # what a killed run has read since then is read again


class ServedFiles:
    """The files that a run has read images of, and what their servers said of them."""

    def __init__(self, images: ImageSource, clock: Callable[[], float] = time.monotonic) -> None:
        """Asks nothing yet.

        Args:
            images: The images of the run.
            clock: Seconds.
        """
        self._images, self._clock = images, clock
        self._asked_s = clock()
        self._read: dict[str, int] = {}  # URL to one of its images
        self._unsettled: set[str] = set()
        self._untold: set[str] = set()

    def add(self, indices: Sequence[int]) -> None:
        """Notes images that were read."""
        for index in indices:
            remote = self._images.remote(index)
            if remote is not None:
                self._read.setdefault(remote.url, index)
                if not remote.settled:
                    self._unsettled.add(remote.url)

    @property
    def due(self) -> bool:
        """Whether servers are to be asked again while the run goes on."""
        return bool(self._read) and self._clock() - self._asked_s > _ASK_EACH_S

    def same(self) -> Collection[str]:
        """Asks the servers of the files that were read since they were asked last.

        Returns:
            URLs of those that are what they were when the run began; where that cannot be told, none.

        Raises:
            InputFileError: One is another file now: labels are of the old one, pixels may be of the new one.
        """
        asked = list(self._read)
        answers: Mapping[str, bool | None] = (
            dict(zip(asked, self._images.still_served(list(self._read.values())), strict=True))
            if asked
            else {}
        )
        self._read.clear()
        self._asked_s = self._clock()
        for url, still in answers.items():
            if still is False:
                raise InputFileError(
                    f"file {url}",
                    "changed while its images were read",
                    "one that stays as it is",
                    "run it again",
                )
        self._untold.update(url for url, still in answers.items() if still is None)
        return {url for url, still in answers.items() if still}

    @property
    def untold(self) -> tuple[str, ...]:
        """Tells in a line of which files no server said whether they stayed what they were."""
        if not self._untold:
            return ()
        return (
            f"the server does not tell whether {_named(self._untold)} changed while images of it were read: "
            "if so, the figures are of a mixture",
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Tells in a line of which files the answers will not be taken from the store."""
        if not self._unsettled:
            return ()
        return (
            f"answers to the images of {_named(self._unsettled)} are not taken from the store next time: the "
            "server tells no ETag, and no time of change that is an hour old",
        )


def _named(urls: Collection[str]) -> str:
    """One file by its URL, or how many and the first of them."""
    return f"{len(urls)} files, such as {min(urls)}," if len(urls) > 1 else min(urls)
