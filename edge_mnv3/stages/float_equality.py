"""Whether a float file answers as the model that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.errors import ConversionError, InputFileError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.model_facts import InputFacts, ModelFacts
from edge_mnv3.core.rounding import allowed_difference
from edge_mnv3.core.runtime import LoadedModel, open_bytes
from edge_mnv3.core.tflite.input_scaling import Scaling

Floats: TypeAlias = npt.NDArray[np.float32]
Run: TypeAlias = Callable[[Floats], Sequence[Floats]]

_SEED = 0
# The scaling of pixels is a few operators, each of which rounds, and two programs may join them otherwise.
_ROUNDINGS = 4
_LARGEST_SHARE = 0.01  # of the largest output: more is never put down to rounding
_LEAST_SPAN = 0.1  # networks are fed numbers that are 1 apart, at least, for pixels 0 and 255


def check_same_answers(
    content: bytes, run: Run, facts: ModelFacts, *, scalings: Sequence[Scaling], name: str
) -> None:
    """Compares a float file with the model that it was made of.

    They may differ as two programs do that round differently: see `allowed_difference`. First layers that
    leave little of the pixels beside a constant, as where they scale them twice, make rounding far larger:
    then the answers may differ by what such a rounding at the input changes.

    Args:
        content: The file.
        run: The model itself.
        facts: Of both.
        scalings: What the first layers make of the input, as `range_of_scalings` takes them.
        name: The model's, for messages.

    Raises:
        InputFileError: The model itself answers with NaN or infinity.
        ConversionError: An output differs by more than rounding, is NaN or infinite, or is missing.
    """
    file, image = open_bytes(content), facts.input
    for pixels in _images(image):
        numbers = InputRange(image.mean, image.std).apply(pixels)[np.newaxis]
        wanted, got = run(numbers), file.run_raw(numbers)
        if [each.shape for each in wanted] != [each.shape for each in got]:
            shapes = [each.shape for each in got]
            raise ConversionError(f"float file of {name}", f"outputs of shapes {shapes}", "the model's own")
        for place, (output, theirs, ours) in enumerate(zip(facts.outputs, wanted, got, strict=True)):
            if not np.isfinite(theirs).all():
                problem = f"NaN or infinite answers to an image, of output {output.name}"
                raise InputFileError(f"model {name}", problem, "finite numbers")
            difference = float(np.abs(ours - theirs).max())
            allowed = allowed_difference(theirs, output.activation)
            if difference <= allowed or difference <= _of_rounding(file, numbers, place, scalings):
                continue
            raise ConversionError(
                f"float file of {name}, output {output.name}",
                f"numbers up to {np.abs(theirs).max():.3g} that differ from the model's by {difference:.3g}",
                f"at most {allowed:.3g}",
                "please report this model",
            )


def scaled_twice(scalings: Sequence[Scaling], pixels: InputRange) -> tuple[str, ...]:
    """Says in words that the first layers leave next to nothing of the differences of pixels.

    Args:
        scalings: What all of the first layers make of the input; several where it is known from several
            places.
        pixels: The range of the input.
    """
    for scaling in scalings:
        low, high = (float(each.reshape(-1)[0]) for each in scaling.ends(pixels))
        if abs(high - low) < _LEAST_SPAN:
            return (
                f"the first layers make {low:.4g}..{high:.4g} of images of {pixels}, as where a model scales "
                "them twice (a Rescaling or Normalization in front of include_preprocessing=True); int8 has "
                "few steps for such numbers: leave one of the two out, and train again",
            )
    return ()


def _of_rounding(file: LoadedModel, numbers: Floats, place: int, scalings: Sequence[Scaling]) -> float:
    """How far an output moves where the first layers round otherwise; 0 where they do not only scale."""
    if not scalings:
        return 0.0
    off = _ROUNDINGS * max(each.rounding(float(np.abs(numbers).max())) for each in scalings)
    before = file.run_raw(numbers)[place]
    moved = [
        float(np.abs(file.run_raw((numbers + off * signs).astype(np.float32))[place] - before).max())
        for signs in _signs(numbers.shape)
    ]
    return min(max(moved), _LARGEST_SHARE * float(np.abs(before).max()))


def _signs(shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.float64]]:
    generator = np.random.default_rng(_SEED)
    yield np.ones(shape)
    yield -np.ones(shape)
    for _ in range(2):
        yield generator.choice([-1.0, 1.0], shape)


def _images(image: InputFacts) -> list[npt.NDArray[np.uint8]]:
    """Noise, faint noise on grey, and a slope: pixels of the input's shape."""
    shape = (image.height_px, image.width_px, image.channels)
    generator = np.random.default_rng(_SEED)
    noise = generator.integers(0, 256, shape)
    faint = 112 + generator.integers(0, 32, shape)
    slope = np.linspace(0, 255, shape[0] * shape[1]).reshape(shape[:2])[..., np.newaxis] + np.zeros(shape)
    return [each.astype(np.uint8) for each in (noise, faint, slope)]
