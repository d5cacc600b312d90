"""Images with the statistics of photographs, for calibration where there are none.

Dead leaves (Lee, Mumford and Huang 2001, "Occlusion models for natural images"): opaque shapes whose radii
follow a power law r^-3 hide one another, which gives edges at all scales and a power spectrum near 1/f^2.
Each leaf has a colour and a texture of noise with equal energy in each octave; the picture has shading, blur
and an exposure. The distributions of exposure, contrast and saturation were set after photographs' own.

The bytes are the same on every machine and version: random numbers are the raw words of a counter-based
generator, no function is used whose last digit a library may choose, and sums are taken over integers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.images import Pixels

Field = npt.NDArray[np.float64]

_LEAVES = 220
_SMALLEST_RADIUS = 0.012  # of the image's side
_LARGEST_RADIUS = 0.6
_TEXTURES = 3
_FIXED_POINT = 1 << 16
_KNEE_LOW, _KNEE_HIGH, _KNEE_SLOPE = 25.0, 225.0, 0.3


class _Uniform:
    """Uniform numbers in [0, 1) from the raw words of Philox, whose stream NumPy promises not to change."""

    def __init__(self, seed: int, index: int) -> None:
        self._words = np.random.Philox(key=np.array([seed & (2**64 - 1), index], dtype=np.uint64))

    def many(self, *shape: int) -> Field:
        raw = np.asarray(self._words.random_raw(int(np.prod(shape))), dtype=np.uint64)
        numbers: Field = (raw >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53
        return numbers

    def one(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(self.many(1)[0])

    def bell(self, *shape: int) -> Field:
        """Mean 0, standard deviation 1: the sum of twelve uniforms, less 6."""
        total = np.zeros(shape)
        for numbers in self.many(12, *shape):
            total += numbers  # one after another: the order of a sum decides its last digit
        return total - 6.0


def synthetic_image(index: int, *, size: int, seed: int) -> Pixels:
    """Makes one image.

    Args:
        index: Which of the seed's images, at least 0.
        size: Side in pixels.
        seed: Any integer.

    Returns:
        (size, size, 3) uint8, RGB; the same bytes for the same arguments, everywhere.
    """
    uniform = _Uniform(seed, index)
    textures = np.stack([_octave_noise(uniform, size) for _ in range(_TEXTURES)])
    colour, contrast, texture = _leaves(uniform, size)
    chosen = np.take_along_axis(textures, texture[np.newaxis], axis=0)[0]
    picture = colour + (contrast * chosen)[..., np.newaxis]
    shading = _smooth(uniform.bell(3, 3), size)
    picture = picture + uniform.one(0.0, 0.5) * shading[..., np.newaxis]
    return _expose(_blur(picture, uniform.one(0.0, 0.15)), uniform)


def _leaves(uniform: _Uniform, size: int) -> tuple[Field, Field, npt.NDArray[np.intp]]:
    """Colour (size, size, 3), contrast of texture (size, size) and its number (size, size) of each pixel."""
    share = uniform.many(_LEAVES)
    smallest = _SMALLEST_RADIUS * size * uniform.one(0.6, 5.0)
    ratio = smallest / (_LARGEST_RADIUS * size)
    # Inverse of the distribution function of a density ~ r^-3.
    radii = np.sort(smallest / np.sqrt(1.0 - share * (1.0 - ratio * ratio)))[::-1]
    centres = uniform.many(_LEAVES, 2) * size
    squeeze = 0.2 + 0.8 * uniform.many(_LEAVES)
    axes = uniform.bell(_LEAVES, 2) + 1e-3
    axes = axes / np.sqrt((axes * axes).sum(axis=1, keepdims=True))
    # Bounded: reflectances are, and highlights come from the exposure.
    light = 3.0 * uniform.many(_LEAVES) - 1.5
    saturation = uniform.one(0.05, 0.5)
    colours = light[:, np.newaxis] + saturation * uniform.bell(_LEAVES, 3)
    contrasts = uniform.one(0.2, 1.6) * uniform.many(_LEAVES)
    numbers = (uniform.many(_LEAVES) * _TEXTURES).astype(np.intp)

    leaf = np.zeros((size, size), dtype=np.intp)
    # Not in the order of their size, which would put all small leaves in front, but nearly: a large leaf in
    # front would leave little else.
    depth = np.argsort(np.arange(_LEAVES) + uniform.many(_LEAVES) * _LEAVES * 0.7, kind="stable")
    for number in depth:
        radius = float(radii[number])
        x, y = (float(value) for value in centres[number])
        left, right = max(0, int(x - radius)), min(size, int(x + radius) + 2)
        upper, lower = max(0, int(y - radius)), min(size, int(y + radius) + 2)
        dx = np.arange(left, right) - x
        dy = (np.arange(upper, lower) - y)[:, np.newaxis]
        cosine, sine = (float(value) for value in axes[number])
        along = dx * cosine + dy * sine
        across = (dy * cosine - dx * sine) / float(squeeze[number])
        inside = along * along + across * across <= radius * radius
        leaf[upper:lower, left:right][inside] = number
    return colours[leaf], contrasts[leaf], numbers[leaf]


def _octave_noise(uniform: _Uniform, size: int) -> Field:
    """Noise with the same energy in each octave, which is a power spectrum of 1/f^2; about unit variance."""
    total = np.zeros((size, size))
    cells, octaves = 4, 0
    while cells <= size:
        total = total + _smooth(uniform.bell(cells + 1, cells + 1), size)
        cells, octaves = cells * 2, octaves + 1
    noise: Field = total / np.sqrt(max(1, octaves))
    return noise


def _smooth(grid: Field, size: int) -> Field:
    """Interpolates a square grid to (size, size) linearly along both axes."""
    position = np.arange(size) * ((grid.shape[0] - 1) / size)
    low = position.astype(np.intp)
    share = position - low
    rows = grid[low] * (1.0 - share)[:, np.newaxis] + grid[low + 1] * share[:, np.newaxis]
    columns: Field = rows[:, low] * (1.0 - share) + rows[:, low + 1] * share
    return columns


def _blur(picture: Field, share: float) -> Field:
    """Mixes each pixel with its four neighbours, as optics and demosaicing do."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    vertical = padded[:-2, 1:-1] + padded[2:, 1:-1]
    horizontal = padded[1:-1, :-2] + padded[1:-1, 2:]
    blurred: Field = picture * (1.0 - 4.0 * share) + (vertical + horizontal) * share
    return blurred


def _expose(picture: Field, uniform: _Uniform) -> Pixels:
    """Scales to a random mean and contrast with a tint, and clips to 0..255."""
    fixed = np.rint(picture * _FIXED_POINT).astype(np.int64)
    count = fixed.size
    mean = int(fixed.sum()) / count
    variance = int(((fixed - int(mean)) ** 2 // _FIXED_POINT).sum()) / count * _FIXED_POINT
    wanted_mean = 113.0 + 28.0 * float(uniform.bell(1)[0])
    wanted_std = max(20.0, 63.0 + 16.0 * float(uniform.bell(1)[0]))
    tint = 10.0 * uniform.bell(3)
    values = (fixed - mean) * (wanted_std / np.sqrt(variance + 1.0)) + wanted_mean + tint
    # Cameras compress highlights and shadows: few pixels of a photograph are clipped.
    values = np.where(values > _KNEE_HIGH, _KNEE_HIGH + (values - _KNEE_HIGH) * _KNEE_SLOPE, values)
    values = np.where(values < _KNEE_LOW, _KNEE_LOW + (values - _KNEE_LOW) * _KNEE_SLOPE, values)
    pixels: Pixels = np.rint(np.clip(values, 0.0, 255.0)).astype(np.uint8)
    return pixels
