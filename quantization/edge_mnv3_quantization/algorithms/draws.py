"""The one generator of everything that a recipe draws by chance."""

from __future__ import annotations

import numpy as np


def random_generator(seed: int) -> np.random.Generator:
    """Returns NumPy's generator for any whole number; NumPy itself takes none below 0."""
    return np.random.default_rng(seed if seed >= 0 else seed % 2**64)
