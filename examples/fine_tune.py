"""Fine-tunes a MobileNetV3 on your own classes: a folder with one subfolder of images a class.

    python examples/fine_tune.py photos/ -o mine --variant small_minimalistic

Writes into the output folder

    mine.keras     the trained network, for `edge-mnv3 quantize --weights`
    labels.txt     the subfolders' names in the order of the outputs, for `edge-mnv3 package --labels`
    train.csv      the images that were trained on, for `quantize --calibration`
    held_out.csv   those that were not, for `validate --data`

and prints the commands that come next. Plain Keras from end to end: change it as you like. What must stay is
the preprocessing (pixels 0..255, resized as `--preprocess` says) and the network of `edge_mnv3.builder`.
"""

from __future__ import annotations

import argparse
import csv
import math
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import edge_mnv3 as em
from edge_mnv3 import builder

# The published 0.999 is made for long training: over a few hundred steps the averages would lag behind the
# weights, and the network would answer by statistics of other features.
BATCH_NORM_MOMENTUM = 0.9
SETTLING_BATCHES = 50  # over which the averages are taken anew in the end
LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 1e-4
WARM_UP_SHARE = 0.1  # of the steps
LARGEST_SHIFT = 0.1  # of the image's side, as augmentation
LARGEST_ZOOM = 0.1
CLASSIFIER = "logits"  # the one layer whose shape follows from the classes


class Images(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (batch, side, side, 3) float32 pixels 0..255 and (batch, classes) one-hot labels."""

    def __init__(
        self,
        source: em.ImageSource,
        indices: Sequence[int],
        *,
        size: int,
        preprocess: str,
        batch_size: int,
        shuffled: bool,
    ) -> None:
        super().__init__()
        self.source, self.indices = source, list(indices)
        self.classes = len(set(source.labels()))
        self.size, self.preprocess = size, preprocess
        self.batch_size = batch_size
        self._random = np.random.default_rng(0) if shuffled else None
        self.on_epoch_end()

    def __len__(self) -> int:
        # A last batch of one image would spoil the averages of batch normalization: training leaves it out.
        batches = len(self.indices) / self.batch_size
        return math.ceil(batches) if self._random is None else max(1, math.floor(batches))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        batch = self.indices[index * self.batch_size : (index + 1) * self.batch_size]
        pixels = [
            self.source.load(image, shape=em.ImageShape.square(self.size), preprocess=self.preprocess)
            for image in batch
        ]
        labels = keras.utils.to_categorical([self.source.label(image) for image in batch], self.classes)
        return np.stack(pixels).astype(np.float32), labels

    def on_epoch_end(self) -> None:
        """Draws a new order."""
        if self._random is not None:
            self._random.shuffle(self.indices)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the images, trains, writes the four files."""
    options = _options(arguments)
    keras.utils.set_random_seed(options.seed)
    variant = em.parse_variant(options.variant, options.alpha)
    source = em.open_images(options.images, need_labels=True)
    indices = em.sample_order(source, seed=options.seed)
    names = _class_names(source)
    held_out_count = round(len(indices) * options.held_out)
    if not len(names) <= held_out_count <= len(indices) - options.batch_size:
        raise em.CalibrationDataError(
            f"images {options.images}",
            f"{len(indices)} in {len(names)} classes, of which {held_out_count} would be held out",
            f"at least one of each class held out, and one batch of {options.batch_size} left to train on",
        )
    held_out, training = indices[:held_out_count], indices[held_out_count:]
    form = {"size": options.input_size, "preprocess": options.preprocess}

    network = _network(variant, options.input_size, len(names), options.weights)
    images = Images(source, training, **form, batch_size=options.batch_size, shuffled=True)
    _train(
        network,
        images,
        epochs=options.epochs,
        peak_learning_rate=options.learning_rate,
        seed=options.seed,
    )
    settle_batch_norm(network, images)
    _, accuracy = network.evaluate(
        Images(source, held_out, **form, batch_size=options.batch_size, shuffled=False), verbose=0
    )

    options.output.mkdir(parents=True, exist_ok=True)
    # A network that was never compiled: the optimizer's state stays out of the file.
    finished = _network(variant, options.input_size, len(names), "none")
    finished.set_weights(network.get_weights())
    finished.save(options.output / "mine.keras")
    (options.output / "labels.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    _write_csv(options.output / "train.csv", source, training)
    _write_csv(options.output / "held_out.csv", source, held_out)
    print(f"top-1 of the float network: {100 * accuracy:.1f} % of {len(held_out)} held-out images")
    print(_next_steps(options, variant))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fine-tune a MobileNetV3 on a folder of class folders.")
    parser.add_argument("images", type=Path, help="folder with one subfolder of images a class")
    parser.add_argument("-o", "--output", type=Path, default=Path("mine"), metavar="DIR")
    parser.add_argument("--variant", choices=tuple(em.VARIANTS), default="small")
    parser.add_argument("--alpha", type=float, help="width multiplier [default: the variant's own]")
    parser.add_argument("--input-size", type=int, default=224, metavar="PX")
    parser.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|PATH",
        help="to start from [default: imagenet]",
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="highest [default: 0.001]")
    parser.add_argument("--held-out", type=float, default=0.2, metavar="SHARE", help="[default: 0.2]")
    parser.add_argument("--preprocess", choices=tuple(em.PREPROCESSES), default="slim")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def _class_names(source: em.ImageSource) -> list[str]:
    """Names of the subfolders, in the order of the labels."""
    names = {label: source.name(index).split("/")[0] for index, label in enumerate(source.labels())}
    return [names[label] for label in range(len(names))]


def _network(variant: em.Variant, size: int, classes: int, weights: str) -> Any:
    """Builds a network of `classes` outputs; all but the classifier starts from `weights`."""
    build = builder.MobileNetV3Small if variant.size == "small" else builder.MobileNetV3Large
    network = build(
        input_shape=(size, size, 3),
        alpha=variant.alpha,
        minimalistic=variant.minimalistic,
        weights=None,
        classes=classes,
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    if weights != "none":
        # With the classes that the weights were trained for, whatever their number.
        graph = em.GraphRequest(variant=variant, input_size_px=size, weights=weights)
        with tempfile.TemporaryDirectory() as folder:
            start = em.build(em.BuildRequest(graph=graph, output=Path(folder, "start.keras")))
            trained = keras.models.load_model(start.path, compile=False)
        for layer in trained.layers:
            if layer.weights and layer.name != CLASSIFIER:
                network.get_layer(layer.name).set_weights(layer.get_weights())
    return network


def _train(network: Any, images: Images, *, epochs: int, peak_learning_rate: float, seed: int) -> None:
    """Trains all layers, batch normalization too, on images that are shifted and zoomed a little."""
    augmented = keras.Sequential(
        [
            keras.layers.RandomTranslation(LARGEST_SHIFT, LARGEST_SHIFT, fill_mode="nearest", seed=seed),
            keras.layers.RandomZoom(LARGEST_ZOOM, fill_mode="nearest", seed=seed + 1),
            network,
        ]
    )
    steps = epochs * len(images)
    schedule = keras.optimizers.schedules.CosineDecay(
        peak_learning_rate / 100,
        steps,
        warmup_target=peak_learning_rate,
        warmup_steps=math.ceil(steps * WARM_UP_SHARE),
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    augmented.compile(optimizer, loss, metrics=["accuracy"])
    augmented.fit(images, epochs=epochs, verbose=2)
    network.compile(loss=loss, metrics=["accuracy"])


def settle_batch_norm(network: Any, images: Images) -> None:
    """Takes the averages of batch normalization anew, of the final weights.

    Those that training leaves behind mix statistics of many older weights. All batches count alike here: the
    n-th one gets the share 1 / n. Source: Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3.
    """
    normalizations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for index in range(min(len(images), SETTLING_BATCHES)):
        for layer in normalizations:
            layer.momentum = index / (index + 1)
        network(images[index][0], training=True)


def _write_csv(path: Path, source: em.ImageSource, indices: Sequence[int]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label"))
        writer.writerows(
            (Path(source.root or "", source.name(index)).resolve(), source.label(index)) for index in indices
        )


def _next_steps(options: argparse.Namespace, variant: em.Variant) -> str:
    out = options.output
    alpha = f" --alpha {options.alpha}" if options.alpha is not None else ""
    weights, training, held_out, labels, results, bundle = (
        shlex.quote(str(out / name))
        for name in ("mine.keras", "train.csv", "held_out.csv", "labels.txt", "validate.json", "bundle")
    )
    stem = str(out / f"mobilenet_v3_{variant.name}_{options.input_size}")
    float_file, int8_file = (shlex.quote(f"{stem}_{kind}.tflite") for kind in ("float", "int8"))
    folder = shlex.quote(str(out))
    return f"""next:
edge-mnv3 quantize --variant {options.variant}{alpha} --input-size {options.input_size} --weights {weights} \\
  --calibration {training} --preprocess {options.preprocess} -o {folder}
edge-mnv3 validate --float {float_file} --int8 {int8_file} \\
  --data {held_out} --preprocess {options.preprocess} --json > {results}
edge-mnv3 package {folder} --labels {labels} --validate {results} \\
  --golden {held_out} -o {bundle}"""


if __name__ == "__main__":
    try:
        main()
    except em.EdgeMnv3Error as error:
        sys.exit(f"error: {error}")
