"""Figures and hashes on the page: their digits, their lines, and of how many they are."""

from __future__ import annotations

import dataclasses

import pytest

from edge_mnv3.core.result_files import read_quantize_result
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.results.validate_statistics import Flip
from edge_mnv3.html_report.blocks import Section, Text
from edge_mnv3.html_report.page import render
from html_outline import Outline
from report_runs import FORMATS, diagnosed, gathered, page, quantized

MADE = quantized()


def test_a_hash_is_one_text_and_has_its_own_line_on_a_phone() -> None:
    text = page(gathered(MADE))
    assert f'<span class="hash">{MADE.int8_sha256}</span>' in text
    opened = {
        caption: text.partition(caption)[0].rpartition("<table ")[2].partition(">")[0]
        for caption in ("SHA-256 of everything that the page rests on", "Versions that quantize ran with")
    }
    assert ['class="stack"' in each for each in opened.values()] == [True, False]


def test_a_number_stays_with_its_percent_sign() -> None:
    section = Section(key="k", title="t", blocks=(Text(text="They make 61 % of it, and a % b."),))
    assert "<p>They make 61\N{NO-BREAK SPACE}% of it, and a % b.</p>" in render("title", [section])


@pytest.mark.parametrize(("alike", "told"), [(359, "1 image on"), (333, "1 of 27 images on")])
def test_how_many_of_the_changed_answers_are_shown(alike: int, told: str) -> None:
    result = from_json(ValidateResult, (FORMATS / "validate-v6.json").read_text())
    (statistics,) = result.statistics
    assert statistics.confidence is not None
    flip = Flip(
        file="a.png",
        label=1,
        float_class=1,
        int8_class=2,
        float_confidence=0.6,
        int8_confidence=0.5,
        effect="lost",
    )
    confidence = dataclasses.replace(statistics.confidence, flips=(flip,))
    agreement = dataclasses.replace(statistics.agreement, hits=alike)
    changed = dataclasses.replace(statistics, confidence=confidence, agreement=agreement)
    text = page(gathered(dataclasses.replace(result, statistics=(changed,))))
    assert f"<figcaption>{told} which the two files give different answers" in text


def test_probabilities_are_told_finely_enough_for_their_difference() -> None:
    result = from_json(ValidateResult, (FORMATS / "validate-v6.json").read_text())
    texts = [text.replace("\N{NO-BREAK SPACE}", " ") for text in Outline(page(gathered(result))).texts]
    assert "90.22 % float, 90.20 % int8 (−0.02 points, 95 % interval −0.06 to +0.03)" in texts
    assert "9.22 points float, 8.85 points int8 (−0.37 points, 95 % interval −0.77 to +0.18)" in texts


@pytest.mark.parametrize("known", [True, False])
def test_biases_are_refitted_where_the_recipe_is_known(known: bool) -> None:
    report = read_quantize_result(FORMATS / "quantize-v7.json").recipe_report
    text = page(gathered(MADE, diagnosed(recipe_report=report if known else None)))
    assert ("biases refitted in " in text, "biases moved in " in text) == (known, not known)
