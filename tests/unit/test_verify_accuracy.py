"""The stated accuracy against fresh images: what is told to differ, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mnv3.core.exact_tests import LEVEL
from edge_mnv3.core.intervals import WILSON, wilson_percent
from edge_mnv3.core.results.stated import StatedAccuracy
from edge_mnv3.packaging.manifest import read_manifest
from edge_mnv3.stages.verify_accuracy import AccuracyTest, accuracy_words, compare_accuracy
from edge_mnv3_quantization.validation.hits import Hits

FORMATS = Path(__file__).parents[1] / "golden" / "formats"
(MODEL,) = read_manifest({"manifest.json": (FORMATS / "bundle-manifest-v3.json").read_bytes()}).models
STATED = StatedAccuracy(
    n=650,
    data="val.csv",
    preprocess="resize",
    kernels="xnnpack",
    class_offset=0,
    top1_percent=100 * 516 / 650,
    top5_percent=95.0,
    ci95_percent=wilson_percent(516, 650),
    method=WILSON,
    drop_points=None,
    drop_ci95_points=None,
    agreement_percent=None,
    runtime="litert",
    warnings=(),
)


@pytest.mark.parametrize(
    ("top1", "n", "passed", "words"),
    [
        (13, 20, True, "; below 53.1 % a difference would have been seen 8 times in 10"),
        (1, 1, True, "; so few images could not show any drop"),
        (
            12,
            20,
            False,
            "top-1 60.00 % on 20 images, 79.38 % on 650 is stated (p = 0.049, Fisher's exact test, ",
        ),
        (520, 520, False, "top-1 100.00 % on 520 images"),
    ],
)
def test_passing_hangs_on_the_test_alone(top1: int, n: int, passed: bool, words: str) -> None:
    measured = compare_accuracy(AccuracyTest(MODEL, STATED, LEVEL), "val", Hits(n=n, top1=top1, top5=n))
    assert measured.p_value is not None
    assert (measured.passed, measured.p_value > LEVEL) == (passed, passed)
    assert words in accuracy_words(measured)
