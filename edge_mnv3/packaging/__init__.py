"""Packaging a quantized file for apps, and verifying such a package later.

What lives here: metadata inside the `.tflite`, labels, golden vectors, the bundle and its manifest, the model
card, sources for apps, and the verification of all of it. It is a part of the core because it writes and
reads files only: nothing here builds, converts or trains, and nothing needs TensorFlow. The joining of these
parts to the images of the calibration component is in `edge_mnv3.packing` and `edge_mnv3.verifying`.
"""
