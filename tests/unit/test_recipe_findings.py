"""What `diagnose` says of refitted weights."""

from __future__ import annotations

import pytest

from edge_mnv3.core.results.recipe import ONLY_GAIN, RefittedLayer
from edge_mnv3_quantization.diagnosis.recipe_findings import refitted_phrase


@pytest.mark.parametrize(
    ("refitted", "smallest", "largest", "words"),
    [
        (0, None, None, "bias refitted; no other weights were better on images that they were not fitted to"),
        (8, 0.3, 0.3, "weights of 8 of 8 channels and biases refitted, ridge 0.3"),
        (6, 0.001, 10.0, "weights of 6 of 8 channels and biases refitted, ridges 0.001 to 10"),
        (
            6,
            0.3,
            ONLY_GAIN,
            "weights of 6 of 8 channels and biases refitted, ridges from 0.3 to a gain alone",
        ),
        (8, ONLY_GAIN, ONLY_GAIN, "weights of 8 of 8 channels times a gain, biases refitted"),
    ],
)
def test_ridges_in_words(refitted: int, smallest: float | None, largest: float | None, words: str) -> None:
    layer = RefittedLayer(
        layer="conv",
        channels=8,
        refitted_channels=refitted,
        smallest_ridge=smallest,
        median_ridge=smallest,
        largest_ridge=largest,
    )
    assert refitted_phrase(layer) == words
