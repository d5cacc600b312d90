"""Whether one choice is better than another on the same images, and with the same seeds."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.intervals import Z95

METHOD = "paired over images (and over seeds), 95 % interval"
RESAMPLES = 2000
# Student's t at 0.975 for 1 to 9 degrees of freedom; for more, the normal distribution's quantile is near.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

_NO_NOISE = 1e-12  # of the signal: 120 dB, beyond what float32 tells

Array = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


class Difference(NamedTuple):
    """By how much one is better than another.

    Attributes:
        mean: Over images and seeds.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def snr_difference(noise: Array, other: Array) -> Difference:
    """Computes by how many dB the logits of one have less noise, by a bootstrap over images.

    Args:
        noise: Of the one, (seeds, images): squared errors over the same signal.
        other: Of the other, the same images and seeds.
    """
    of_seeds = _gain_db(noise, other)
    counts = _draws(noise.shape[1])
    resampled = _gain_db_of_sums(counts @ noise.T, counts @ other.T).mean(axis=1)
    return _interval(of_seeds, float(resampled.std(ddof=1)))


def accuracy_difference(right: Marks, other: Marks) -> Difference:
    """Computes by how many percentage points one is right more often.

    One image that only the one has right and one that only the other has right are added, as Bonett and Price
    2012 have it, so that few images that differ do not look like certainty.

    Args:
        right: Which images the one has right, (seeds, images).
        other: Which the other has right, the same images and seeds.
    """
    differences = 100 * (right.astype(np.float64) - other)
    of_images = np.append(differences.mean(axis=0), (100.0, -100.0))
    return _interval(differences.mean(axis=1), float(of_images.std() / math.sqrt(len(of_images))))


@functools.lru_cache(maxsize=2)
def _draws(images: int) -> Array:
    """How often each image is drawn in each resample, (RESAMPLES, images): the same for all differences."""
    shares = np.full(images, 1 / images)
    return np.random.default_rng(0).multinomial(images, shares, RESAMPLES).astype(np.float64)


def _gain_db(noise: Array, other: Array) -> Array:
    return _gain_db_of_sums(noise.sum(axis=1), other.sum(axis=1))


def _gain_db_of_sums(noise: Array, other: Array) -> Array:
    gains: Array = 10 * np.log10(np.maximum(other, _NO_NOISE) / np.maximum(noise, _NO_NOISE))
    return gains


def _interval(of_seeds: Array, error_of_images: float) -> Difference:
    """Joins what images and what seeds leave open: the half-widths are added as squares."""
    mean, seeds = float(of_seeds.mean()), len(of_seeds)
    half_of_seeds = 0.0
    if seeds > 1:
        quantile = _T95[seeds - 2] if seeds - 2 < len(_T95) else Z95
        half_of_seeds = quantile * float(of_seeds.std(ddof=1)) / math.sqrt(seeds)
    half = math.hypot(Z95 * error_of_images, half_of_seeds)
    return Difference(mean, mean - half, mean + half)
