"""How far the outputs of one network may differ where two programs compute them in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from edge_mnv3.core.results.model_facts import Activation

LARGEST_DIFFERENCE = 1e-4  # of the largest output to an image; rounding reaches a tenth of it
_SMALLEST = float(np.finfo(np.float32).tiny)  # what lies below is 0 to some programs


def allowed_difference(wanted: npt.NDArray[np.float32], activation: Activation) -> float:
    """Says by how much outputs may differ from those that are wanted.

    That is a share of the largest output. Sigmoids may all be tiny, and then rounding is a larger share of
    them: a logit x that is off by a share s moves exp(x) by the share s * |x|. So a sigmoid may be off as its
    logit may, be it 0.3 or 1e-25. A softmax has one large output at least.

    Args:
        wanted: One output of the network to an image; NaN allows nothing.
        activation: What made it.
    """
    largest = float(np.abs(wanted).max())
    if activation != "sigmoid":
        return LARGEST_DIFFERENCE * largest
    logit = -float(np.log(max(largest, _SMALLEST)))
    return max(LARGEST_DIFFERENCE * largest * max(1.0, logit), _SMALLEST)
