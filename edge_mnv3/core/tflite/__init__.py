"""The one place that reads and edits `.tflite` flatbuffers."""
