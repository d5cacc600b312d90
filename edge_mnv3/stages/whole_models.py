"""Whole models of the user's: read, converted to float `.tflite`, compared with what they were made of."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edge_mnv3.core import cache
from edge_mnv3.core.errors import ArgumentError, ModelFileError
from edge_mnv3.core.hashing import sha256_file, sha256_folder
from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.reporting import Reporter, timed
from edge_mnv3.core.results.images import GREY_CHANNELS, RGB_CHANNELS
from edge_mnv3.core.results.json_format import from_json, to_jsonable
from edge_mnv3.core.results.model_facts import ModelFacts, OutputFacts
from edge_mnv3.core.results.models import ModelSource
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.core.tflite.edit import Edit
from edge_mnv3.core.tflite.input_facts import DecidedInput, FileInput, decide_inputs, input_of
from edge_mnv3.core.tflite.input_scaling import Scaling, range_of_graph, scalings_of_graph
from edge_mnv3.core.tflite.integer_input import with_float_input
from edge_mnv3.core.tflite.output_facts import output_facts, signature_names
from edge_mnv3.core.tflite.range_metadata import with_known_range
from edge_mnv3.core.tflite.read import read_model
from edge_mnv3.core.tflite.types import Model
from edge_mnv3.model.model_files import model_format
from edge_mnv3.stages.float_equality import Run, check_same_answers, scaled_twice
from edge_mnv3.stages.float_file import converter_versions
from edge_mnv3.stages.float_model import FloatModel, ModelRequest

# What decides how a whole model is converted, beside TensorFlow and Keras.
MODEL_SOURCES = (
    "edge_mnv3.core.input_range",
    "edge_mnv3.core.results.model_facts",
    "edge_mnv3.core.rounding",
    "edge_mnv3.core.tflite.input_facts",
    "edge_mnv3.core.tflite.input_scaling",
    "edge_mnv3.core.tflite.integer_input",
    "edge_mnv3.core.tflite.output_activations",
    "edge_mnv3.core.tflite.output_facts",
    "edge_mnv3.core.tflite.range_metadata",
    "edge_mnv3.model.keras_models",
    "edge_mnv3.model.keras_scaling",
    "edge_mnv3.model.keras_settings",
    "edge_mnv3.model.model_config",
    "edge_mnv3.model.saved_models",
    "edge_mnv3.stages.whole_models",
    "edge_mnv3_quantization.convert",
)
Timer: TypeAlias = Callable[[str, str], AbstractContextManager[None]]
Shape: TypeAlias = tuple[int, int, int]

_CONVERTING = "converting to float .tflite (about 10 s)"


def whole_model(request: ModelRequest, *, use_cache: bool, reporter: Reporter) -> FloatModel:
    """Reads and converts a model, or takes what an earlier run converted; see `open_float_model`."""
    path = Path(request.path)
    source = ModelSource(
        format=model_format(path),
        path=str(path),
        sha256=sha256_folder(path) if path.is_dir() else sha256_file(path),
    )
    started = time.perf_counter()
    key = _cache_key(request, source) if use_cache and source.format != "tflite" else None
    kept = cache.get(key, reporter) if key else None
    if kept is not None:
        line, _, content = kept.partition(b"\n")
        known = from_json(_Known, line.decode())
        _warn(known.warnings, reporter)
        return FloatModel(
            content=content,
            facts=known.facts,
            source=source,
            from_cache=True,
            timings_s={"read_cache": time.perf_counter() - started},
        )
    made, warnings = _converted_model(request, source, reporter)
    _warn(warnings, reporter)
    if key:
        line = json.dumps(to_jsonable(_Known(facts=made.facts, warnings=warnings))).encode()
        cache.put(key, line + b"\n" + made.content, reporter)
    return made


def _warn(warnings: Sequence[str], reporter: Reporter) -> None:
    for warning in warnings:
        reporter.warn(warning)


def _cache_key(request: ModelRequest, source: ModelSource) -> str | None:
    installed = converter_versions()
    sources, stated = cache.sha256_sources(MODEL_SOURCES), request.input_range
    if sources is None or installed is None:
        return None
    return cache.cache_key(
        "float file of a whole model",
        {
            "model": source.sha256,
            "input_range": None if stated is None else [stated.mean, stated.std],
            "input_size": None if request.input_size is None else str(request.input_size),
            "versions": installed,
            "sources": sources,
        },
    )


def _converted_model(
    request: ModelRequest, source: ModelSource, reporter: Reporter
) -> tuple[FloatModel, tuple[str, ...]]:
    """Makes the float model, and says what the user must know of it."""
    path = Path(request.path)
    timings_s: dict[str, float] = {}
    made: dict[str, Callable[[ModelRequest, Path, Timer], _Converted]] = {
        "keras": _of_keras,
        "h5": _of_keras,
        "saved_model": _of_saved_model,
        "tflite": _of_tflite,
    }

    def timer(key: str, text: str) -> AbstractContextManager[None]:
        return timed(timings_s, key, text, reporter)

    converted = made[source.format](request, path, timer)
    decided = _decided_input(converted, request, path)
    image, doubts = decided.facts, () if decided.warning is None else (decided.warning,)
    content = with_known_range(
        _with_names(converted, str(path)), InputRange(image.mean, image.std), str(path)
    )
    file = read_model(content, str(path))
    graph = file.main_graph
    facts = ModelFacts(input=image, outputs=_outputs(file, converted.output_names, path))
    operators = tuple(scalings_of_graph(graph, graph.inputs[0]))
    doubled = scaled_twice((*converted.layers[-1:], *operators[-1:]), decided.range)
    scalings = (*converted.layers, *operators)
    with timer("compare", "comparing the float file with the model"):
        check_same_answers(content, converted.run, facts, scalings=scalings, name=str(path))
    model = FloatModel(content=content, facts=facts, source=source, timings_s=timings_s)
    return model, (*converted.warnings, *doubts, *doubled)


def _with_names(converted: _Converted, name: str) -> bytes:
    """The file, whose outputs have the names that they have in the model, where there are several."""
    names = converted.output_names
    if len(names) < 2 or len(set(names)) < len(names):
        return converted.content
    return Edit(converted.content, name).name_outputs(names).to_bytes()


def _outputs(file: Model, names: Sequence[str], path: Path) -> tuple[OutputFacts, ...]:
    """What the outputs mean, under the model's names, or under those of the file's signature."""
    graph, signature = file.main_graph, signature_names(file)
    read = [output_facts(graph, tensor, name=str(path)) for tensor in graph.outputs]
    tensors = zip(graph.outputs, read, strict=True)
    renamed = names or [signature.get(tensor, facts.name) for tensor, facts in tensors]
    return tuple(dataclasses.replace(facts, name=name) for facts, name in zip(read, renamed, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the cache keeps of a float file beside its bytes.

    Attributes:
        warnings: What is said in every run.
    """

    facts: ModelFacts
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Converted:
    """A float file, and the model that it was made of.

    Attributes:
        content: The file.
        run: The model itself.
        output_names: Its names of the outputs; empty for those of the file.
        layers: What its first layers make of the input; empty where only the file's operators are known.
        is_pixels: It takes uint8, pixels as they are.
        warnings: What the user must know of the model.
    """

    content: bytes
    run: Run
    output_names: tuple[str, ...] = ()
    layers: tuple[Scaling, ...] = ()
    is_pixels: bool = False
    warnings: tuple[str, ...] = ()


def _of_keras(request: ModelRequest, path: Path, timer: Timer) -> _Converted:
    from edge_mnv3.model.keras_models import flat_outputs, load_keras
    from edge_mnv3.model.keras_scaling import leading_scalings
    from edge_mnv3_quantization.convert import TensorFlowFunction, convert_function

    with timer("load", "loading the model"):
        loaded = load_keras(path, model_format(path))
    shape = _fixed_shape(loaded.shape, request, path)

    def call(image: Any) -> list[Any]:
        return flat_outputs(loaded.model(image, training=False))

    with timer("convert_float", _CONVERTING):
        content = convert_function(
            TensorFlowFunction(
                call=call,
                shape=(1, *shape),
                keras_variables=loaded.keras_variables,
                dtype=loaded.dtype,
            )
        )
    return _Converted(
        content=with_float_input(content, str(path)),
        run=loaded.run,
        output_names=loaded.output_names,
        layers=() if loaded.is_keras_2 else leading_scalings(loaded.model),
        is_pixels=loaded.dtype == "uint8",
        warnings=loaded.warnings,
    )


def _of_saved_model(request: ModelRequest, path: Path, timer: Timer) -> _Converted:
    from edge_mnv3.model.saved_models import load_saved_model
    from edge_mnv3_quantization.convert import TensorFlowFunction, convert_function

    with timer("load", "loading the model"):
        loaded = load_saved_model(path)
    shape = _fixed_shape(loaded.shape, request, path)
    with timer("convert_float", _CONVERTING):
        content = convert_function(
            TensorFlowFunction(call=loaded.call, shape=(1, *shape), dtype=loaded.dtype)
        )
    return _Converted(
        content=with_float_input(content, str(path)),
        run=loaded.run,
        output_names=loaded.output_names,
        is_pixels=loaded.dtype == "uint8",
    )


def _of_tflite(request: ModelRequest, path: Path, timer: Timer) -> _Converted:
    from edge_mnv3.model.tflite_models import open_shape, with_channels_last, with_fixed_shapes

    given = path.read_bytes()
    as_float = with_float_input(given, str(path))
    content = with_channels_last(as_float, str(path))
    shape = _fixed_shape(open_shape(content, str(path)), request, path)
    with timer("convert_float", "reading the float .tflite"):
        fixed = with_fixed_shapes(content, shape, str(path))
    return _Converted(
        content=fixed,
        run=_runner(given, shape, path, channels_first=content != as_float),
        is_pixels=as_float != given,
    )


def _runner(given: bytes, shape: Shape, path: Path, *, channels_first: bool) -> Run:
    """The file as it was given, but for the size of its input where that is open; takes channels last."""
    height, width, channels = shape
    sides = (1, channels, height, width) if channels_first else (1, *shape)
    try:
        model = open_bytes(Edit(given, str(path)).set_input_shape(sides).to_bytes(), kernels="builtin")
    except (RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise ModelFileError(f"model {path}", cause, "a .tflite that LiteRT loads") from error
    dtype = model.inputs[0].dtype
    if channels_first:
        return lambda numbers: model.run_raw(np.ascontiguousarray(np.moveaxis(numbers, -1, 1)).astype(dtype))
    return lambda numbers: model.run_raw(numbers.astype(dtype))


def _fixed_shape(shape: tuple[int | None, int | None, int], request: ModelRequest, path: Path) -> Shape:
    """The input's shape, with what the user states of open sides."""
    height, width, channels = shape
    stated = request.input_size
    if stated is None and (height is None or width is None):
        raise ArgumentError(
            f"model {path}", "an input of open height and width", "its size", "state it with --input-size"
        )
    if stated is not None:
        if height not in (None, stated.height_px) or width not in (None, stated.width_px):
            raise ArgumentError(
                f"--input-size with model {path}",
                str(stated),
                f"{height}x{width}, which the model has",
                "leave --input-size out",
            )
        height, width = stated.height_px, stated.width_px
    if channels not in (RGB_CHANNELS, GREY_CHANNELS):
        raise ModelFileError(f"model {path}", f"an input of {channels} channels", "3 (RGB) or 1 (grey)")
    return height or 0, width or 0, channels


def _decided_input(converted: _Converted, request: ModelRequest, path: Path) -> DecidedInput:
    """The input with its range: as stated, else as the file or the first layers of the model tell."""
    own: FileInput = input_of(converted.content, str(path))
    if converted.is_pixels:
        if request.input_range not in (None, PIXELS):
            raise ArgumentError(
                f"--input-range with model {path}",
                str(request.input_range),
                f"{PIXELS}, as its input is of uint8",
                "leave --input-range out",
            )
        (decided,) = decide_inputs([dataclasses.replace(own, metadata=None, graph=PIXELS)])
        return DecidedInput(facts=dataclasses.replace(decided.facts, range_source="definition"))
    if converted.layers:
        graph = read_model(converted.content, str(path)).main_graph
        own = dataclasses.replace(own, graph=range_of_graph(graph, graph.inputs[0], converted.layers))
    return decide_inputs([own], request.input_range)[0]
