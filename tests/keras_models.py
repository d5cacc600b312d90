"""Models of plain Keras code, as people make them of this family: every form of base, front and head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from edge_mnv3.core.results.model_facts import Activation, Task

SIDE = 32
CLASSES, HIDDEN = 10, 16
SIZES = {"small": (False, "Small"), "large": (False, "Large"), "minimalistic": (True, "Small")}
Shape = tuple[int, int, int]
OpenShape = tuple[int | None, int | None, int]


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form of model, and what is known of it.

    Attributes:
        make: Builds it of a function that makes bases.
        outputs: Shape, activation and task of each output.
        shape: Rows, columns and channels of the input; None for a square of the base's.
        ends: The numbers for pixels 0 and 255.
        stated: The range that must be stated; None where the model tells it.
        partitions: Parts that XNNPACK has of the int8 files of `accurate` and `fast`.
    """

    make: Callable[[Base], Any]
    outputs: tuple[tuple[tuple[int, ...], Activation, Task], ...] = (((CLASSES,), "softmax", "classes"),)
    shape: Shape | None = None
    ends: tuple[float, float] = (0.0, 255.0)
    stated: str | None = None
    partitions: int = 1


@dataclass(frozen=True)
class Base:
    """Makes bases of one network.

    Attributes:
        size: Key of `SIZES`.
        side: Rows and columns of square images.
        alpha: The width.
    """

    size: str
    side: int = SIDE
    alpha: float = 0.05

    def __call__(self, shape: OpenShape | None = None, **options: Any) -> Any:
        """A base without top, or with one if `classes` is given, whose batch norms do something."""
        minimalistic, name = SIZES[self.size]
        arguments: dict[str, Any] = {
            "input_shape": None if "input_tensor" in options else shape or self.square,
            "alpha": self.alpha,
            "minimalistic": minimalistic,
            "weights": None,
            "include_top": "classes" in options,
        }
        model = getattr(keras.applications, f"MobileNetV3{name}")(**arguments | options)
        self.fill(model)
        return model

    def fill(self, model: Any) -> None:
        """Gives a base its weights."""
        settle(model)

    @property
    def square(self) -> Shape:
        """Shape of the square images."""
        return (self.side, self.side, 3)

    @property
    def large(self) -> Shape:
        """A shape whose last map has 2x2 places at least."""
        return (max(self.side, 64), max(self.side, 64), 3)

    @property
    def wide(self) -> Shape:
        """A shape that is not square."""
        return (self.side, self.side * 3 // 2, 3)


def settle(model: Any) -> None:
    """Gives batch norms numbers as training does, so that none of them can be left out unseen."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    gamma * generator.uniform(0.8, 1.6, gamma.shape),
                    beta + generator.normal(0, 0.3, beta.shape),
                    mean + generator.normal(0, 0.1, mean.shape),
                    variance * generator.uniform(0.2, 0.8, variance.shape),
                ]
            )


def sequential(base: Base, *inside: Any, shape: Shape | None = None) -> Any:
    return keras.Sequential([keras.Input(shape or base.square), *inside])


def dense(units: int = CLASSES, activation: str | None = "softmax", **options: Any) -> Any:
    return layers.Dense(units, activation=activation, **options)


def average() -> Any:
    return layers.GlobalAveragePooling2D()


def flat(base: Base) -> Any:
    """The base's own layers, and the head's, in one graph."""
    inner = base()
    return keras.Model(inner.input, dense()(average()(inner.output)))


def on_input(base: Base) -> Any:
    """The base called on an input of its own, Functional."""
    image = keras.Input(base.square)
    x = base()(image, training=False)
    return keras.Model(image, dense()(layers.Dropout(0.2)(average()(x))))


def input_tensor(base: Base) -> Any:
    image = keras.Input(base.square)
    inner = base(input_tensor=layers.Rescaling(1 / 255)(image), include_preprocessing=False)
    return keras.Model(image, dense()(average()(inner.output)))


def hidden(activation: str) -> Callable[[Base], Any]:
    return lambda base: sequential(base, base(), average(), dense(HIDDEN, activation), dense())


def hidden_batch_norm(base: Base) -> Any:
    model = sequential(
        base, base(), average(), layers.BatchNormalization(), dense(HIDDEN, None),
        layers.BatchNormalization(), layers.ReLU(), dense(),
    )  # fmt: skip
    settle(model)
    return model


def flattened_batch_norm(base: Base) -> Any:
    """A map larger than 1x1 becomes a vector, and each of its places has a scale of its own."""
    model = sequential(
        base, base(base.large), layers.Flatten(), layers.BatchNormalization(), layers.ReLU(),
        layers.BatchNormalization(), layers.Dropout(0.2), dense(HIDDEN, "relu6"), layers.BatchNormalization(),
        dense(), shape=base.large,
    )  # fmt: skip
    settle(model)
    return model


def hidden_between_batch_norms(activation: str) -> Callable[[Base], Any]:
    def make(base: Base) -> Any:
        model = sequential(
            base, base(), average(), layers.BatchNormalization(), dense(HIDDEN, activation),
            layers.BatchNormalization(), dense(),
        )  # fmt: skip
        settle(model)
        return model

    return make


def convolutional_head(base: Base) -> Any:
    """A head as MobileNetV3's own: convolutions of the pooled map."""
    model = sequential(
        base, base(), layers.GlobalAveragePooling2D(keepdims=True), layers.BatchNormalization(),
        layers.Conv2D(HIDDEN, 1), layers.Activation("hard_swish"), layers.BatchNormalization(),
        layers.Conv2D(CLASSES, 1), layers.Flatten(), layers.Softmax(),
    )  # fmt: skip
    settle(model)
    return model


def arithmetic(base: Base) -> Any:
    image = keras.Input(base.square)
    x = base(include_preprocessing=False)(image / 127.5 - 1)
    return keras.Model(image, dense()(average()(x)))


def normalization(base: Base) -> Any:
    front = layers.Normalization(mean=[124.0, 117.0, 104.0], variance=[3400.0, 3260.0, 3420.0])
    return sequential(base, front, base(include_preprocessing=False), average(), dense())


def adapted(base: Base) -> Any:
    front = layers.Normalization()
    front.adapt(np.random.default_rng(0).uniform(0, 255, (16, *base.square)).astype(np.float32))
    return sequential(base, front, base(include_preprocessing=False), average(), dense())


def augmented(base: Base) -> Any:
    augmentation = keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomContrast(0.1)]
    )
    return sequential(base, augmentation, layers.GaussianNoise(0.1), base(), average(), dense())


def mixed(base: Base) -> Any:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return sequential(base, base(), average(), dense(dtype="float32"))
    finally:
        keras.config.set_dtype_policy("float32")


def takes_integers(base: Base) -> Any:
    """Pixels as files hold them."""
    image = keras.Input(base.square, dtype="uint8")
    return keras.Model(image, dense()(average()(base()(layers.RandomFlip("horizontal")(image)))))


def two_heads(base: Base) -> Any:
    image = keras.Input(base.square)
    x = average()(base()(image))
    return keras.Model(image, {"kind": dense(name="kind")(x), "ripe": dense(1, "sigmoid", name="ripe")(x)})


def head_and_embedding(base: Base) -> Any:
    image = keras.Input(base.square)
    x = average()(base()(image))
    return keras.Model(image, [dense()(x), x])


def three_channels(base: Base) -> Any:
    image = keras.Input((*base.square[:2], 1))
    x = base()(layers.Concatenate()([image, image, image]))
    return keras.Model(image, dense()(average()(x)))


def coloured(base: Base) -> Any:
    return sequential(
        base, layers.Rescaling(1 / 127.5, -1), layers.Conv2D(3, 1, use_bias=False),
        base(include_preprocessing=False), average(), dense(), shape=(*base.square[:2], 1),
    )  # fmt: skip


def frozen(base: Base) -> Any:
    inner = base()
    inner.trainable = False
    return sequential(base, inner, average(), dense())


def trained(base: Base) -> Any:
    model = sequential(base, base(), average(), dense())
    model.compile("sgd", "sparse_categorical_crossentropy")
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (8, *base.square)).astype(np.float32)
    model.fit(images, generator.integers(0, CLASSES, 8), epochs=1, verbose=0)
    return model


def of_cosines(base: Base) -> Any:
    """Classes by their directions: what they take has the length 1."""
    return sequential(
        base, base(), average(), dense(HIDDEN, None), layers.UnitNormalization(), layers.Rescaling(8.0),
        dense(),
    )  # fmt: skip


LABELS: Any = (((5,), "sigmoid", "labels"),)
CHANNELS = {  # of the last map, by network and width
    ("small", 0.05): 48, ("large", 0.05): 96, ("minimalistic", 0.05): 48,
    ("small", 0.35): 192, ("large", 0.35): 336, ("minimalistic", 0.5): 288,
}  # fmt: skip

FORMS: dict[str, Form] = {
    "in a Sequential": Form(
        make=lambda base: sequential(base, base(), average(), layers.Dropout(0.2), dense())
    ),
    "flat": Form(make=flat),
    "on an input": Form(make=on_input),
    "input_tensor with Rescaling": Form(make=input_tensor),
    "whole in a Sequential": Form(make=lambda base: sequential(base, base(classes=CLASSES))),
    "whole": Form(make=lambda base: base(classes=CLASSES)),
    "whole, logits": Form(
        make=lambda base: base(classes=CLASSES, classifier_activation=None),
        outputs=(((CLASSES,), "none", "classes"),),
    ),
    "pooling of its own": Form(make=lambda base: sequential(base, base(pooling="avg"), dense())),
    "maximum": Form(make=lambda base: sequential(base, base(), layers.GlobalMaxPooling2D(), dense())),
    "convolutional head": Form(make=convolutional_head),
    "hidden relu": Form(make=hidden("relu")),
    "hidden relu6": Form(make=hidden("relu6")),
    "hidden hard-swish": Form(make=hidden("hard_swish")),
    "hidden sigmoid": Form(make=hidden("sigmoid")),
    "batch norm in the head": Form(make=hidden_batch_norm),
    **{
        f"batch norms around {activation}": Form(make=hidden_between_batch_norms(activation))
        for activation in ("relu6", "hard_swish", "sigmoid")
    },
    "hidden tanh": Form(make=hidden("tanh")),
    "directions": Form(make=of_cosines, partitions=2),  # XNNPACK has no L2_NORMALIZATION, which lies between
    "one sigmoid": Form(
        make=lambda base: sequential(base, base(), average(), dense(1, "sigmoid")),
        outputs=(((1,), "sigmoid", "binary"),),
    ),
    "many sigmoids": Form(
        make=lambda base: sequential(base, base(), average(), dense(5, "sigmoid")), outputs=LABELS
    ),
    "logits": Form(
        make=lambda base: sequential(base, base(), average(), dense(activation=None)),
        outputs=(((CLASSES,), "none", "classes"),),
    ),
    "Softmax layer": Form(
        make=lambda base: sequential(base, base(), average(), dense(activation=None), layers.Softmax())
    ),
    "augmentation": Form(make=augmented),
    "Rescaling to -1..1": Form(
        make=lambda base: sequential(
            base, layers.Rescaling(1 / 127.5, -1), base(include_preprocessing=False), average(), dense()
        )
    ),
    "arithmetic in front": Form(make=arithmetic),
    "Normalization": Form(make=normalization),
    "adapted Normalization": Form(make=adapted),
    "takes 0..1": Form(
        make=lambda base: sequential(
            base, layers.Rescaling(2, -1), base(include_preprocessing=False), average(), dense()
        ),
        ends=(0.0, 1.0),
    ),
    "takes -1..1": Form(
        make=lambda base: sequential(base, base(include_preprocessing=False), average(), dense()),
        ends=(-1.0, 1.0),
        stated="-1..1",
    ),
    "mixed precision": Form(make=mixed),
    "uint8 input": Form(make=takes_integers),
    "two heads": Form(
        make=two_heads, outputs=(((CLASSES,), "softmax", "classes"), ((1,), "sigmoid", "binary"))
    ),
    "frozen": Form(make=frozen),
    "trained": Form(make=trained),
}


def of_shapes(base: Base) -> dict[str, Form]:
    """Forms with images of other shapes than the base's square."""
    odd, tall = (base.side + 7, base.side + 7, 3), (base.side + 8, base.side + 8, 3)
    grey = (*base.square[:2], 1)
    return {
        "Flatten": Form(
            make=lambda base: sequential(base, base(base.large), layers.Flatten(), dense(), shape=base.large),
            shape=base.large,
        ),
        "batch norm behind Flatten": Form(make=flattened_batch_norm, shape=base.large),
        "not square": Form(
            make=lambda base: sequential(base, base(base.wide), average(), dense(), shape=base.wide),
            shape=base.wide,
        ),
        "odd size": Form(
            make=lambda base: sequential(base, base(odd), average(), dense(), shape=odd), shape=odd
        ),
        "open base": Form(
            make=lambda base: sequential(base, base((None, None, 3)), average(), dense(), shape=tall),
            shape=tall,
        ),
        "grey, three times": Form(make=three_channels, shape=grey),
        "grey, coloured": Form(make=coloured, shape=grey),
    }


def without_head(base: Base) -> dict[str, Form]:
    """Forms whose outputs depend on the network."""
    channels = CHANNELS[base.size, base.alpha]
    side = base.large[0]
    return {
        "embedding": Form(
            make=lambda base: base(pooling="avg"), outputs=(((channels,), "none", "embedding"),)
        ),
        "embedding of length 1": Form(
            make=lambda base: sequential(base, base(), average(), layers.UnitNormalization()),
            outputs=(((channels,), "l2_normalization", "embedding"),),
        ),
        "feature map": Form(
            make=lambda base: base((side, side * 3 // 2, 3)),
            outputs=(((side // 32, side * 3 // 64, channels), "none", "map"),),
            shape=(side, side * 3 // 2, 3),
        ),
        "classes and embedding": Form(
            make=head_and_embedding,
            outputs=(((CLASSES,), "softmax", "classes"), ((channels,), "none", "embedding")),
        ),
    }


def all_forms(base: Base) -> dict[str, Form]:
    """The whole table."""
    return {**FORMS, **of_shapes(base), **without_head(base)}
