"""What a model takes and gives: the facts that whoever feeds it and reads it must know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal[
    "softmax",
    "log_softmax",
    "sigmoid",
    "hard_sigmoid",
    "tanh",
    "relu",
    "relu6",
    "relu_n1_to_1",
    "leaky_relu",
    "elu",
    "gelu",
    "swish",
    "hard_swish",
    "exponential",
    "l2_normalization",
    "other",
    "none",
]
Task = Literal["classes", "binary", "labels", "embedding", "map"]
# Tasks whose numbers are scores of things that have names.
LABELLED_TASKS: tuple[Task, ...] = ("classes", "binary", "labels")
TaskSource = Literal["stated", "recorded", "graph"]
RangeSource = Literal["stated", "metadata", "graph", "quantization", "pair", "definition"]

# What these give is a share or a probability, of which one half is the middle.
_OF_ONE: tuple[Activation, ...] = ("softmax", "sigmoid", "hard_sigmoid")
# What these give of a logit has its sign.
_OF_BOTH_SIGNS: tuple[Activation, ...] = (
    *("none", "tanh", "relu_n1_to_1", "leaky_relu", "elu", "gelu", "swish", "hard_swish"),
)

TASK_SOURCES: dict[TaskSource, str] = {
    "stated": "as stated",
    "recorded": "as quantize.json says",
    "graph": "as the last layers tell",
}
RANGE_SOURCES: dict[RangeSource, str] = {
    "stated": "as stated",
    "metadata": "as its metadata says",
    "graph": "as its first layers tell",
    "quantization": "as its quantized input tells",
    "pair": "as the other file tells",
    "definition": "as the network is defined",
}


def activation_words(activation: Activation) -> str:
    """Calls an activation by its name, for people."""
    others: dict[Activation, str] = {"none": "no activation", "other": "an activation that has no name here"}
    return others.get(activation, activation.replace("_", "-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """What a model takes.

    A float input takes (pixel - mean) / std for a pixel of 0 to 255: mean 0 and std 1 are pixels as they are,
    127.5 and 127.5 the range -1 to 1, 0 and 255 the range 0 to 1. A uint8 input takes the pixel itself.

    Attributes:
        height_px: Rows of the input.
        width_px: Columns of the input.
        channels: 3 for RGB, 1 for grey.
        mean: One number, or one for each channel.
        std: One number, or one for each channel; none is 0.
        range_source: What told `mean` and `std`: the user (`stated`), the file's own metadata, its first
            layers (`graph`), the scale of its quantized input (`quantization`), the other file of a pair, or
            the definition of the network (`definition`).
    """

    height_px: int
    width_px: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    range_source: RangeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFacts:
    """What one output of a model gives.

    Attributes:
        name: Name of the output.
        shape: Dimensions without the batch: (classes,) for a vector, (rows, columns, channels) for a map.
        activation: The function that made the numbers; `none` for logits and features, `other` for one that
            is not recognized.
        task: What the numbers mean: one of `shape[0]` classes, one score of two classes (`binary`), a score
            for each of several labels that may hold together, an `embedding`, or a feature `map`.
    """

    name: str
    shape: tuple[int, ...]
    activation: Activation
    task: Task

    @property
    def scores_are_probabilities(self) -> bool:
        """Whether each score is a probability: from 0 to 1, and even at one half."""
        return self.activation in _OF_ONE

    @property
    def even(self) -> float | None:
        """The score above which a label holds: that of a probability of one half; None where unknown."""
        if self.scores_are_probabilities:
            return 0.5
        return 0.0 if self.activation in _OF_BOTH_SIGNS else None

    @property
    def words(self) -> str:
        """What it gives, for people."""
        count = self.shape[-1]
        words: dict[Task, str] = {
            "classes": f"One score for each of {count:,} classes",
            "binary": "One score, of the class that is named",
            "labels": f"One score for each of {count:,} labels, which may hold together",
            "embedding": f"An embedding of {count:,} numbers",
            "map": f"Features, {'x'.join(map(str, self.shape))} (rows, columns, channels)",
        }
        return words[self.task]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model takes and gives.

    Attributes:
        input: Its one input.
        outputs: Its outputs, at least one.
    """

    input: InputFacts
    outputs: tuple[OutputFacts, ...]
