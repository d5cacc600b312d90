"""Take a MobileNetV3 from Keras to a phone: build, quantize, validate, benchmark, package."""

from edge_mnv3.core.versions import __version__

__all__ = ["__version__"]
