"""Calibration and validation images: sources, sampling, decoding, preprocessing, synthetic images."""
