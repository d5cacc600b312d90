"""Accuracy of float against int8, and whether a file loads and runs."""
