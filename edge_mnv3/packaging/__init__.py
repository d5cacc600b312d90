"""Packaging a quantized file for apps, and verifying such a package later.

Metadata inside the `.tflite`, labels, golden vectors, the bundle and its manifest, the model card, sources
for apps. Nothing here builds, converts or trains, and nothing needs TensorFlow; the stages `package` and
`verify` join these parts to images.
"""
