"""MobileNetV3 with the arguments of `tf.keras.applications`; see `edge_mnv3.model.builder`."""

from edge_mnv3.model.builder import MobileNetV3Large, MobileNetV3Small, preprocess_input

__all__ = ["MobileNetV3Large", "MobileNetV3Small", "preprocess_input"]
