"""The screen of `diagnose`: its columns, and the lists in its sentences."""

from __future__ import annotations

import dataclasses

from edge_mnv3.commands.diagnose import table
from edge_mnv3.core.result_files import read_quantize_result
from edge_mnv3.core.results.recipe import ExponentTrial
from report_runs import FORMATS, diagnosed


def test_the_lowest_inside_a_block_is_a_column() -> None:
    result = diagnosed()
    first, second = result.layers
    layers = [
        dataclasses.replace(layer, layer=f"{block}_{place}", block=block, snr_db=snr_db)
        for block, figures in (("one", (15.1, 22.0)), ("two", (16.0, 6.7)))
        for place, (layer, snr_db) in enumerate(zip((first, second), figures, strict=True))
    ]
    lines = table(dataclasses.replace(result, layers=tuple(layers))).split("\n")
    (at,) = [place for place, line in enumerate(lines) if line.endswith("dB  lowest inside")]
    assert [line.split("  ")[-1] for line in lines[at + 1 : at + 3]] == ["15.1 one_0", " 6.7 two_1"]
    assert (
        len({line.index(name) for line, name in zip(lines[at + 1 :], ("one_0", "two_1"), strict=False)}) == 1
    )


def test_exponents_that_were_tried_are_a_list() -> None:
    report = read_quantize_result(FORMATS / "quantize-v7.json").recipe_report
    assert report is not None
    trials = tuple(ExponentTrial(exponent=exponent, logits_mse=1.0) for exponent in (1.0, 0.5))
    told = dataclasses.replace(report, equalization_exponent=1.0, exponent_trials=trials)
    assert "equalization exponent 1, the best of 1 and 0.5;" in table(diagnosed(recipe_report=told))
