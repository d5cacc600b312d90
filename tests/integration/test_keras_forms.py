"""Every form of model that people make of this family: what it answers, and what is told of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_mnv3.core.input_range import parse_input_range
from edge_mnv3.core.reporting import SILENT
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.output_facts import signature_names
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.model.keras_models import answers
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.open_model import open_float_model
from edge_mnv3_quantization.reading.reader import read_network
from keras_models import SIZES, Base, all_forms
from written_graphs import float_pair

# A form of each kind is converted in every run of the tests; --all-forms converts the whole table.
IN_EVERY_RUN = (
    ("small", "in a Sequential"), ("minimalistic", "input_tensor with Rescaling"),
    ("minimalistic", "two heads"),
    ("minimalistic", "mixed precision"), ("minimalistic", "uint8 input"),
    ("minimalistic", "not square"), ("minimalistic", "grey, three times"), ("small", "embedding of length 1"),
    ("minimalistic", "takes -1..1"), ("large", "whole"),
)  # fmt: skip
TABLE = [(size, name) for size in SIZES for name in all_forms(Base(size))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        rows = [
            # The lines that read forms are the same for every size.
            pytest.param(size, name, marks=() if size == "minimalistic" else pytest.mark.unmeasured)
            for size, name in (TABLE if metafunc.config.getoption("--all-forms") else IN_EVERY_RUN)
        ]
        metafunc.parametrize(("size", "name"), rows)


def test_form(size: str, name: str, tmp_path: Path) -> None:
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    base = Base(size)
    form = all_forms(base)[name]
    shape = form.shape or base.square
    model = form.make(base)
    path = tmp_path / "model.keras"
    model.save(path)
    stated = None if form.stated is None else parse_input_range(form.stated)
    with open_float_model(
        ModelRequest(path=path, input_range=stated), use_cache=False, reporter=SILENT
    ) as opened:
        made = opened.made()
    if len(made.facts.outputs) > 1:  # the file, and whoever makes another of it, knows them by the same names
        file_model = read_model(made.content, "float")
        named = [signature_names(file_model)[tensor] for tensor in file_model.main_graph.outputs]
        assert named == [output.name for output in made.facts.outputs]
    outputs = [(output.shape, output.activation, output.task) for output in made.facts.outputs]
    assert outputs == list(form.outputs)
    assert opened.shape.dimensions == shape
    assert made.input_range.ends()[0] == pytest.approx(form.ends)
    for layer in model._flatten_layers():
        layer.dtype_policy = "float32"
    file = open_bytes(made.content)
    assert [dataclasses.astuple(tensor)[1] for tensor in file.inputs] == [(1, *shape)]
    generator = np.random.default_rng(2)
    for low, high in ((0, 255), (96, 160)):
        pixels = generator.integers(low, high, shape).astype(np.uint8)
        image = made.input_range.apply(pixels)[np.newaxis]
        for wanted, got in zip(answers(model, image), file.run_raw(image), strict=True):
            assert got.shape == wanted.shape
            assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()
    network = read_network(made.content, made.input_range)  # what the recipes rewrite
    for wanted, got in zip(*float_pair(made.content, network, made.input_range), strict=True):
        assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()
