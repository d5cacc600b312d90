"""What the outputs of a file mean, read from its last operators."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3.core.results.model_facts import Activation, OutputFacts, Task
from edge_mnv3.core.tflite.output_activations import activation_of, last_operator
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.core.tflite.score_mixtures import mixture_of
from edge_mnv3.core.tflite.spans import span_of
from edge_mnv3.core.tflite.types import Graph, Model, Operator

_SHARES: tuple[Activation, ...] = ("softmax", "log_softmax")  # of one whole
_SCORES: tuple[Activation, ...] = ("sigmoid", "hard_sigmoid")
_WITH_CONSTANT = ("ADD", "MUL", "SUB")
_CLASSIFIERS = ("FULLY_CONNECTED", "CONV_2D")


def read_outputs(
    path: Path, *, task: Task | None = None, tasks: Sequence[Task] = ()
) -> tuple[OutputFacts, ...]:
    """Reads what each output of a file means, under the names of its signature.

    Args:
        path: A `.tflite` file.
        task: What all of them are known to mean; None to read it from the graph.
        tasks: What each of them is known to mean; empty for `task`.

    Raises:
        ModelFileError: It is no valid `.tflite`, or an output is one number behind a softmax.
        ArgumentError: An output cannot have that task.
    """
    contents = read_file(path)
    graph, names = contents.main_graph, signature_names(contents)
    known: Sequence[Task | None] = tasks or [task] * len(graph.outputs)
    facts = (
        output_facts(graph, tensor, name=str(path), task=each)
        for tensor, each in zip(graph.outputs, known, strict=True)
    )
    return tuple(
        dataclasses.replace(fact, name=names.get(tensor, fact.name))
        for tensor, fact in zip(graph.outputs, facts, strict=True)
    )


def signature_names(model: Model) -> dict[int, str]:
    """Returns the names under which callers know tensors of the main graph: its inputs and outputs."""
    names: dict[int, str] = {}
    for signature in model.signatures[:1]:
        for ends in (signature.inputs, signature.outputs):
            names |= {tensor: name for name, tensor in ends.items()}
    return names


def output_facts(graph: Graph, tensor: int, *, name: str, task: Task | None = None) -> OutputFacts:
    """Reads what one output of a graph means.

    Args:
        graph: The graph.
        tensor: Number of the output.
        name: What errors call the file.
        task: What the user says; None to read it from the graph.

    Raises:
        ModelFileError: The output is one number behind a softmax, which is always 1.
        ArgumentError: It cannot have that task.
    """
    stored = graph.tensors[tensor]
    shape = stored.shape[1:]
    if math.prod(shape[:-1]) == 1:
        shape = shape[-1:] or (1,)
    last = last_operator(graph, tensor)
    activation = activation_of(graph, last)
    if activation in _SHARES and math.prod(shape) == 1:
        raise ModelFileError(
            f"model {name}, output '{stored.name}'",
            "one number behind a softmax, which is always 1",
            "a sigmoid for one output, or an output for each class",
        )
    if task is not None:
        _check_task(task, shape, activation, stored.name)
    facts = OutputFacts(
        name=stored.name,
        shape=shape,
        activation=activation,
        task=task or _task(graph, shape, activation, last),
    )
    if facts.task in ("binary", "labels") and facts.even is not None and not _has_even(graph, facts, last):
        return dataclasses.replace(facts, activation="other")
    return facts


def _task(graph: Graph, shape: tuple[int, ...], activation: Activation, last: Operator | None) -> Task:
    if len(shape) > 1:
        return "map"
    if activation in _SHARES:
        return "classes"
    if shape[0] == 1:  # a direction of one number would always be the same
        return "binary"
    if activation in _SCORES:
        return "labels"
    return "classes" if _is_classifier(graph, last) or mixture_of(graph, last) == "shares" else "embedding"


def _has_even(graph: Graph, facts: OutputFacts, last: Operator | None) -> bool:
    """Whether the score that stands for one half is the one of the activation.

    It is where its function is of numbers on both sides of 0, as logits are: not where a sigmoid is put on
    what is above 0 anyway, or a score is a product of probabilities, which no activation ends.
    """
    if last is None:
        return False
    if last.name == "LOGISTIC":
        span = span_of(graph, graph.producer(last.inputs[0]))
        return span is not None and span.is_about_zero
    if facts.activation in _SCORES:
        return True
    span = span_of(graph, last)
    return span is not None and span.is_about_zero


def _is_classifier(graph: Graph, operator: Operator | None) -> bool:
    """Whether weights made the numbers, with nothing behind them but a bias or a batch normalization."""
    while operator is not None and operator.activation == "NONE":
        if operator.name in _CLASSIFIERS:
            return True
        taken = [each for each in operator.inputs if graph.constant(each) is None]
        if operator.name not in _WITH_CONSTANT or len(taken) != 1:
            return False
        operator = last_operator(graph, taken[0])
    return False


def _check_task(task: Task, shape: tuple[int, ...], activation: Activation, name: str) -> None:
    if activation in _SHARES and task in ("binary", "labels"):
        raise ArgumentError(
            f"task {task}",
            f"an output '{name}' behind a softmax, whose numbers share one whole",
            "classes, of which one is right",
        )
    fits = {
        "classes": len(shape) == 1 and shape[0] > 1,
        "binary": shape == (1,),
        "labels": len(shape) == 1,
        "embedding": len(shape) == 1,
        "map": True,
    }
    wanted = {
        "classes": "a vector of two numbers or more",
        "binary": "one number",
        "labels": "a vector",
        "embedding": "a vector",
    }
    if not fits[task]:
        raise ArgumentError(f"task {task}", f"an output '{name}' of shape {shape}", wanted[task])
