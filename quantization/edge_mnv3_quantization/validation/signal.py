"""Whether an int8 file's answers still differ from image to image as the float file's do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.runtime import LoadedModel
from edge_mnv3.core.stored_numbers import real_numbers
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.validation.findings import Finding

LEAST_IMAGES = 8  # the signal is what differs between images: a few may be alike
MOST_IMAGES = 32
_ROUNDING = 1e-6  # float32 adds up to this share of a number

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FloatAnswersAlike(Finding):
    """A float file that answers all calibration images with the same numbers.

    Attributes:
        output: Name of the output.
        n: Images.
    """

    NAME: ClassVar[str] = "float_answers_alike"
    output: str
    n: int

    def _sentence(self) -> str:
        return (
            f"the float file answers all of {self.n} calibration images with the same numbers (output "
            f"{self.output}), so there is nothing for int8 to keep: the model is not trained, takes another "
            "range, or the images are alike"
        )


@dataclass(frozen=True, slots=True)
class SignalLost(Finding):
    """An int8 file whose error is larger than what differs between images.

    Attributes:
        output: Name of the output.
        n: Images.
        spread: Largest difference of a float number from image to image.
        error: Largest difference of an int8 number from the float one.
    """

    NAME: ClassVar[str] = "signal_lost"
    output: str
    n: int
    spread: float
    error: float

    def _sentence(self) -> str:
        return (
            f"the int8 file answers noise: over {self.n} calibration images, float numbers differ by "
            f"{self.spread:.2g} at most (output {self.output}), and int8 ones are off by up to "
            f"{self.error:.2g}; answers of a trained model that is fed its own range differ more"
        )


def signal_findings(
    float_model: LoadedModel, int8_model: LoadedModel, images: Images, outputs: Sequence[OutputFacts]
) -> list[Finding]:
    """Compares what both files answer to calibration images.

    Args:
        float_model: The float file, fed its range.
        int8_model: The file made from it, fed the same.
        images: Calibration images, (N, H, W, C) uint8; where N is less than `LEAST_IMAGES`, nothing is said.
        outputs: The outputs, in both files' order.

    Returns:
        One finding at most for an output.
    """
    if len(images) < LEAST_IMAGES:
        return []
    places = np.linspace(0, len(images) - 1, min(len(images), MOST_IMAGES)).astype(int)
    wanted, got = (_answers(model, images[places]) for model in (float_model, int8_model))
    found = (_finding(facts.name, *each) for facts, *each in zip(outputs, wanted, got, strict=True))
    return [finding for finding in found if finding is not None]


def _answers(model: LoadedModel, images: Images) -> list[Numbers]:
    """All outputs as real numbers, (N, numbers) each."""
    rows = [
        [
            real_numbers(stored, info).reshape(-1)
            for info, stored in zip(model.outputs, model.run_all(image), strict=True)
        ]
        for image in images
    ]
    return [np.stack(column).astype(np.float64) for column in zip(*rows, strict=True)]


def _finding(output: str, wanted: Numbers, got: Numbers) -> Finding | None:
    spread = float(np.ptp(wanted, axis=0).max())
    if spread <= _ROUNDING * float(np.abs(wanted).max()):
        return FloatAnswersAlike(output, len(wanted))
    signal = float(np.square(wanted - wanted.mean(axis=0)).sum())
    error = got - wanted
    # A file that answers each image with the mean has as much noise as there is signal. NaN is lost, too.
    if float(np.square(error).sum()) < signal:
        return None
    return SignalLost(output, len(wanted), spread, float(np.abs(error).max()))
