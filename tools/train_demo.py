"""Trains the weights that `edge-mnv3 demo` uses, on the handwritten digits of scikit-learn.

    python tools/train_demo.py demo_digits.weights.h5

Deterministic: the same TensorFlow on the same kind of processor gives the same weights, bit for bit. Takes
about ten minutes on two cores. The held-out images are used once, at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.model import builder
from edge_mnv3.stages.demo import DEMO
from edge_mnv3_calibration_data.sources.digits import CLASSES, TRAINING_IMAGES, open_digits

EPOCHS = 60
BATCH_SIZE = 32
PEAK_LEARNING_RATE = 2e-3
LABEL_SMOOTHING = 0.1
LARGEST_SHIFT = 0.1  # of the image's side, as augmentation
LARGEST_ZOOM = 0.1


def main(output: Path) -> None:
    """Trains, reports the held-out accuracy, writes the weights."""
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    digits = open_digits()
    labels = np.array(digits.labels())
    pixels = np.stack(
        [
            digits.load(index, shape=ImageShape.square(DEMO.input_size_px), preprocess=DEMO.preprocess)
            for index in range(digits.available)
        ]
    ).astype(np.float32)
    train, held_out = slice(None, TRAINING_IMAGES), slice(TRAINING_IMAGES, None)
    targets = keras.utils.to_categorical(labels, CLASSES)

    model = _untrained()
    # The published momentum of 0.999 is made for long training: here the averages would lag behind.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.95
    augment = keras.Sequential(
        [
            keras.layers.RandomTranslation(LARGEST_SHIFT, LARGEST_SHIFT, fill_mode="constant", seed=1),
            keras.layers.RandomZoom(LARGEST_ZOOM, fill_mode="constant", seed=2),
        ]
    )
    dataset = (
        tf.data.Dataset.from_tensor_slices((pixels[train], targets[train]))
        .shuffle(TRAINING_IMAGES, seed=3)
        .batch(BATCH_SIZE, drop_remainder=True)
        .map(lambda images, wanted: (augment(images, training=True), wanted))
    )
    steps = EPOCHS * (TRAINING_IMAGES // BATCH_SIZE)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, warmup_target=PEAK_LEARNING_RATE, warmup_steps=steps // 10
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    model.fit(dataset, epochs=EPOCHS, verbose=2)
    _, accuracy = model.evaluate(pixels[held_out], targets[held_out], verbose=0)
    print(f"held-out top-1: {100 * accuracy:.2f} % of {len(labels) - TRAINING_IMAGES}")  # noqa: T201
    # A model that was never compiled: the optimizer's state stays out of the file.
    bundled = _untrained()
    bundled.set_weights(model.get_weights())
    bundled.save_weights(output)


def _untrained() -> Any:
    return builder.MobileNetV3Small(
        input_shape=(DEMO.input_size_px, DEMO.input_size_px, 3),
        alpha=DEMO.variant.alpha,
        minimalistic=DEMO.variant.minimalistic,
        weights=None,
        classes=CLASSES,
        classifier_activation=None,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
