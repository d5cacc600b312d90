"""Trains networks on the handwritten digits of scikit-learn, for `trained_variants.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import PreprocessName
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.outputs import staged
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.model.arch import Variant
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_calibration_data.sources.digits import CLASSES

PREPROCESS: PreprocessName = "resize"
BATCH_SIZE = 32
PEAK_LEARNING_RATE = 2e-3
LABEL_SMOOTHING = 0.1
LARGEST_SHIFT = 0.1  # of the image's side, as augmentation
# The published 0.999 is made for long training. At 0.95 the averages have forgotten all but the last epochs,
# when the learning rate is next to 0 and the statistics stand still.
BATCH_NORM_MOMENTUM = 0.95


class Labelled(NamedTuple):
    """Images, (N, size, size, 3) uint8, and their labels, (N,)."""

    pixels: Pixels
    labels: npt.NDArray[np.int64]


def read(csv: Path, size: int, most: int | None) -> Labelled:
    """Reads at most so many images as `quantize` does."""
    images = open_images(csv, need_labels=True)
    labels = images.labels()[:most]
    pixels = [
        images.load(index, shape=ImageShape.square(size), preprocess=PREPROCESS)
        for index in range(len(labels))
    ]
    return Labelled(np.stack(pixels), np.array(labels))


def train(variant: Variant, images: Labelled, epochs: int, output: Path) -> None:
    """Trains a network from random weights and writes them; tells the training top-1 of each epoch.

    Deterministic on one thread: same TensorFlow, same processor, same weights.
    """
    # Before TensorFlow is loaded, which reads it once.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = untrained(variant, images.pixels.shape[1])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    steps = epochs * -(-len(images.pixels) // BATCH_SIZE)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, warmup_target=PEAK_LEARNING_RATE, warmup_steps=steps // 10
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    targets = np.eye(CLASSES, dtype=np.float32)[images.labels]
    for epoch, (order, pixels) in enumerate(_augmented(images.pixels, epochs), start=1):
        done = model.fit(pixels, targets[order], batch_size=BATCH_SIZE, shuffle=False, verbose=0).history
        click.echo(f"{variant.name}, epoch {epoch} of {epochs}: {100 * done['accuracy'][0]:.1f} %", err=True)
    # A model that was never compiled: the optimizer's state stays out of the file.
    bare = untrained(variant, images.pixels.shape[1])
    bare.set_weights(model.get_weights())
    with staged([output], force=False) as (temporary,):
        bare.save_weights(temporary)


def untrained(variant: Variant, size: int) -> Any:
    """Builds a network for the digits with random weights."""
    from edge_mnv3.model import builder

    build = builder.MobileNetV3Small if variant.size == "small" else builder.MobileNetV3Large
    return build(
        input_shape=(size, size, 3),
        alpha=variant.alpha,
        minimalistic=variant.minimalistic,
        weights=None,
        classes=CLASSES,
        classifier_activation=None,
    )


def _augmented(
    images: Pixels, epochs: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Yields for each epoch an order of the images, and the images in it, each shifted by a few pixels."""
    random = np.random.default_rng(0)
    size = images.shape[1]
    most = round(LARGEST_SHIFT * size)
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))
    for _ in range(epochs):
        order = random.permutation(len(images))
        corners = random.integers(0, 2 * most, (len(images), 2), endpoint=True)
        shifted = [
            padded[index, top : top + size, left : left + size]
            for index, (top, left) in zip(order, corners, strict=True)
        ]
        yield order, np.stack(shifted).astype(np.float32)
