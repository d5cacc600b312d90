"""The bare script that everybody writes: Keras model, representative dataset, TFLiteConverter, one int8 file.

It takes its images from the `quantize.json` of a run of ours, so that both work on the same ones. Used by
`quantize_time.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image


def main(run: Path, output: Path) -> None:
    """Quantizes the network of a run with TensorFlow alone.

    Args:
        run: `quantize.json`.
        output: Where the int8 file goes.
    """
    result = json.loads(run.read_text())
    variant, calibration = result["variant"], result["calibration"]
    size = variant["input_size_px"]
    build = {"small": keras.applications.MobileNetV3Small, "large": keras.applications.MobileNetV3Large}
    model = build[variant["size"]](
        input_tensor=keras.Input(batch_shape=(1, size, size, 3)),
        alpha=variant["alpha"],
        minimalistic=variant["minimalistic"],
        weights=result["weights"]["path"],
        classes=variant["classes"],
    )

    def representative_dataset() -> Iterator[list[npt.NDArray[np.float32]]]:
        for record in calibration["images"]:
            image = Image.open(Path(calibration["root"]) / record["file"]).convert("RGB")
            left, upper = int(image.width * 0.0625), int(image.height * 0.0625)
            box = (left, upper, image.width - left, image.height - upper)
            pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box), np.float32)
            yield [pixels[np.newaxis]]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    output.write_bytes(converter.convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
