"""MobileNetV3 with the arguments of `tf.keras.applications`; see `edge_mnv3.model.builder`."""

from edge_mnv3.core.tensorflow_package import check_tensorflow

check_tensorflow("edge_mnv3.builder")

from edge_mnv3.model.builder import MobileNetV3Large, MobileNetV3Small, preprocess_input  # noqa: E402

__all__ = ["MobileNetV3Large", "MobileNetV3Small", "preprocess_input"]
