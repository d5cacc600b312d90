"""What the mobile APIs say to each input type."""

from __future__ import annotations

from edge_mnv3.core.input_range import PIXELS, InputRange

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
_NO_GREY = "no: it takes colour images only"


def takes(dtype: str, *, grey: bool, taken: InputRange = PIXELS) -> dict[str, str]:
    """Tells what each API says to a file of this input.

    Args:
        dtype: Key of `TAKES`.
        grey: The input has one channel.
        taken: What a float input takes.

    Returns:
        Name of the API to a sentence.
    """
    return {
        api: _NO_GREY
        if grey and api.endswith("ImageClassifier") and answer.startswith("yes")
        else answer.replace(str(PIXELS), str(taken) if dtype == "float32" else str(PIXELS))
        for api, answer in TAKES[dtype].items()
    }
