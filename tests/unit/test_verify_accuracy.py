"""The stated accuracy against fresh images: what is told to differ, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import verify_alarms
from edge_mnv3.core.exact_tests import LEVEL, binomial_shares
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


def test_simulated_alarms() -> None:
    done = CliRunner().invoke(verify_alarms.main, ["--draws", "60", "--images", "20", "--images", "200"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    alarms = [float(cell) for line in lines[4:12] for cell in line.replace("(", " ").split()[1::2]]
    assert len(alarms) == 2 * len(verify_alarms.ACCURACIES)
    # Of all draws together no more alarms than a share of 5 % would give in 999 of 1,000 cases.
    draws = 60 * len(alarms)
    at_most = int((binomial_shares(draws, LEVEL).cumsum() < 0.999).sum())
    assert sum(alarms) / 100 * 60 <= at_most
    assert float(lines[-1].split()[1]) > 80  # a drop of 40 points, with 20 images
