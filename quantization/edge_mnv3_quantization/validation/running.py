"""Files run over images by several threads, as a phone would run them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import DEFAULT_RUNTIME, Kernels, RuntimeName
from edge_mnv3.core.errors import InputFileError, ModelFileError
from edge_mnv3.core.images import ImageSource, Pixels
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import ImageShape, SkippedImage
from edge_mnv3.core.runtime import LoadedModel, open_model, real_numbers

_POLL_S = 0.1
A = TypeVar("A")


class RunnableFile(NamedTuple):
    """A `.tflite` file, the kernels that run it, and what it is fed."""

    path: Path
    kernels: Kernels
    input_range: InputRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How files are run over images.

    Attributes:
        preprocess: Key of `PREPROCESSES`.
        runtime: TFLite runtime to use.
        workers: Threads, each with interpreters of one thread; None for one a core.
        indices: Which images to run; None for all.
    """

    preprocess: str
    runtime: RuntimeName = DEFAULT_RUNTIME
    workers: int | None = None
    indices: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Generic[A]):
    """What files answered.

    Attributes:
        answers: The answers by the image's index, in ascending order.
        skipped: Images that could not be read, in the order of their index.
    """

    answers: dict[int, A]
    skipped: tuple[SkippedImage, ...]


def run_files(
    files: Sequence[RunnableFile],
    images: ImageSource,
    settings: RunSettings,
    read: Callable[[list[list[npt.NDArray[np.float32]]]], A],
    reporter: Reporter = SILENT,
) -> Run[A]:
    """Runs every file over the same pixels of every image.

    Args:
        files: Files with one input (1, rows, columns, 3 or 1) of the same shape.
        images: The images.
        settings: How to run the files.
        read: Makes an answer of all outputs of each file, in the file's order: real numbers, in the output's
            shape with the batch; called from several threads.
        reporter: Its `progress` is told of (images done, images in all), from the calling thread.

    Raises:
        ModelFileError: A file does not load, or takes no image.
    """
    wanted = range(images.available or 0) if settings.indices is None else settings.indices
    total, queue = len(wanted), iter(wanted)
    lock, stop = threading.Lock(), threading.Event()
    answers: dict[int, A] = {}
    skipped: dict[int, SkippedImage] = {}

    def work(models: list[LoadedModel]) -> None:
        shape = image_shape(files[0].path, models[0])
        while not stop.is_set():
            with lock:
                index = next(queue, None)
            if index is None:
                return
            try:
                pixels = images.load(index, shape=shape, preprocess=settings.preprocess)
            except InputFileError as error:
                skipped[index] = SkippedImage(file=images.name(index), reason=error.got or str(error))
                continue
            answers[index] = read([_outputs(model, pixels) for model in models])

    # Loading captures the process's output streams, so it stays on this thread.
    loaded = [
        [
            open_model(
                file.path, kernels=file.kernels, runtime=settings.runtime, input_range=file.input_range
            )
            for file in files
        ]
        for _ in range(min(settings.workers or available_cores(), max(1, total)))
    ]
    with ThreadPoolExecutor(len(loaded)) as pool:
        futures = [pool.submit(work, models) for models in loaded]
        try:
            _watch(futures, lambda: reporter.progress(len(answers) + len(skipped), total))
        finally:
            stop.set()
    return Run(
        answers={index: answers[index] for index in sorted(answers)},
        skipped=tuple(skipped[index] for index in sorted(skipped)),
    )


def _outputs(model: LoadedModel, pixels: Pixels) -> list[npt.NDArray[np.float32]]:
    return [
        real_numbers(stored, tensor)
        for stored, tensor in zip(model.run_all(pixels), model.outputs, strict=True)
    ]


def image_shape(path: Path, model: LoadedModel) -> ImageShape:
    """Returns the shape of the images that a file takes.

    Args:
        path: The file, for the error.
        model: The file as it is loaded.

    Raises:
        ModelFileError: It takes something else than one RGB or grey image.
    """
    dimensions = model.inputs[0].shape if len(model.inputs) == 1 else ()
    shape = ImageShape.of_input(dimensions)
    if shape is None:
        raise ModelFileError(
            f"model {path}",
            f"an input of shape {dimensions}" if dimensions else f"{len(model.inputs)} inputs",
            "one RGB or grey image, (1, rows, columns, 3 or 1)",
        )
    return shape


def _watch(futures: list[Future[None]], report: Callable[[], None]) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        report()
