"""The float file of a graph: from the cache, or built and converted while something else is done."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from edge_mnv3.core import cache
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.memory import give_back_freed_memory
from edge_mnv3.core.native_output import captured_native_output
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.versions import TENSORFLOW_PACKAGES, __version__, versions
from edge_mnv3.model.graphs import ResolvedGraph, build_graph

WAITING = "building the network and converting it to a float .tflite"  # the step in which a stage waits
_CONVERT_S = 9.0  # importing, building and converting, on two x86-64 cores
# What decides how a graph is built and converted, beside TensorFlow and Keras.
SOURCES = (
    "edge_mnv3.model.arch",
    "edge_mnv3.model.blocks",
    "edge_mnv3.model.builder",
    "edge_mnv3.model.graphs",
    "edge_mnv3.model.keras_settings",
    "edge_mnv3.model.weight_files",
    "edge_mnv3.model.weights",
    "edge_mnv3_quantization.convert",
)


class FloatFile(NamedTuple):
    """A float `.tflite` file.

    Attributes:
        content: Its bytes.
        from_cache: It was converted by an earlier run.
        timings_s: Step to seconds of wall time: `read_cache`, or `import`, `build` and `convert_float`.
    """

    content: bytes
    from_cache: bool
    timings_s: dict[str, float]


class _StoppedError(Exception):
    """Nobody waits for the file any more."""


def converter_versions() -> dict[str, str] | None:
    """Returns the versions of Python, TensorFlow, Keras and this package, on which a conversion depends.

    Returns:
        Package to version; None where TensorFlow or Keras has another name, and so no version to be told by.
    """
    installed = versions((*TENSORFLOW_PACKAGES, "keras"))
    known = any(package in installed for package in TENSORFLOW_PACKAGES) and "keras" in installed
    return {**installed, "edge-mnv3": __version__} if known else None


def float_file_key(graph: ResolvedGraph) -> str | None:
    """Returns the key of a graph's float file in the cache; None if the file is not to be kept.

    Random weights differ from run to run, and a TensorFlow of unknown name has no version to be told by.
    """
    installed = converter_versions()
    sources = cache.sha256_sources(SOURCES)
    if graph.weights.sha256 is None or sources is None or installed is None:
        return None
    request = graph.request
    return cache.cache_key(
        "float file of a variant",
        {
            "size": request.variant.size,
            "minimalistic": bool(request.variant.minimalistic),
            "alpha": float(request.variant.alpha),
            "input_size_px": graph.input_size_px,
            "classes": graph.classes,
            "include_softmax": request.include_softmax,
            "weights": graph.weights.sha256,
            "versions": installed,
            "sources": sources,
        },
    )


@dataclass(frozen=True, slots=True)
class FloatFileMaker:
    """Where a float file comes from.

    Attributes:
        result: Waits for the file.
        expected_s: Seconds until it is there, on two x86-64 cores.
    """

    result: Callable[[], FloatFile]
    expected_s: float


@contextmanager
def float_file(graph: ResolvedGraph, *, use_cache: bool, reporter: Reporter) -> Iterator[FloatFileMaker]:
    """Gets a graph's float file while the block does something else.

    What the cache has is read at once, and TensorFlow is not imported. Otherwise a thread imports it, builds
    the graph and converts it. When the block ends early, the thread ends with the step that it is at.

    Args:
        graph: What to convert.
        use_cache: Take the file from the cache, and keep it there.
        reporter: Warned of a cache that cannot be used.

    Yields:
        Its `result` raises `ConversionError` if the converter refuses the graph.
    """
    started = time.perf_counter()
    key = float_file_key(graph) if use_cache else None
    kept = cache.get(key, reporter) if key else None
    if kept is not None:
        taken = FloatFile(kept, True, {"read_cache": time.perf_counter() - started})
        yield FloatFileMaker(lambda: taken, 0.0)
        return
    stopped = threading.Event()
    pool = ThreadPoolExecutor(1, "float-file")
    making = pool.submit(_converted, graph, stopped)

    def made() -> FloatFile:
        file = making.result()
        give_back_freed_memory()  # a network of Keras, and what the converter made of it
        # Weights that were replaced after they had been hashed are not those of the key.
        if key and graph.weights_path and sha256_file(graph.weights_path) == graph.weights.sha256:
            cache.put(key, file.content, reporter)
        return file

    try:
        yield FloatFileMaker(made, _CONVERT_S)
    finally:
        stopped.set()
        pool.shutdown(wait=False)


def _converted(graph: ResolvedGraph, stopped: threading.Event) -> FloatFile:
    """Builds and converts. Keras counts layers' names by thread: a thread of its own gives equal files."""
    laps = [time.perf_counter()]
    with captured_native_output():  # TensorFlow greets on stderr
        from edge_mnv3.model import builder  # noqa: F401
        from edge_mnv3_quantization.convert import convert_float

    laps.append(_lap(stopped))
    model = build_graph(graph, batch_size=1)
    laps.append(_lap(stopped))
    content = convert_float(model)
    laps.append(time.perf_counter())
    steps = ("import", "build", "convert_float")
    seconds = (end - begin for begin, end in itertools.pairwise(laps))
    return FloatFile(content, False, dict(zip(steps, seconds, strict=True)))


def _lap(stopped: threading.Event) -> float:
    if stopped.is_set():
        raise _StoppedError
    return time.perf_counter()
