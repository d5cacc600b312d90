"""What the page says first, and what it holds against published figures."""

from __future__ import annotations

import dataclasses

import pytest

from bench_records import device_result
from edge_mnv3.core.results.bench_report import PublishedCells
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.validate import OutputComparison, ScoreComparison, Similarity
from edge_mnv3.core.results.verdicts import MeasuredCell, ReproduceCell
from edge_mnv3.html_report.sections.verdict import verdict
from html_outline import Outline
from report_runs import OTHER, device_report, diagnosed, gathered, page, quantized, validated, with_interval

MADE = quantized()
FACTS = OutputFacts(name="a", shape=(3,), activation="sigmoid", task="labels")
UNLIKE = OutputComparison(
    output=FACTS, labelled=False, agreement_percent=None, threshold=None, scores=(), similarity=None
)


def output(name: str, low: float, high: float) -> OutputComparison:
    """An output whose first figure of accuracy has this interval."""
    score = ScoreComparison(
        name="mean average precision",
        float_percent=80.0,
        int8_percent=79.0,
        difference_points=-1.0,
        ci95_points=(low, high),
        method="bootstrap",
    )
    facts = dataclasses.replace(FACTS, name=name)
    return dataclasses.replace(UNLIKE, output=facts, labelled=True, scores=(score,))


def test_what_does_not_load_on_phones_is_not_to_be_shipped() -> None:
    told = verdict(gathered(MADE, with_interval(0.0, -0.1, 0.1), diagnosed(xnnpack_problem="its scales")))
    assert told.tone == "bad"
    assert told.text.endswith("the default on phones. its scales.")


@pytest.mark.parametrize(
    ("open_low", "lost", "words"),
    [
        (-4.9, (-4.0, -2.0), "of b changes"),
        (-6.0, (-4.0, -2.0), "of b changes"),
        (-4.9, (-0.9, -0.2), "of a changes"),
    ],
)
def test_a_certain_loss_goes_before_an_open_one(
    open_low: float, lost: tuple[float, float], words: str
) -> None:
    """However far the open one may reach; a loss that is small is none."""
    outputs = (output("a", open_low, 1.0), output("b", *lost))
    result = dataclasses.replace(validated(), delta=None, outputs=outputs, findings=(), gate=None)
    told = verdict(gathered(MADE, result))
    assert words in told.text
    assert (told.tone == "bad") == ("of b" in words)


def test_outputs_without_labels_are_not_judged() -> None:
    near = Similarity(
        cosine_mean=0.99,
        cosine_least=0.9,
        least_file="a.png",
        snr_db=20.0,
        neighbour_agreement_percent=None,
    )
    alike = dataclasses.replace(UNLIKE, similarity=near)
    for one, words in ((alike, "have a cosine of 0.9900"), (UNLIKE, "Without labels nothing tells")):
        result = dataclasses.replace(validated(), delta=None, outputs=(one,), findings=(), gate=None)
        told = verdict(gathered(MADE, result))
        assert told.tone == "unsure"
        assert words in told.text


def of_imagenet() -> QuantizeResult:
    """A run of a network that figures are published of."""
    variant = MADE.variant
    assert variant is not None
    known = dataclasses.replace(
        variant, size="small", minimalistic=False, alpha=1.0, input_size_px=224, classes=1000
    )
    return quantized(variant=known)


CELL = ReproduceCell(
    variant="small",
    alpha=1.0,
    precision="int8",
    recipe="accurate",
    published_device="Pixel 1",
    source="tf_slim",
    published_ms=15.5,
    published_conditions=None,
    measured=(
        MeasuredCell(
            binary="era-2019",
            of_published_time=True,
            runtime="TensorFlow Lite",
            measured_ms=15.7,
            ci95_ms=None,
            ratio=1.013,
            ratio_ci95=None,
            by_ratio="reproduced",
            verdict="reproduced",
            reasons=("it was warm",),
        ),
    ),
)


def test_published_figures_stand_beside_what_a_phone_measured() -> None:
    made = of_imagenet()
    alone = page(gathered(made))
    assert "Published accuracy" in alone
    assert "No phone was measured beside the published figures" in alone
    own = device_result([1234.0] * 3, model_sha256=made.int8_sha256)
    cells = (PublishedCells(serial="A1", cells=(CELL,)),)
    report = dataclasses.replace(device_report(own), published=cells)
    text = page(gathered(made, report))
    assert Outline(text).problems == []
    assert "Measured beside published" in text
    assert "reproduced (it was warm)" in text
    # Its verdicts name networks: of a report of other files, too, they may be those of the others.
    mixed = dataclasses.replace(report, results=(own, device_result([1.0] * 3, model_sha256=OTHER)))
    text = page(gathered(made, mixed))
    assert "reproduced (it was warm)" not in text
    assert "also measured other files" in text
