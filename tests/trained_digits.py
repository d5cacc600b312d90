"""Networks that know the handwritten digits, with heads of every form trained on what they see."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.stages.demo import DEMO, demo_weights
from edge_mnv3_calibration_data.sources.digits import TRAINING_IMAGES, open_digits
from keras_models import CLASSES, Base, Form

SIDE = DEMO.input_size_px
TRAINED, HELD_OUT = slice(None, TRAINING_IMAGES), slice(TRAINING_IMAGES, None)
LEAST_AGREEMENT = 0.98
_BASE_EPOCHS, _HEAD_EPOCHS, _BATCH = 10, 24, 64  # the base's for each shape
_PRIMES = (2, 3, 5, 7)
Numbers = npt.NDArray[Any]


@functools.lru_cache(maxsize=4)
def digits(shape: tuple[int, int, int]) -> tuple[Numbers, Numbers]:
    """All digits as uint8 images of a shape, those of training first, and their labels."""
    source = open_digits()
    size = ImageShape(height_px=shape[0], width_px=shape[1], channels=shape[2])
    images = [source.load(index, shape=size, preprocess=DEMO.preprocess) for index in range(source.available)]
    return np.stack(images), np.array(source.labels())


@dataclass(frozen=True)
class TrainedBase(Base):
    """Makes bases that know the digits.

    Attributes:
        weights: Of each layer that has any, where pixels are -1..1.
        made: The bases that were made.
    """

    weights: list[list[Numbers]] = field(default_factory=list)
    made: list[Any] = field(default_factory=list)

    def fill(self, model: Any) -> None:
        """Sets the weights; the layers of a top, which come last, keep their own."""
        with_weights = (layer for layer in model.layers if layer.weights)
        for layer, numbers in zip(with_weights, self.weights, strict=False):
            layer.set_weights(numbers)
        self.made.append(model)


def trained_base(size: str) -> TrainedBase:
    """Trains a network on the digits; the minimalistic one is the demo's."""
    keras.utils.set_random_seed(1)
    if size == "minimalistic":
        untrained = TrainedBase(size, SIDE, DEMO.variant.alpha)
        whole = untrained(classes=CLASSES)
        whole.load_weights(demo_weights())
        trained = whole.layers[: len(untrained().layers)]
    else:
        untrained = TrainedBase(size, SIDE, 0.35)
        inner = untrained((None, None, 3), pooling="avg")
        _train(inner)
        trained = inner.layers
    weights = [layer.get_weights() for layer in trained if layer.weights]
    return TrainedBase(size, SIDE, untrained.alpha, weights)


def _train(inner: Any) -> None:
    for layer in inner.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # so few steps
    model = keras.Sequential([inner, layers.Dropout(0.2), layers.Dense(CLASSES, activation="softmax")])
    base = Base("small", SIDE)
    odd = (SIDE + 7, SIDE + 7, 3)
    shapes = (base.square, base.wide, odd)  # digits that are stretched, or cut otherwise, look different
    steps = len(shapes) * _BASE_EPOCHS * (TRAINING_IMAGES // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    for epoch in range(len(shapes) * _BASE_EPOCHS):
        images, labels = digits(shapes[epoch % len(shapes)])
        model.fit(images[TRAINED].astype(np.float32), labels[TRAINED], batch_size=_BATCH, verbose=0)


def train_head(model: Any, form: Form, base: TrainedBase) -> None:
    """Trains what follows the base of a model, on what the base makes of the digits.

    The base, the last that was made, first gets weights for the numbers that what is in front of it gives.
    """
    made = base.made[-1]
    graph = getattr(model, "_functional", None) or model
    images, labels = digits(form.shape or base.square)
    low, high = form.ends
    given = (low + images.astype(np.float32) * ((high - low) / 255)).astype(np.float32)
    node = made._inbound_nodes[-1] if made is not graph and made in graph.operations else None
    _fit_stem(made, _in_front(graph, node, given))
    whole = len([layer for layer in made.layers if layer.weights]) > len(base.weights)
    if whole:
        count = len(base.weights)
        tensor = [layer for layer in made.layers if layer.weights][count].input
        start, ends = made.inputs, made.outputs
    else:
        tensor = made.outputs[0] if node is None else node.output_tensors[0]
        start, ends = graph.inputs, graph.outputs
    wanted = [targets(labels, output[0], output[1]) for output in form.outputs]
    taught = {place: numbers[TRAINED] for place, numbers in enumerate(wanted) if numbers is not None}
    if not taught:
        return
    seen = keras.Model(start, tensor)
    parts = np.array_split(given[TRAINED], 8)  # called as it is: a graph of it takes seconds to make
    features = np.concatenate([np.asarray(seen([part]), np.float32) for part in parts])
    head = keras.Model(tensor, [ends[place] for place in taught])
    losses = [_loss(form.outputs[place][1]) for place in taught]
    head.compile(keras.optimizers.Adam(3e-3), losses)
    head.fit(
        features, list(taught.values()),
        epochs=_HEAD_EPOCHS, batch_size=_BATCH, verbose=0,
    )  # fmt: skip


def _in_front(graph: Any, node: Any, given: Numbers) -> Numbers:
    """What a base takes where pixels are 0 and 255."""
    ends = np.stack([np.full_like(given[0], given.min()), np.full_like(given[0], given.max())])
    if node is None or node.input_tensors[0] is graph.inputs[0]:
        return ends
    return np.asarray(keras.Model(graph.inputs, node.input_tensors[0])([ends]), np.float32)


def _fit_stem(made: Any, ends: Numbers) -> None:
    """Makes the first convolution take the numbers that stand for pixels 0 and 255, instead of -1 and 1."""
    stem, norm = made.get_layer("conv"), made.get_layer("conv_bn")
    at_stem = (
        ends if stem.input is made.inputs[0] else np.asarray(keras.Model(made.inputs, stem.input)([ends]))
    )
    low, high = at_stem.astype(np.float64).mean(axis=(1, 2))
    scale = 2 / (high - low)
    (kernel,), (gamma, beta, mean, variance) = stem.get_weights(), norm.get_weights()
    moved = (kernel * (-1 - scale * low)[:, np.newaxis]).sum(axis=(0, 1, 2))
    stem.set_weights([kernel * scale[:, np.newaxis]])
    norm.set_weights([gamma, beta, mean - moved, variance])


def targets(labels: Numbers, shape: tuple[int, ...], activation: str) -> Numbers | None:
    """What an output should say of digits; None for features."""
    if activation == "sigmoid":
        told = [labels >= 5, labels % 2, labels // 2 % 2, labels // 4 % 2, np.isin(labels, _PRIMES)]
        return np.stack(told, axis=1)[:, : shape[0]].astype(np.float32)
    return labels if shape == (CLASSES,) else None


def _loss(activation: str) -> Any:
    if activation == "sigmoid":
        return keras.losses.BinaryCrossentropy()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=activation == "none")


def alike(wanted: Numbers, got: Numbers, activation: str) -> float:
    """The share of equal classes or labels, or the mean cosine similarity of features."""
    if activation == "sigmoid":
        return float(np.mean((wanted > 0.5) == (got > 0.5)))
    if wanted.shape[1:] == (CLASSES,):
        return float(np.mean(wanted.argmax(axis=1) == got.argmax(axis=1)))
    one, other = (numbers.reshape(len(numbers), -1) for numbers in (wanted, got))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(np.mean((one * other).sum(axis=1) / lengths))


def right(got: Numbers, labels: Numbers, activation: str) -> float | None:
    """The share of right answers; None for features."""
    told = targets(labels, got.shape[1:], activation)
    if told is None:
        return None
    return float(np.mean(told == ((got > 0.5) if activation == "sigmoid" else got.argmax(axis=1))))


def save(model: Any, folder: Path) -> Path:
    """Writes the model's file."""
    path = folder / "model.keras"
    model.save(path)
    return path
