"""What the quantization of each tensor costs at the logits, alone and together with others.

The float file is run with one of its values rounded to int8 and back, by the int8 file's scale, zero point
and equalization scales, or with one operator's weights replaced by the int8 file's: the error of the logits
is what that tensor alone costs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_mnv3.core.parallel import available_cores, map_in_threads
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.diagnosis.alone import AloneRuns
from edge_mnv3_quantization.diagnosis.equalization_scales import EqualizationScales
from edge_mnv3_quantization.diagnosis.items import Item, fake_quantize, list_items, weights_item
from edge_mnv3_quantization.diagnosis.pair import Pair
from edge_mnv3_quantization.diagnosis.signal_noise import Survey
from edge_mnv3_quantization.graph.network import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Squared errors of the logits relative to their signal: 0.01 is 20 dB.

    Attributes:
        items: The items, the noisiest first.
        alone: The error with each item quantized alone.
        cumulative: The error with the first item, the first two, …, as many as were asked for.
        together: The error with all items at once and the int8 file's biases, against the logits of the float
            file as it was given: what the int8 kernels should give.
    """

    items: tuple[Item, ...]
    alone: tuple[float, ...]
    cumulative: tuple[float, ...]
    together: float


class _Progress:
    """Tells a reporter of runs that are done, from any thread."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self._reporter, self._total, self._done = reporter, total, 0
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            self._done += 1
            self._reporter.progress(self._done, self._total)


def attribute(
    pair: Pair,
    surveyed: Survey,
    images: Images,
    *,
    top: int,
    workers: int | None = None,
    reporter: Reporter = SILENT,
) -> Costs:
    """Quantizes every tensor alone, then the noisiest one after the other, then all.

    Args:
        pair: The files.
        surveyed: What they make of the images.
        images: (N, H, W, channels) uint8.
        top: How many of the noisiest tensors to accumulate.
        workers: Threads, None for as many as there are cores; the result is the same for any number.
        reporter: Its `progress` is told of (tensors done, tensors in all).
    """
    workers = workers or available_cores()
    equalization = surveyed.equalization
    items = list_items(pair, equalization)
    alone_runs = AloneRuns(pair, equalization, images, items)
    accumulated = min(top, len(items))
    progress = _Progress(reporter, alone_runs.steps + accumulated + 1)
    exact = run_quantized(pair, equalization, (), images)
    items, errors = alone_runs.run(exact, workers, progress.step)
    wanted: Array = np.concatenate(exact).astype(np.float64)
    signal = max(float(np.square(wanted - wanted.mean(axis=0)).sum()), 1e-30)

    given = wanted if surveyed.divided_logits is None else surveyed.float_logits.reshape(wanted.shape)

    def cost(chosen: Sequence[Item]) -> float:
        rows = np.concatenate(run_quantized(pair, equalization, chosen, images))
        progress.step()
        against = given if chosen is stored else wanted
        return float(np.square(rows.astype(np.float64) - against).sum()) / signal

    alone = [float(of_images.sum()) / signal for of_images in errors]
    order = sorted(range(len(items)), key=lambda index: -alone[index])
    ranked = [items[index] for index in order]
    stored = [
        replace(item, movement=None)
        if item.weights is None
        else weights_item(item.weights, equalization, stored_bias=True)
        for item in items
    ]
    *cumulative, together = map_in_threads(
        cost, [*(ranked[: count + 1] for count in range(accumulated)), stored], workers
    )
    return Costs(
        items=tuple(ranked),
        alone=tuple(alone[index] for index in order),
        cumulative=tuple(cumulative),
        together=together,
    )


def run_quantized(
    pair: Pair, equalization: EqualizationScales, chosen: Iterable[Item], images: Images
) -> list[Array]:
    """Runs the float file with the chosen items quantized as in the int8 file.

    Returns:
        For each image the logits, (positions, C).
    """
    edit = Edit(pair.float_content, "being diagnosed").with_outputs([pair.logits.float_tensor])
    for item in chosen:
        if item.weights is None:
            fake_quantize(edit, item.value.float_tensor, item, equalization)
        for tensor, numbers in item.constants().items():
            edit.set_constant(item.value.float_tensor, tensor, numbers)
    model = open_bytes(edit.to_bytes())
    rows = (model.run_all(image)[0] for image in images)
    return [row.reshape(-1, row.shape[-1]) for row in rows]
