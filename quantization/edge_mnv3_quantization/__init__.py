"""Conversion to TFLite, full-integer quantization, checks of the result, validation of its accuracy."""
