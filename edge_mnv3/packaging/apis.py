"""What the mobile APIs say to each input type."""

from __future__ import annotations

# Source: the documentation of MediaPipe's and the Task Library's image classifiers, which demand a uint8 or
# float32 input, and for float32 normalization in the metadata; LiteRT's APIs take whatever the file has.
TAKES: dict[str, dict[str, str]] = {
    "uint8": {
        "LiteRT Interpreter, CompiledModel": "yes: pixels 0..255 as they are",
        "MediaPipe Tasks ImageClassifier": "yes",
        "Task Library ImageClassifier": "yes",
    },
    "int8": {
        "LiteRT Interpreter, CompiledModel": "yes: pixels 0..255 less 128",
        "MediaPipe Tasks ImageClassifier": "no: it takes uint8 and float32 inputs only",
        "Task Library ImageClassifier": "no: it takes uint8 and float32 inputs only",
    },
    "float32": {
        "LiteRT Interpreter, CompiledModel": "yes: pixels as floats 0..255",
        "MediaPipe Tasks ImageClassifier": "yes: it reads the normalization from the metadata",
        "Task Library ImageClassifier": "yes: it reads the normalization from the metadata",
    },
}
DTYPES = tuple(TAKES)
