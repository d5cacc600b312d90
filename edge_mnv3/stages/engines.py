"""The engine that runs files over images: this machine, or the workers of a Dask scheduler."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mnv3.core.choices import EngineName, LabelMap
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath

if TYPE_CHECKING:
    from edge_mnv3_quantization.evaluation.engines import Engine


def check_engine(engine: EngineName, scheduler: str | None, workers: int | None) -> None:
    """Refuses what does not fit together.

    Raises:
        ArgumentError: With what is missing, or too much.
    """
    if engine == "dask" and scheduler is None:
        raise ArgumentError(
            "--engine dask",
            "no --scheduler",
            "the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786",
        )
    if engine == "dask" and workers is not None:
        raise ArgumentError(
            "--workers", "--engine dask", next_step="leave it out: all workers of the scheduler are used"
        )
    if engine == "local" and scheduler is not None:
        raise ArgumentError("--scheduler", "--engine local", "--engine dask")


def seen_by_all(data: AnyPath, engine: EngineName) -> AnyPath:
    """The place of images as workers see it, who are in another folder.

    Relative paths and patterns are made absolute; URLs and words such as `digits` stay as they are.
    """
    from edge_mnv3_calibration_data.archives.remote_files import is_url
    from edge_mnv3_calibration_data.source_kinds import is_word

    if engine == "local" or is_url(data) or is_word(data):
        return data
    return Path(data).absolute()


def open_images_for(data: AnyPath, engine: EngineName, *, label_map: LabelMap | None = None) -> ImageSource:
    """Does as `open_images`, for an engine whose workers find the images; words name the place as given.

    Raises:
        EdgeMnv3Error: As `open_images` raises.
    """
    from edge_mnv3_calibration_data.source_kinds import open_images

    place = seen_by_all(data, engine)
    images = dataclasses.replace(open_images(place, label_map=label_map), location=str(data))
    if place == data or not images.remarks:
        return images
    # What lies in it is named by words of its own.
    alone = re.compile(rf"(?<!\S){re.escape(str(place))}(?!\S)")
    said = tuple(alone.sub(lambda _: str(Path(data)), remark) for remark in images.remarks)
    return dataclasses.replace(images, remarks=said)  # type: ignore[call-arg]


@contextmanager
def opened_engine(engine: EngineName, scheduler: str | None, reporter: Reporter) -> Iterator[Engine | None]:
    """Connects to a scheduler for the time of a block.

    Args:
        engine: The engine.
        scheduler: The scheduler's address, for Dask.
        reporter: Warned of workers.

    Yields:
        The engine; None for this machine.

    Raises:
        SchedulerError: The scheduler does not answer, or Dask is not installed.
    """
    if engine == "local" or scheduler is None:
        yield None
        return
    from edge_mnv3_quantization.evaluation.dask_engine import DaskEngine

    with DaskEngine(scheduler, reporter) as opened:
        yield opened
