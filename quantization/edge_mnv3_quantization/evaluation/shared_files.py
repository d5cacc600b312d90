"""Files that other machines read, held against those here."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mnv3.core.errors import InputFileError
from edge_mnv3_quantization.evaluation.contents import Hashed, same_here
from edge_mnv3_quantization.evaluation.evaluating import Shard


def refuse_other_files(shard: Shard, files: Sequence[Hashed | None]) -> None:
    """Refuses what a worker read under a path that is another file here: lists and labels are this machine's.

    Args:
        shard: The images.
        files: What the worker read of each, as `decoded` tells it.

    Raises:
        InputFileError: With the first image.
    """
    for index, file in zip(shard.indices, files, strict=True):
        content = shard.images.content(index)
        if content is None or content.path is None or content.part or file is None:
            continue  # its bytes are checked when it is read
        if not same_here(content.path, file):
            raise InputFileError(
                f"image {shard.images.name(index)}",
                "other bytes on a worker than here",
                "the same file on all machines",
                "share the folder, or copy it again",
            )
