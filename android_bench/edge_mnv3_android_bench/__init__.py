"""Latency of a TFLite file, with the conditions of the measurement."""
