"""The Keras graphs: block tables, layers, weights."""
