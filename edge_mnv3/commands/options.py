"""Options that several commands share."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import typing
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from edge_mnv3.commands.types import PATH, PATH_OR_WORD, Choice
from edge_mnv3.core.choices import (
    CALIBRATION_SAMPLES,
    DEFAULT_ENGINE,
    DEFAULT_PREPROCESS,
    DEFAULT_RUNTIME,
    ENGINES,
    IMAGENET_WEIGHTS,
    LABEL_MAPS,
    MADE_CALIBRATION_SAMPLES,
    PREPROCESS_NAMES,
    RUNTIMES,
)
from edge_mnv3.core.input_range import INPUT_RANGE_WORDS
from edge_mnv3.core.requests import Request
from edge_mnv3.model.arch import DEFAULT_INPUT_SIZE, VARIANTS

F = TypeVar("F", bound=Callable[..., Any])
STAGES = "edge_mnv3.stages"
CHECK_ONLY = "edge_mnv3.check_only"  # of a context: the command makes its request, and does nothing
REQUEST_ATTRIBUTE = "request_class"  # of a command's function: the name of the request that it takes


def tflite_option(name: str, says: str) -> Callable[[F], F]:
    """The required option `--NAME FILE.tflite`, which a command gets as `NAME_path`."""
    return click.option(
        f"--{name}",
        f"{name}_path",
        type=PATH,
        required=True,
        metavar="FILE.tflite",
        help=says,
    )


def only_checked() -> bool:
    """Whether a command ends when its request is made, as `run` has it where it reads a config."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(CHECK_ONLY))


def requests(kind: str) -> Callable[[F], F]:
    """Makes a stage's request of a command's options, which the command then gets as `request`.

    Every option whose name is a field of the request goes into it, or into a request that is one of its
    fields; the others reach the command as they are. The request's module is imported when the command runs,
    so that `--help` stays quick.

    Args:
        kind: The request's class, as `module.Class` of a stage.
    """
    module, _, name = kind.rpartition(".")

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(**options: Any) -> Any:
            request = _made(getattr(importlib.import_module(f"{STAGES}.{module}"), name), options)
            return None if only_checked() else function(request=request, **options)

        vars(call)[REQUEST_ATTRIBUTE] = f"{STAGES}.{kind}"
        return cast(F, call)

    return decorate


def _made(kind: type[Request], options: dict[str, Any]) -> Request:
    """Takes a request's fields out of options, and those of requests that it cannot be without."""
    hints = typing.get_type_hints(kind)
    values = {}
    for field in dataclasses.fields(cast(Any, kind)):
        if field.name in options:
            values[field.name] = options.pop(field.name)
        elif field.default is dataclasses.MISSING and issubclass(hints[field.name], Request):
            values[field.name] = _made(hints[field.name], options)
    return kind(**values)


def all_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Joins options that always come together: a decorator that adds them in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
force_option = click.option("--force", is_flag=True, help="Overwrite outputs that exist.")
cache_option = click.option(
    "--cache/--no-cache",
    "use_cache",
    default=True,
    show_default=True,
    help="Keep converted float files in the cache folder, and take them from there.",
)
output_option = click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE.json",
    help="Also write the result to this file, as JSON.",
)
runtime_option = click.option(
    "--runtime",
    type=Choice(RUNTIMES),
    default=DEFAULT_RUNTIME,
    show_default=True,
    help="Use this TFLite runtime.",
)


def engine_options(does: str) -> Callable[[F], F]:
    """The options --engine and --scheduler.

    Args:
        does: What the engine does, such as `Run files`.
    """
    return all_options(
        click.option(
            "--engine",
            type=Choice(ENGINES),
            default=DEFAULT_ENGINE,
            show_default=True,
            help=f"{does} on this machine, or by the workers of a Dask scheduler, which see images under the "
            "paths or URLs that they have here.",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Use the workers of this Dask scheduler, such as tcp://10.0.0.1:8786.",
        ),
    )


label_map_option = click.option(
    "--label-map",
    type=Choice(LABEL_MAPS),
    help="Take class numbers as counted from 0, from 1 (0 is a background), or as ILSVRC2012_ID of "
    "ImageNet's development kit.  [default: as the data tell, else from 0]",
)
input_range_option = click.option(
    "--input-range",
    metavar="RANGE",
    help=f"Feed float inputs this range: {INPUT_RANGE_WORDS}.  "
    "[default: as metadata, first layers or the other file tell]",
)
preprocess_option = click.option(
    "--preprocess",
    type=Choice(PREPROCESS_NAMES),
    default=DEFAULT_PREPROCESS,
    show_default=True,
    help="Preprocess images in this way. slim: central 87.5 % crop; resize: the whole image; "
    "resize256: short side 256, central crop.",
)


SAMPLES_HELP = (
    f"Take N calibration images.  [default: all, but {CALIBRATION_SAMPLES} at most; "
    f"{MADE_CALIBRATION_SAMPLES} synthetic ones]"
)
SEED_HELP = "Choose images by this seed."
images_options = all_options(
    click.option(
        "--samples",
        type=click.IntRange(min=1),
        help=SAMPLES_HELP,
    ),
    click.option("--seed", type=int, default=0, show_default=True, help=SEED_HELP),
    preprocess_option,
)
_model_options = all_options(
    click.argument("model", required=False, type=PATH, metavar="[MODEL]"),
    click.option("--variant", type=Choice(tuple(VARIANTS)), help="Take this network, in place of MODEL."),
    click.option(
        "--alpha", type=float, help="Multiply the variant's widths by this.  [default: that of the variant]"
    ),
    click.option(
        "--input-size",
        metavar="PX|HxW",
        help="Take images of this size; one number is the side of a square. For MODEL, only where "
        "its size is open.  "
        f"[default: the model's or the weights file's own, {DEFAULT_INPUT_SIZE} without]",
    ),
    input_range_option,
    click.option(
        "--classes",
        type=click.IntRange(min=1),
        help="Give the classifier N outputs.  [default: as many as the weights have, 1000 without]",
    ),
    click.option(
        "--weights",
        default=IMAGENET_WEIGHTS,
        show_default=True,
        type=PATH_OR_WORD,
        metavar="imagenet|none|demo|PATH",
        help="Give a variant published weights, random ones, those of the demo's digits, or a .h5, "
        ".weights.h5 or .keras file.",
    ),
)


def model_options(function: F) -> F:
    """Adds MODEL, or --variant, --alpha, --classes and --weights; which becomes the request's `graph`.

    --input-size and --input-range are of both kinds. A command's option `include_softmax` goes into it too.
    """

    @functools.wraps(function)
    def call(**options: Any) -> Any:
        from edge_mnv3.stages.model_request import OPTIONS, model_request

        given = frozenset(name for name in options if _is_given(name))
        request = model_request({name: options.pop(name, None) for name in OPTIONS}, given)
        return function(graph=request, **options)

    return _model_options(cast(F, call))


def _is_given(name: str) -> bool:
    """Whether the user wrote an option, or an argument."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source is not click.core.ParameterSource.DEFAULT
