"""The one place that reads, edits and builds `.tflite` flatbuffers; nothing else imports their schema."""
