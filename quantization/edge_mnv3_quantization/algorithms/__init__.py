"""The steps of quantization, a module each."""
