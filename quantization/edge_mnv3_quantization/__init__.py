"""Conversion to TFLite, full-integer quantization, checks of the file, validation of its accuracy."""
