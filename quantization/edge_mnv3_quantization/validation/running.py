"""Files run over images by several threads, as a phone would run them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy.typing as npt

from edge_mnv3.core.choices import DEFAULT_RUNTIME, Kernels, RuntimeName
from edge_mnv3.core.errors import InputFileError, ModelFileError
from edge_mnv3.core.images import ImageSource
from edge_mnv3.core.parallel import available_cores
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.images import ImageShape, SkippedImage
from edge_mnv3.core.runtime import LoadedModel, open_model

_POLL_S = 0.1
A = TypeVar("A")


class RunnableFile(NamedTuple):
    """A `.tflite` file and the kernels that run it."""

    path: Path
    kernels: Kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How files are run over images.

    Attributes:
        preprocess: Key of `PREPROCESSES`.
        runtime: TFLite runtime to use.
        workers: Threads, each with interpreters of one thread; None for one a core.
    """

    preprocess: str
    runtime: RuntimeName = DEFAULT_RUNTIME
    workers: int | None = None


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
    read: Callable[[list[npt.NDArray[Any]]], A],
    reporter: Reporter = SILENT,
) -> Run[A]:
    """Runs every file over the same pixels of every image.

    Args:
        files: Files with one input (1, rows, columns, 3 or 1) of the same shape and one output each.
        images: The images, of which all that are available are used.
        settings: How to run the files.
        read: Makes an answer of the files' outputs, (outputs,) each; called from several threads.
        reporter: Its `progress` is told of (images done, images in all), from the calling thread.

    Raises:
        ModelFileError: A file does not load, or takes no image.
    """
    total = images.available or 0
    queue = iter(range(total))
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
            answers[index] = read([model.run(pixels) for model in models])

    # Loading captures the process's output streams, so it stays on this thread.
    loaded = [
        [open_model(file.path, kernels=file.kernels, runtime=settings.runtime) for file in files]
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
