"""What is known of calibration statistics, and the results of the commands that make and read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.images import ImageShape, SkippedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedImages:
    """Images of one source that were counted, or some of its shards.

    Attributes:
        sha256: Hash of the names of the images that were chosen, of all shards, in their order, of the sizes
            of their files, and of the bytes of some. Earlier versions took the names alone.
        location: Where they came from, in the user's words; the first one in the alphabet of several.
        shards: Numbers of the shards that were counted, from 1 on; all of them together are shard 1 of 1.
        of: How many shards there are.
    """

    sha256: str
    location: str
    shards: tuple[int, ...] = (1,)
    of: int = 1

    @property
    def text(self) -> str:
        """For people: `photos`, or `photos, shards 2, 3 of 7`."""
        return self.location if self.of == 1 else f"{self.location}, {self.shards_text}"

    @property
    def shards_text(self) -> str:
        """For people: `shards 2, 3 of 7`."""
        several = "s" if len(self.shards) > 1 else ""
        return f"shard{several} {', '.join(map(str, self.shards))} of {self.of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFacts:
    """What a file of calibration statistics says of itself.

    Attributes:
        network_sha256: Hash of the network's operators and weights up to the softmax, and of its input's
            range: what the statistics belong to.
        models_sha256: SHA-256 of the float files that were run, ascending.
        input_shape: Shape of the images.
        preprocess: Name of the preprocessing.
        data: The images, by their sources.
        images: Number of images that were counted.
        repeated: How many of them have the pixels of another one.
        skipped: Images that could not be read, ascending.
        channels: Channels of each value that was observed.
        environments: Runtime, NumPy, decoders and a hash of the processor's features, for each that there
            was, ascending.
        sha256: Hash over the statistics and the hashes of all images.
    """

    FORMAT: ClassVar[Format] = Format("calibration statistics")
    schema_version: int = FORMAT.version
    network_sha256: str
    models_sha256: tuple[str, ...]
    input_shape: ImageShape
    preprocess: str
    data: tuple[CountedImages, ...]
    images: int
    repeated: int
    skipped: tuple[SkippedImage, ...]
    channels: tuple[int, ...]
    environments: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsResult:
    """A file of calibration statistics, as `statistics collect`, `merge` and `show` tell it.

    Attributes:
        path: The file; of several that are only shown, the first.
        size_bytes: Its size; of several the sum.
        facts: What it says of itself; of several, what they say together.
        observed: Images that were run through the float model now.
        reused: Images that an interrupted run had counted.
        images_per_s: Images a second of those that were run now; None where none were.
        warnings: What the user must know.
        versions: Package to version.
    """

    FORMAT: ClassVar[Format] = Format("statistics")
    schema_version: int = FORMAT.version
    path: str
    size_bytes: int
    facts: StatisticsFacts
    observed: int
    reused: int
    images_per_s: float | None
    warnings: tuple[str, ...]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedStatistics:
    """Statistics that `quantize` was given.

    Attributes:
        paths: Their files.
        sha256: Hash over the statistics and the hashes of all images.
        images: Number of images that were counted.
        data: The images, by their sources.
    """

    paths: tuple[str, ...]
    sha256: str
    images: int
    data: tuple[CountedImages, ...]
