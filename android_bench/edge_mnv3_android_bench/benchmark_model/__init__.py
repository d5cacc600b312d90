"""TFLite's `benchmark_model`: builds of it, and what it prints."""
