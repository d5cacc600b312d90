"""Files of the published networks: known by the `quantize.json` beside them, found in a folder, or made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edge_mnv3.core.choices import (
    DEFAULT_HARD_SWISH,
    DEFAULT_IO,
    DEFAULT_PREPROCESS,
    IMAGENET_WEIGHTS,
    MODELS_FOLDER,
    RANDOM_WEIGHTS,
    SYNTHETIC,
)
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.imagenet import BACKGROUND_OUTPUTS, IMAGENET_CLASSES
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath, AtLeast, Count, Request
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result
from edge_mnv3.core.results.models import VariantInfo
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3.model.arch import DEFAULT_INPUT_SIZE, MIN_INPUT_SIZE, Variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.model.weights import PUBLISHED
from edge_mnv3.stages.quantize import QuantizeRequest, quantize
from edge_mnv3_quantization.recipes.config import RECIPES

if TYPE_CHECKING:
    from edge_mnv3_android_bench.published.reproduction import PublishedNetwork

_HARD_SWISH = "HARD_SWISH"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFile:
    """A file of a known network.

    Attributes:
        recipe: Quantization recipe; None for float files.
        differences: How its graph differs from the published network's, in words.
    """

    path: Path
    network: PublishedNetwork
    recipe: str | None
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFilesRequest(Request):
    """Which files are wanted.

    Attributes:
        variants: The networks.
        models_dir: Searched with its subfolders; what is missing is made in it.
        weights: `imagenet`, `none`, or a folder with files under their published names.
        input_size_px: Side of the square input, at least 32.
        calibration: As in `QuantizeRequest`, for files that must be made.
        samples: Number of these images, as in `QuantizeRequest`.
    """

    variants: Sequence[Variant]
    models_dir: AnyPath = MODELS_FOLDER
    weights: AnyPath = IMAGENET_WEIGHTS
    input_size_px: Annotated[int, AtLeast(MIN_INPUT_SIZE)] = DEFAULT_INPUT_SIZE
    calibration: AnyPath = SYNTHETIC
    samples: Count | None = None


def variant_files(request: VariantFilesRequest, reporter: Reporter) -> tuple[VariantFile, ...]:
    """Finds or makes the float file and the int8 file of each recipe, variant by variant.

    Latency does not depend on the values of weights. But the recipe `accurate` decides by them what it makes
    of each hard-swish, so that its file's graph may.

    Raises:
        EdgeMnv3Error: As `quantize` raises.
    """
    files: dict[Path, VariantFile] = {}
    for variant in request.variants:
        for recipe in (config.name for config in RECIPES.values() if config.benchmarked):
            weights = _weights(str(request.weights), variant)
            made = _find(request, variant, recipe, weights) or _make(
                request, variant, recipe, weights, reporter
            )
            float_path, int8_path = Path(made.float_path), Path(made.int8_path)
            if not any(file.network == _network(made, "float") for file in files.values()):
                files[float_path] = _describe(float_path, made)
            files[int8_path] = _describe(int8_path, made)
    return tuple(files.values())


def identify(path: Path) -> VariantFile | None:
    """Says which network a file is, by the `quantize.json` beside it; None where that does not know it."""
    made = _read_manifest(path.parent / QUANTIZE_FILE)
    if made is None or sha256_file(path) not in (made.float_sha256, made.int8_sha256):
        return None
    return _describe(path, made)


def _weights(wanted: str, variant: Variant) -> str:
    if wanted in (IMAGENET_WEIGHTS, RANDOM_WEIGHTS):
        return wanted
    folder = Path(wanted)
    published = PUBLISHED.get((variant, True))
    return str(folder / published.name) if published and folder.is_dir() else wanted


def _find(request: VariantFilesRequest, variant: Variant, recipe: str, weights: str) -> QuantizeResult | None:
    for manifest in sorted(Path(request.models_dir).rglob(QUANTIZE_FILE)):
        made = _read_manifest(manifest)
        if made and _is_wanted(made, request, variant, recipe, weights) and _is_whole(made):
            return made
    return None


def _read_manifest(path: Path) -> QuantizeResult | None:
    """Reads the manifest of a variant; its files are taken to lie beside it, wherever the folder is now."""
    try:
        made = read_quantize_result(path)
    except InputFileError:
        return None
    if made.variant is None:  # a network of the user's
        return None
    folder = path.parent
    return dataclasses.replace(
        made,
        float_path=str(folder / Path(made.float_path).name),
        int8_path=str(folder / Path(made.int8_path).name),
    )


def _is_wanted(
    made: QuantizeResult, request: VariantFilesRequest, variant: Variant, recipe: str, weights: str
) -> bool:
    info, used = made.variant, made.weights
    if info is None or used is None:
        return False
    same_weights = used.source == weights
    if weights not in (IMAGENET_WEIGHTS, RANDOM_WEIGHTS):
        same_weights = Path(weights).is_file() and used.sha256 == sha256_file(Path(weights))
    return (
        (info.size, info.minimalistic, info.alpha, info.input_size_px, made.recipe, made.hard_swish)
        == (*variant, request.input_size_px, recipe, DEFAULT_HARD_SWISH)
    ) and same_weights


def _is_whole(made: QuantizeResult) -> bool:
    files = ((Path(made.float_path), made.float_sha256), (Path(made.int8_path), made.int8_sha256))
    return all(path.is_file() and sha256_file(path) == sha256 for path, sha256 in files)


def _make(
    request: VariantFilesRequest, variant: Variant, recipe: str, weights: str, reporter: Reporter
) -> QuantizeResult:
    folder = Path(request.models_dir) / f"{variant.name}_{request.input_size_px}_{Path(weights).stem}"
    return quantize(
        QuantizeRequest(
            graph=GraphRequest(
                variant=variant, input_size_px=request.input_size_px, classes=None, weights=weights
            ),
            calibration=request.calibration,
            samples=request.samples,
            seed=0,
            preprocess=DEFAULT_PREPROCESS,
            recipe=recipe,
            hard_swish=DEFAULT_HARD_SWISH,
            io=DEFAULT_IO,
            output_dir=folder / recipe,
            force=True,  # what lies there is not whole, or of other weights: it was looked for first
        ),
        reporter,
    )


def _network(made: QuantizeResult, precision: str) -> PublishedNetwork:
    from edge_mnv3_android_bench.published.reproduction import PublishedNetwork

    info = _variant(made)
    return PublishedNetwork(info.name.removesuffix(f"_{info.alpha}"), info.alpha, precision)


def _variant(made: QuantizeResult) -> VariantInfo:
    if made.variant is None:
        raise ValueError(f"{made.name} is no variant: `_read_manifest` returns variants only")
    return made.variant


def _describe(path: Path, made: QuantizeResult) -> VariantFile:
    is_float = path.name == Path(made.float_path).name
    differences = []
    info = _variant(made)
    if info.input_size_px != DEFAULT_INPUT_SIZE:
        differences.append(f"input: {info.input_size_px} px, published {DEFAULT_INPUT_SIZE}")
    if info.classes not in (IMAGENET_CLASSES, BACKGROUND_OUTPUTS):
        differences.append(f"classes: {info.classes}, published {IMAGENET_CLASSES}")
    if not info.minimalistic and not is_float and _HARD_SWISH not in read_file(path).op_histogram():
        differences.append(f"graph: recipe {made.recipe} writes hard-swish without {_HARD_SWISH}")
    return VariantFile(
        path=path,
        network=_network(made, "float" if is_float else "int8"),
        recipe=None if is_float else made.recipe,
        differences=tuple(differences),
    )
