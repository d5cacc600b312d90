"""What the mobile APIs say to each input type."""

from __future__ import annotations

from collections.abc import Collection

from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.results.model_facts import LABELLED_TASKS, Task

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
_CLASSIFIER = "ImageClassifier"
_CLASSES: tuple[Task, ...] = ("classes",)


def takes(
    dtype: str, *, grey: bool, taken: InputRange = PIXELS, tasks: Collection[Task] = _CLASSES
) -> dict[str, str]:
    """Tells what each API says to a file of this input.

    Args:
        dtype: Key of `TAKES`.
        grey: The input has one channel.
        taken: What a float input takes.
        tasks: What the outputs mean. Classifiers take files all of whose outputs are scores, embedders those
            all of whose outputs are embeddings; for others the table has LiteRT only.

    Returns:
        Name of the API to a sentence.
    """
    answers = {}
    for api, answer in TAKES[dtype].items():
        if api.endswith(_CLASSIFIER):
            if not set(tasks) <= set(LABELLED_TASKS):
                if set(tasks) != {"embedding"}:
                    continue
                api = api.replace(_CLASSIFIER, "ImageEmbedder")
            if grey and answer.startswith("yes"):
                answer = _NO_GREY
        answers[api] = answer.replace(str(PIXELS), str(taken) if dtype == "float32" else str(PIXELS))
    return answers
