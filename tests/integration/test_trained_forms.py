"""Every form of model, trained on the handwritten digits, from Keras's file to a package that runs."""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_mnv3.core.input_range import parse_input_range
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.output_facts import signature_names
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.model.keras_models import answers
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.package import PackageRequest, package
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3_quantization.recipes.config import RECIPES
from keras_models import SIZES, Base, Form, all_forms
from real_outputs import outputs
from trained_digits import (
    HELD_OUT,
    LEAST_AGREEMENT,
    SIDE,
    Numbers,
    TrainedBase,
    alike,
    digits,
    right,
    save,
    train_head,
    trained_base,
)

pytestmark = pytest.mark.unmeasured

# What runs always; --all-forms runs the whole table with every recipe.
IN_EVERY_RUN = (("minimalistic", "batch norm behind Flatten", ("fast",)),)
# TensorFlow's converter makes the files of stock: what it makes of this one agrees on 97.5 % of the digits.
BELOW_BY_THE_CONVERTER = {("small", "odd size", "stock")}
ALPHAS = {"small": 0.35, "large": 0.35, "minimalistic": 0.5}
CALIBRATION_IMAGES = 64
WITH_LABELS = ("classes", "binary", "labels")
TABLE = [(size, name) for size in SIZES for name in all_forms(Base(size, SIDE, ALPHAS[size]))]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of one form.

    Attributes:
        float_difference: The largest of float output to Keras's, over the largest number.
        right: The share of held-out digits that the float file has right, by output; None for features.
        agreement: By recipe, the least of all outputs.
        partitions: By recipe.
    """

    float_difference: float
    right: tuple[float | None, ...]
    agreement: dict[str, float]
    partitions: dict[str, int]


@functools.cache
def base_of(size: str) -> TrainedBase:
    return trained_base(size)


def made_model(size: str, name: str, folder: Path) -> tuple[Form, Path, object]:
    """Builds a form, trains its head and saves it."""
    base = base_of(size)
    keras.utils.set_random_seed(1)
    form = all_forms(base)[name]
    model = form.make(base)
    train_head(model, form, base)
    return form, save(model, folder), model


def measured(size: str, name: str, folder: Path, recipes: tuple[str, ...]) -> Measured:
    """Makes a model and quantizes it with some recipes."""
    form, path, model = made_model(size, name, folder)
    stated = None if form.stated is None else parse_input_range(form.stated)
    agreement, partitions = {}, {}
    images, labels = digits(form.shape or (SIDE, SIDE, 3))
    calibration = folder / "calibration.npz"  # without labels: what they mean depends on the output
    np.savez(calibration, images=images[:CALIBRATION_IMAGES])
    for recipe in recipes:
        request = QuantizeRequest(
            graph=ModelRequest(path=path, input_range=stated), calibration=calibration, recipe=recipe,
            samples=CALIBRATION_IMAGES, preprocess="resize", output_dir=folder / recipe,
        )  # fmt: skip
        result = quantize(request)
        takes = parse_input_range(form.stated or f"{form.ends[0]:g}..{form.ends[1]:g}")
        content = Path(result.float_path).read_bytes()
        wanted = shaped(outputs(content, images[HELD_OUT], takes), form)
        int8 = Path(result.int8_path).read_bytes()
        got = shaped(outputs(int8, images[HELD_OUT], None), form)
        partitions[recipe] = open_bytes(int8).partitions
        activations = [activation for _, activation, _ in form.outputs]
        agreement[recipe] = min(map(alike, wanted, got, activations))
    for layer in model._flatten_layers():  # type: ignore[attr-defined]
        layer.dtype_policy = "float32"
    image = takes.apply(images[-1])[np.newaxis]
    pairs = zip(answers(model, image), open_bytes(content).run_raw(image), strict=True)
    return Measured(
        float_difference=max(float(np.abs(got - one).max() / np.abs(one).max()) for one, got in pairs),
        right=tuple(
            right(numbers, labels[HELD_OUT], activation)
            for numbers, activation in zip(wanted, activations, strict=True)
        ),
        agreement=agreement,
        partitions=partitions,
    )


def shaped(rows: list[Numbers], form: Form) -> list[Numbers]:
    """Drops the dimension of the batch."""
    return [
        numbers.reshape(len(numbers), *shape)
        for numbers, (shape, _, _) in zip(rows, form.outputs, strict=True)
    ]


def packaged(form: Form, folder: Path) -> Path:
    """Packages what a recipe made; the bundle's golden images are run by LiteRT on the way."""
    model = read_file(next(folder.glob("*_int8.tflite")))
    names = signature_names(model)
    labels = []
    for tensor, (shape, _, task) in zip(model.main_graph.outputs, form.outputs, strict=True):
        if task in WITH_LABELS:
            file = folder / f"labels_{tensor}.txt"
            file.write_text("\n".join(f"label {place}" for place in range(shape[0])))
            labels.append(f"{names[tensor]}={file}" if len(form.outputs) > 1 else file)
    bundle = folder / "bundle"
    package(PackageRequest(models=[folder], name="Digits", output=bundle, labels=labels))
    return next(bundle.glob("*.tflite"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    every = metafunc.config.getoption("--all-forms")
    rows = [(size, name, tuple(RECIPES)) for size, name in TABLE] if every else IN_EVERY_RUN
    metafunc.parametrize(("size", "name", "recipes"), rows, ids=[f"{size}-{name}" for size, name, _ in rows])


def test_trained_form(size: str, name: str, recipes: tuple[str, ...], tmp_path: Path) -> None:
    found = measured(size, name, tmp_path, recipes)
    print(json.dumps({"size": size, "form": name, **dataclasses.asdict(found)}))
    assert found.float_difference <= 1e-4
    form = all_forms(base_of(size))[name]
    for recipe in recipes:
        if (size, name, recipe) not in BELOW_BY_THE_CONVERTER:
            assert found.agreement[recipe] >= LEAST_AGREEMENT
        if recipe != "stock":  # the converter's own files are what they are
            assert found.partitions[recipe] == form.partitions
        bundled = open_bytes(packaged(form, tmp_path / recipe).read_bytes())
        assert bundled.inputs[0].shape[1:] == (form.shape or (SIDE, SIDE, 3))
        assert len(bundled.outputs) == len(form.outputs)
