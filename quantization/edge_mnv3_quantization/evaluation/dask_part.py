"""Some shards that one Dask worker does, and who cannot have which of their images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge_mnv3.core.choices import DEFAULT_PREPROCESS
from edge_mnv3.core.errors import InputFileError, UnusableImageError
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3_quantization.evaluation.dask_worker import Place, Unopened
from edge_mnv3_quantization.evaluation.evaluating import Shard

_LOOK_SHAPE = ImageShape.square(32)  # at which an image is read only to see whether it can be


@dataclass(slots=True, eq=False)
class Part:
    """Some shards that one worker does.

    Attributes:
        shards: The shards.
        alone: Nothing else may be on its way: what it was with has ended workers.
        copies: Name of each copy that is on its way to its future.
        since: When the last copy was given away.
        closed: Worker to the images that it cannot have.
        absent: Images that nobody can have.
        last: The worker that could not have an image last, and the image.
    """

    shards: list[Shard]
    alone: bool = False
    copies: dict[str, Any] = field(default_factory=dict)
    since: float = 0.0
    closed: dict[str, set[Place]] = field(default_factory=dict)
    absent: set[Place] = field(default_factory=set)
    last: tuple[str, Unopened] = ("", Unopened(Place(0, 0), "", ""))

    @property
    def unable(self) -> set[str]:
        """Workers that cannot have one of its images, which others may have."""
        return {worker for worker, places in self.closed.items() if places - self.absent}

    def each_alone(self) -> list[Part]:
        """A part for each shard, with what is known of its images."""
        return [
            Part(
                [shard],
                alone=True,
                closed={worker: _within(places, number) for worker, places in self.closed.items()},
                absent=_within(self.absent, number),
            )
            for number, shard in enumerate(self.shards)
        ]

    @property
    def text(self) -> str:
        """Its first and its last image."""
        first, last = self.shards[0], self.shards[-1]
        return f"{first.images.name(first.indices[0])} to {last.images.name(last.indices[-1])}"

    def leave_out(self, places: set[Place]) -> None:
        """Notes images that no worker can have.

        Raises:
            InputFileError: This machine can have one of them.
        """
        worker, unopened = self.last
        for place in sorted(places):
            shard = self.shards[place.shard]
            if _is_here(shard, place.image):
                name = shard.images.name(shard.indices[place.image])
                reason = unopened.reason if place == unopened.place else "no file that can be opened"
                raise not_shared(worker, Unopened(place, name, reason))
        self.absent |= places
        self.shards = [
            shard._replace(absent=frozenset(place.image for place in _within(self.absent, number)))
            for number, shard in enumerate(self.shards)
        ]


def _within(places: set[Place], number: int) -> set[Place]:
    """Images of one shard, as if it were the only one."""
    return {Place(0, place.image) for place in places if place.shard == number}


def not_shared(worker: str, unopened: Unopened, got: str = "") -> InputFileError:
    """The error of an image that a worker cannot have, though it is there."""
    return InputFileError(
        f"image {unopened.name} on Dask worker {worker}",
        got or unopened.reason,
        "a file that all workers see under the path that it has here",
        "put the images into a folder that all machines share",
    )


def _is_here(shard: Shard, place: int) -> bool:
    """Whether this machine can have an image."""
    try:
        shard.images.load(shard.indices[place], shape=_LOOK_SHAPE, preprocess=DEFAULT_PREPROCESS)
    except UnusableImageError:
        return True
    except (InputFileError, MemoryError):
        return False
    return True
