"""The benchmark of a phone's budgets: what it makes, and its table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import numpy as np
import pytest

from benchmarks import arm_forms
from benchmarks.arm_forms import Arguments, Case, Row
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.core.results.images import ImageShape

pytestmark = pytest.mark.unmeasured

PLAIN = Row(
    name="no budget",
    sha256="a",
    snr_db=15.877,
    gain_db=None,
    gain_ci95_db=None,
    agreement_percent=93.33,
    cost={"a73": 1.0901, "a76": 1.1532},
    cost_low={"a73": 1.1, "a76": 1.2},
    top1_percent=None,
    labelled_agreement_percent=None,
)
CHEAP = dataclasses.replace(
    PLAIN,
    name="phone 0",
    snr_db=10.55,
    gain_db=-5.33,
    gain_ci95_db=(-5.6, -5.06),
    cost={"a73": 0.9954, "a76": 0.967},
)


def arguments(folder: Path, *, budgets: str = "0,2.5", targets: str = "phone") -> Arguments:
    return Arguments(
        variant="small",
        weights="w.h5",
        calibration="synthetic",
        held_out=None,
        data=None,
        preprocess="resize",
        recipe="fast",
        targets=targets,
        budgets=budgets,
        cpus="a76",
        samples=2,
        seed=0,
        input_size=None,
        folder=folder,
        as_json=False,
    )


def test_the_files_are_the_two_that_others_are_compared_with_and_each_budget(tmp_path: Path) -> None:
    cases = arguments(tmp_path, targets="phone,x86").cases()
    assert cases[:2] == [Case(name="no budget"), Case(name="fused", hard_swish="fused")]
    assert [(each.name, each.target, each.budget_percent) for each in cases[2:]] == [
        ("phone 0", "phone", 0.0),
        ("phone 2.5", "phone", 2.5),
        ("x86 0", "x86", 0.0),
        ("x86 2.5", "x86", 2.5),
    ]
    request = arguments(tmp_path).request(cases[3])
    asked = (request.target, request.budget_percent, request.preprocess, request.output_dir)
    assert asked == ("phone", 2.5, "resize", tmp_path / "phone_2.5")


def test_images_of_another_place_are_held_out_all_of_them(tmp_path: Path) -> None:
    calibration, other = (tmp_path / name for name in ("calibration.npz", "other.npz"))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), np.uint8)
    np.savez(calibration, images=pixels[:2])
    np.savez(other, images=pixels[2:])
    asked = dataclasses.replace(
        arguments(tmp_path), calibration=str(calibration), held_out=str(other), input_size=32
    )
    images = asked.images()
    assert images.held_out_location == str(other)
    held_out = images.held_out_pixels(ImageShape.square(40))
    assert sorted(held_out.sum(axis=(1, 2, 3))) == sorted(pixels[2:].sum(axis=(1, 2, 3)))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"budgets": "0,some"}, "got '0,some', expected numbers"),
        ({"targets": "tv"}, "got 'tv', expected some"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, str], problem: str, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match=problem):
        arguments(tmp_path, **options).cases()


def test_a_folder_with_files_of_another_request_is_refused(tmp_path: Path) -> None:
    case = Case(name="phone 0", target="phone", budget_percent=0.0)
    (tmp_path / case.folder).mkdir()
    other = dataclasses.replace(arguments(tmp_path), seed=1)
    (tmp_path / case.folder / "made.json").write_text(arm_forms.identity(other, case))
    with pytest.raises(click.ClickException, match="got a file of another request"):
        arm_forms.made(arguments(tmp_path), case, TerminalReporter())


def test_the_table() -> None:
    assert arm_forms.table([PLAIN, CHEAP]).splitlines() == [
        "| file | dB | against no budget, dB | agreement % | cost, A73 | cost, A76 |",
        "|---|---|---|---|---|---|",
        "| no budget | 15.88 |  | 93.3 | 1.090 | 1.153 |",
        "| phone 0 | 10.55 | -5.33 ± 0.27 | 93.3 | 0.995 | 0.967 |",
    ]
    labelled = dataclasses.replace(PLAIN, top1_percent=79.14, labelled_agreement_percent=96.0)
    assert "| top-1 %, labelled | agreement %, labelled |" in arm_forms.table([labelled])
    assert "| 93.3 | 79.1 | 96.0 | 1.090 |" in arm_forms.table([labelled])
