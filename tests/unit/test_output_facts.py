"""What the outputs of a file mean, read from its last operators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3.core.results.model_facts import Activation, Task
from edge_mnv3.core.tflite.output_facts import output_facts
from edge_mnv3.core.tflite.types import Graph, Operator, Tensor, constant_tensor


def graph(*operators: str, shape: tuple[int, ...], activation: str = "NONE") -> Graph:
    tensors = tuple(Tensor(name=f"t{i}", dtype="FLOAT32", shape=shape) for i in range(len(operators) + 1))
    return Graph(
        tensors=tensors,
        operators=tuple(
            Operator(
                index=i, name=name, version=1, inputs=(i,), outputs=(i + 1,),
                options={"fused_activation_function": activation},
            )
            for i, name in enumerate(operators)
        ),
        inputs=(0,),
        outputs=(len(operators),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("operators", "shape", "task"),
    [
        (("FULLY_CONNECTED", "SOFTMAX"), (1, 7), "classes"),
        (("CONV_2D", "RESHAPE", "SOFTMAX", "DEQUANTIZE"), (1, 7), "classes"),
        (("FULLY_CONNECTED",), (1, 7), "classes"),
        (("FULLY_CONNECTED", "LOGISTIC"), (1, 1), "binary"),
        (("FULLY_CONNECTED",), (1, 1), "binary"),
        (("FULLY_CONNECTED", "TANH"), (1, 1), "binary"),
        (("FULLY_CONNECTED", "LOG_SOFTMAX"), (1, 7), "classes"),
        (("FULLY_CONNECTED", "LOGISTIC", "QUANTIZE"), (1, 7), "labels"),
        (("CONV_2D", "MEAN"), (1, 7), "embedding"),
        (("CONV_2D", "MEAN"), (1, 1, 1, 7), "embedding"),
        (("CONV_2D",), (1, 2, 2, 7), "map"),
    ],
)
def test_task_of_the_last_operators(operators: tuple[str, ...], shape: tuple[int, ...], task: Task) -> None:
    facts = output_facts(graph(*operators, shape=shape), len(operators), name="f")
    assert facts.task == task
    assert output_facts(graph(*operators, shape=shape), len(operators), name="f", task=task) == facts


@pytest.mark.parametrize(("fused", "activation"), [("RELU", "relu"), ("RELU6", "relu6")])
def test_dense_layer_with_an_activation_gives_features(fused: str, activation: Activation) -> None:
    facts = output_facts(graph("FULLY_CONNECTED", shape=(1, 7), activation=fused), 1, name="f")
    assert (facts.task, facts.activation, facts.even) == ("embedding", activation, None)


@pytest.mark.parametrize(
    ("operators", "activation"),
    [
        (("FULLY_CONNECTED", "TANH", "QUANTIZE"), "tanh"),
        (("CONV_2D", "MEAN", "L2_NORMALIZATION"), "l2_normalization"),
        (("FULLY_CONNECTED", "EXP", "LOG"), "other"),
        (("CONV_2D", "MEAN"), "none"),
    ],
)
def test_activation_of_the_last_operators(operators: tuple[str, ...], activation: Activation) -> None:
    assert output_facts(graph(*operators, shape=(1, 7)), len(operators), name="f").activation == activation


def joined(*operators: tuple[str, tuple[int, ...], str], constant: float = 0.0) -> Graph:
    """Operators of name, inputs and fused activation; tensor 0 is the input, 1 a constant, 2 their first."""
    plain = Tensor(name="t", dtype="FLOAT32", shape=(1, 7))
    return Graph(
        tensors=(plain, constant_tensor("c", np.full((1,), constant, np.float32)), *[plain] * len(operators)),
        operators=tuple(
            Operator(
                index=i, name=name, version=1, inputs=inputs, outputs=(i + 2,),
                options={"fused_activation_function": fused},
            )
            for i, (name, inputs, fused) in enumerate(operators)
        ),
        inputs=(0,),
        outputs=(len(operators) + 1,),
    )  # fmt: skip


DENSE = ("FULLY_CONNECTED", (0,), "NONE")


@pytest.mark.parametrize(
    ("operators", "constant", "activation"),
    [
        ((("FULLY_CONNECTED", (0,), "RELU6"), ("MUL", (2, 1), "NONE")), 1 / 6, "hard_sigmoid"),
        ((("FULLY_CONNECTED", (0,), "RELU6"), ("DIV", (2, 1), "NONE")), 6.0, "hard_sigmoid"),
        ((("FULLY_CONNECTED", (0,), "RELU6"), ("MUL", (2, 1), "NONE")), 1 / 3, "none"),
        ((DENSE, ("LOGISTIC", (2,), "NONE"), ("MUL", (2, 3), "NONE")), 0.0, "swish"),
        ((DENSE, ("MUL", (2, 1), "NONE")), 2.0, "none"),
        (
            (DENSE, ("SQUARE", (2,), "NONE"), ("SUM", (3, 1), "NONE"), ("RSQRT", (4,), "NONE"),
             ("MINIMUM", (5, 1), "NONE"), ("MUL", (2, 6), "NONE")),
            1e12, "l2_normalization",
        ),
        (
            (DENSE, ("MUL", (2, 2), "NONE"), ("SUM", (3, 1), "NONE"), ("SQRT", (4,), "NONE"),
             ("DIV", (2, 5), "NONE")),
            0.0, "l2_normalization",
        ),
    ],
)  # fmt: skip
def test_activation_of_a_product(
    operators: tuple[tuple[str, tuple[int, ...], str], ...], constant: float, activation: Activation
) -> None:
    made = joined(*operators, constant=constant)
    facts = output_facts(made, made.outputs[0], name="f")
    assert facts.activation == activation
    assert facts.even == {"hard_sigmoid": 0.5, "l2_normalization": None}.get(activation, 0.0)


SOFTMAXES = (("SOFTMAX", (0,), "NONE"), ("SOFTMAX", (0,), "NONE"))


@pytest.mark.parametrize(
    ("operators", "task"),
    [
        ((*SOFTMAXES, ("ADD", (2, 3), "NONE"), ("MUL", (4, 1), "NONE")), "classes"),
        ((*SOFTMAXES, ("ADD_N", (2, 3), "NONE"), ("DIV", (4, 1), "NONE")), "classes"),
        ((*SOFTMAXES, ("MUL", (2, 3), "NONE")), "classes"),
        ((*SOFTMAXES, ("SUB", (2, 3), "NONE")), "embedding"),
        ((*SOFTMAXES, ("ADD", (2, 0), "NONE")), "embedding"),
        ((*SOFTMAXES, ("ADD", (2, 3), "RELU")), "embedding"),
    ],
)
def test_an_ensemble_of_softmaxes_gives_classes(
    operators: tuple[tuple[str, tuple[int, ...], str], ...], task: Task
) -> None:
    made = joined(*operators, constant=0.5)
    assert output_facts(made, made.outputs[0], name="f").task == task


SIGMOIDS = (("LOGISTIC", (0,), "NONE"), ("LOGISTIC", (0,), "NONE"))


@pytest.mark.parametrize(
    ("operators", "constant", "activation"),
    [
        ((SIGMOIDS[0], ("SUB", (1, 2), "NONE")), 1.0, "sigmoid"),
        ((*SIGMOIDS, ("ADD", (2, 3), "NONE"), ("MUL", (4, 1), "NONE")), 0.5, "sigmoid"),
        ((*SIGMOIDS, ("ADD", (2, 3), "NONE"), ("DIV", (4, 1), "NONE")), 2.0, "sigmoid"),
        ((*SIGMOIDS, ("CONCATENATION", (2, 3), "NONE")), 0.0, "sigmoid"),
        ((("TANH", (0,), "NONE"), ("MUL", (2, 1), "NONE"), ("ADD", (3, 1), "NONE")), 0.5, "sigmoid"),
        # One half of the scores is 0, as of what is no probability.
        ((SIGMOIDS[0], ("ADD", (2, 2), "NONE"), ("SUB", (3, 1), "NONE")), 1.0, "none"),
        ((*SIGMOIDS, ("ADD", (2, 3), "NONE")), 0.0, "none"),
        ((*SIGMOIDS, ("MUL", (2, 3), "NONE")), 0.0, "sigmoid"),
        ((*SIGMOIDS, ("MAXIMUM", (2, 3), "NONE")), 0.0, "sigmoid"),
        ((SIGMOIDS[0], ("MINIMUM", (2, 1), "NONE")), 0.99, "sigmoid"),
        ((SIGMOIDS[0], ("MEAN", (2, 1), "NONE")), 0.0, "sigmoid"),
        ((SIGMOIDS[0], ("STRIDED_SLICE", (2, 1), "NONE")), 0.0, "sigmoid"),
        ((*SIGMOIDS, ("SUB", (2, 3), "NONE")), 0.0, "none"),
        ((SIGMOIDS[0], ("DIV", (1, 2), "NONE")), 0.5, "none"),
        ((SIGMOIDS[0], ("SUB", (1, 2), "RELU")), 1.0, "relu"),
    ],
)
def test_probabilities_made_of_sigmoids(
    operators: tuple[tuple[str, tuple[int, ...], str], ...], constant: float, activation: Activation
) -> None:
    made = joined(*operators, constant=constant)
    facts = output_facts(made, made.outputs[0], name="f")
    assert facts.activation == activation
    assert facts.task == ("labels" if activation == "sigmoid" else "embedding")
    assert facts.even == {"sigmoid": 0.5, "relu": None}.get(activation, 0.0)


def of_one_number(*operators: tuple[str, tuple[int, ...], str], constant: float) -> Graph:
    """Operators as in `joined`, of one number each."""
    made = joined(*operators, constant=constant)
    first, stored, *others = made.tensors
    small = (replace(tensor, shape=(1, 1)) for tensor in others)
    return replace(made, tensors=(first, stored, *small))


P, Q = SIGMOIDS


@pytest.mark.parametrize(
    ("operators", "even"),
    [
        ((DENSE, ("LOGISTIC", (2,), "NONE")), 0.5),
        ((DENSE, ("MUL", (2, 1), "NONE"), ("ADD", (3, 1), "NONE")), 0.0),  # a temperature, a bias
        ((DENSE, DENSE, ("SUB", (2, 3), "NONE")), 0.0),
        ((DENSE, ("TANH", (2,), "NONE")), 0.0),
        ((DENSE, ("LEAKY_RELU", (2,), "NONE")), 0.0),
        ((P, DENSE, ("MUL", (2, 3), "NONE")), 0.0),  # a logit and its gate
        ((P, Q, ("SUB", (2, 3), "NONE")), 0.0),  # which of two is likelier
        ((("FULLY_CONNECTED", (0,), "RELU"),), None),
        ((DENSE, ("EXP", (2,), "NONE")), None),
        ((DENSE, ("SQUARE", (2,), "NONE")), None),
        ((P, ("LOG", (2,), "NONE")), None),
        ((P, ("LOGISTIC", (2,), "NONE")), None),  # from one half on
        ((("FULLY_CONNECTED", (0,), "RELU"), ("LOGISTIC", (2,), "NONE")), None),
        ((("FULLY_CONNECTED", (0,), "RELU"), ("TANH", (2,), "NONE")), None),
        ((P, Q, ("ADD", (2, 3), "NONE")), None),
        ((P, Q, ("DIV", (2, 3), "NONE")), None),
        ((P, Q, ("SUB", (1, 3), "NONE"), ("MUL", (2, 4), "NONE")), None),  # p (1 - q)
        ((P, ("ADD", (2, 1), "NONE")), None),  # 1 to 2
        ((P, ("SUB", (1, 2), "NONE"), ("TANH", (3,), "NONE")), None),
        ((("SOFTMAX", (0,), "NONE"), ("SUM", (2, 1), "NONE")), None),
    ],
)
def test_the_middle_of_one_score(
    operators: tuple[tuple[str, tuple[int, ...], str], ...], even: float | None
) -> None:
    made = of_one_number(*operators, constant=1.0)
    facts = output_facts(made, made.outputs[0], name="f")
    assert (facts.task, facts.even) == ("binary", even)
    assert output_facts(made, made.outputs[0], name="f", task="labels").even == even


@pytest.mark.parametrize(
    ("function", "weights", "bias", "even"),
    [
        ("SOFTMAX", [1.0, 1.0, 0.0], 0.0, None),  # the sum of two classes
        ("LOGISTIC", [0.25, 0.25, 0.25], 0.0, None),
        ("LOGISTIC", [0.25, -0.25, 0.25], 0.0, 0.0),
        ("LOGISTIC", [2.0, 2.0, 2.0], -3.0, 0.0),
        ("LOGISTIC", [0.3, 0.3, 0.3], -0.0001, None),  # rounded
        ("LOGISTIC", [-2.0, -2.0, -2.0], 0.0, None),
        ("RELU", [2.0, 1.0, 0.0], 0.5, None),
        ("RELU", [2.0, -1.0, 0.0], 0.5, 0.0),
        ("TANH", [2.0, 1.0, 0.0], 0.5, 0.0),
    ],
)
def test_a_dense_layer_gives_logits_where_its_weights_let_it(
    function: str, weights: list[float], bias: float, even: float | None
) -> None:
    def made(quantized: bool) -> Graph:
        hidden = ("FULLY_CONNECTED", (0,), "RELU") if function == "RELU" else (function, (0,), "NONE")
        graph = joined(hidden, ("FULLY_CONNECTED", (2, 4, 5), "NONE"))
        numbers = np.array([weights], np.float32)
        matrix = constant_tensor("w", numbers)
        if quantized:
            steps = np.round(numbers / 0.02).astype(np.int8)
            matrix = constant_tensor("w", steps, scales=[0.02], zero_points=[0])
        stored = matrix, constant_tensor("b", np.array([bias], np.float32))
        tensors = (*graph.tensors[:3], replace(graph.tensors[3], shape=(1, 1)), *stored)
        return replace(graph, tensors=tensors)

    for quantized in (False, True):
        assert output_facts(made(quantized), 3, name="f").even == even


def test_a_score_and_its_rest_are_two_classes() -> None:
    """Several softmaxes side by side are no classes of one kind."""
    rest = (SIGMOIDS[0], ("SUB", (1, 2), "NONE"), ("CONCATENATION", (3, 2), "NONE"))
    made = joined(*rest, constant=1.0)
    shapes = [(1, 1), (1,), (1, 1), (1, 1), (1, 2)]
    tensors = (replace(tensor, shape=shape) for tensor, shape in zip(made.tensors, shapes, strict=True))
    assert output_facts(replace(made, tensors=tuple(tensors)), 4, name="f").task == "classes"
    other = (*SIGMOIDS, ("SUB", (1, 2), "NONE"), ("CONCATENATION", (4, 3), "NONE"))  # of two scores
    shapes.insert(3, (1, 1))
    tensors = (
        replace(tensor, shape=shape)
        for tensor, shape in zip(joined(*other, constant=1.0).tensors, shapes, strict=True)
    )
    made = replace(joined(*other, constant=1.0), tensors=tuple(tensors))
    assert (output_facts(made, 5, name="f").task, output_facts(made, 5, name="f").even) == ("labels", 0.5)
    side_by_side = (*SOFTMAXES, ("CONCATENATION", (2, 3), "NONE"))
    assert output_facts(joined(*side_by_side), 4, name="f").task == "embedding"


def test_refuses_a_softmax_of_one_number_and_tasks_that_do_not_fit() -> None:
    with pytest.raises(ModelFileError, match="one number behind a softmax, which is always 1"):
        output_facts(graph("FULLY_CONNECTED", "SOFTMAX", shape=(1, 1)), 2, name="f")
    with pytest.raises(ArgumentError, match=r"task binary: got an output 't1' of shape \(7,\), expected one"):
        output_facts(graph("FULLY_CONNECTED", shape=(1, 7)), 1, name="f", task="binary")
    with pytest.raises(ArgumentError, match="task labels: got an output 't2' behind a softmax"):
        output_facts(graph("FULLY_CONNECTED", "SOFTMAX", shape=(1, 7)), 2, name="f", task="labels")
