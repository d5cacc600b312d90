"""Take a MobileNetV3 from Keras to a phone: build, quantize, validate, benchmark, package."""

__version__ = "0.1.0"
