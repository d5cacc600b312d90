"""What `sweep` shows: rows over seeds, the front, the recommendation, tables of 80 columns."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.commands.sweep_table import plan_table, sweep_table
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.sweep import (
    CostBasis,
    HeldOutFigures,
    LabelledFigures,
    PlannedPoint,
    Quality,
    SweepPlan,
    SweepPoint,
    SweepResult,
)
from edge_mnv3.stages.sweep_rows import Comparing, recommend, spread, sweep_rows, with_front

IMAGES = 120
SHARES = np.random.default_rng(0).uniform(0.5, 1.5, IMAGES) / IMAGES


def point(budget: float, db: float, cost: float, **changes: Any) -> SweepPoint:
    """A point whose errors are in the same proportion on every image, unless told otherwise."""
    shares = changes.pop("shares", SHARES)
    noise = shares / shares.sum() * 10 ** (-db / 10)
    seed, model = changes.get("seed", 0), changes.get("model", "large_minimalistic_1.0")
    values: dict[str, Any] = {
        "name": f"{model}_accurate_budget{budget:g}_seed{seed}",
        "model": model,
        "recipe": "accurate",
        "target": "x86",
        "budget_percent": budget,
        "seed": seed,
        "state": "made",
        "failure": None,
        "int8_path": f"sweep/{budget:g}_{seed}/int8.tflite",
        "int8_sha256": "0" * 64,
        "int8_size_bytes": 4_420_000,
        "ship_problems": (),
        "cost": cost * 1e6,
        "held_out": HeldOutFigures(
            n=IMAGES, snr_db=db, agreement_percent=95.0, kernels="xnnpack", noise=tuple(noise)
        ),
        "labelled": LabelledFigures(
            n=650, measure="top-1", float_percent=79.38, int8_percent=79.08, difference_points=-0.31,
            ci95_points=(-1.24, 0.63), method="m", agreement_percent=96.0, kernels="xnnpack", problems=(),
        ),
    }  # fmt: skip
    return SweepPoint(**{**values, **changes})


def result(
    *points: SweepPoint, quality: Quality = "held_out_snr_db", data: str | None = "val.csv"
) -> SweepResult:
    rows = with_front(sweep_rows(points), quality)
    return SweepResult(
        folder="sweep", calibration="calibration.csv", samples=250, held_out="calibration.csv", data=data,
        quality=quality, cost=CostBasis(kind="instructions", processor="a76", method="counted"),
        points=points, rows=rows, recommendation=recommend(rows, Comparing(points, {}, quality)),
        plot=None, warnings=(), versions={},
    )  # fmt: skip


FRONT = (point(0, 15.0, 17.0), point(5, 16.0, 17.5), point(15, 16.3, 19.0), point(30, 17.0, 22.0))


def test_the_knee_is_recommended_with_its_reason() -> None:
    found = result(*FRONT)
    assert [row.on_front for row in found.rows] == [True] * 4
    assert found.recommendation.row == "large_minimalistic_1.0 accurate 5"
    assert found.recommendation.point == "large_minimalistic_1.0_accurate_budget5_seed0"
    assert "50 % of what large_minimalistic_1.0 accurate 30 gains, for 2.9 % more cost instead of 29.4 %" in (
        found.recommendation.reason
    )
    assert all(each.told_apart for each in found.recommendation.differences)


def test_thousands_of_images_have_a_comma() -> None:
    (first, *rest), labelled = FRONT, FRONT[0].labelled
    assert first.held_out is not None
    assert labelled is not None
    many = dataclasses.replace(
        first,
        held_out=dataclasses.replace(first.held_out, n=1200),
        labelled=dataclasses.replace(labelled, n=1437),
    )
    shown = " ".join(sweep_table(result(many, *rest)).split())
    assert "on 1,200 images of calibration.csv that no point" in shown
    assert "top-1 on 1,437 images of val.csv" in shown


def test_a_gain_that_may_be_chance_is_not_paid_for() -> None:
    others = np.random.default_rng(5).permutation(SHARES)
    found = result(FRONT[0], point(5, 15.05, 20.0, shares=others))
    assert [row.on_front for row in found.rows] == [True, True]
    assert found.recommendation.row == "large_minimalistic_1.0 accurate 0"
    assert found.recommendation.shown == ("large_minimalistic_1.0 accurate 0",)
    (difference,) = found.recommendation.differences
    assert difference.difference == pytest.approx(0.05)
    assert not difference.told_apart
    shown = " ".join(sweep_table(found).split())
    assert "not told apart from it: large_minimalistic_1.0 accurate 5 (+0.05 dB" in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"ship_problems": ("does not load under XNNPACK",)},
        {"cost": None},
        {"state": "failed", "failure": "no weights", "held_out": None, "labelled": None, "cost": None},
        {"held_out": None},
    ],
)
def test_what_cannot_be_shipped_or_is_not_known_is_never_recommended(changes: dict[str, Any]) -> None:
    best = dataclasses.replace(point(0, 40.0, 1.0), **changes)
    found = result(best, *FRONT[1:])
    assert not found.rows[0].on_front
    assert found.recommendation.row != found.rows[0].name
    assert result(best).recommendation.row is None
    assert "recommended: none" in sweep_table(result(best))


def test_seeds_are_one_row() -> None:
    points = [point(0, db, 17.0, seed=seed) for seed, db in enumerate((15.0, 15.5, 16.0))]
    found = result(*points, *(point(30, 17.0, 22.0, seed=seed) for seed in range(3)))
    row = found.rows[0]
    assert len(found.rows) == 2
    assert row.snr_db is not None
    assert row.snr_db == spread([15.0, 15.5, 16.0])
    assert (row.snr_db.mean, row.snr_db.sd) == (15.5, 0.5)
    assert row.ci95_points is None
    assert "15.50 ±0.50" in sweep_table(found)


def test_a_failed_seed_takes_its_row_out() -> None:
    failed = point(0, 0, 1, seed=1, state="failed", failure="the disk is full", held_out=None, labelled=None)
    found = result(FRONT[0], failed, *FRONT[2:])
    assert found.rows[0].failed == (failed.name,)
    assert not found.rows[0].on_front
    text = sweep_table(found)
    assert "FAILED: 1 of 2 points" in text
    assert f"FAILED {failed.name}: the disk is full" in " ".join(text.split())


def test_several_networks_are_compared_by_accuracy() -> None:
    networks = [
        point(0, 15.0, cost, model=model, held_out=None) for model, cost in (("small", 17.0), ("large", 40.0))
    ]
    found = result(*networks, quality="int8_percent")
    assert [row.on_front for row in found.rows] == [True, False]  # as good, and dearer
    assert found.recommendation.row == "small accurate 0"
    text = sweep_table(found)
    assert "compared by int8 accuracy on val.csv" in text
    assert "large: float 79.38 %" in text


def test_targets_have_a_part_of_the_table_each() -> None:
    found = result(*FRONT[:2], point(0, 17.0, 16.0, target="phone"), point(0, 12.0, 15.0, recipe="stock"))
    assert [row.name for row in found.rows][2] == "large_minimalistic_1.0 accurate 0 phone"
    text = sweep_table(found)
    assert (
        text.count("large_minimalistic_1.0: float")
        == text.count("large_minimalistic_1.0, target phone: f")
        == 1
    )


@pytest.mark.parametrize(("changes", "code"), [({}, 0), ({"ship_problems": ("is broken",)}, 3)])
def test_a_sweep_that_recommends_nothing_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: int
) -> None:
    measured = result(point(0, 15.0, 17.0, **changes))
    monkeypatch.setattr("edge_mnv3.stages.sweep.sweep", lambda *_: measured)
    done = CliRunner().invoke(main, ["sweep", "--variants", "small"])
    assert (done.exit_code, "recommended: none" in done.stdout) == (code, bool(code))


@pytest.mark.parametrize(
    ("data", "seeds"), [(None, 1), ("/a/folder/with/a/rather/long/name/of/labelled/images.csv", 3)]
)
def test_tables_have_80_columns(data: str | None, seeds: int) -> None:
    problem = (
        "does not load under XNNPACK: a long story of scales that have too large a ratio to one another",
    )
    points = [
        point(budget, -12.34, 1234.56, seed=seed, ship_problems=problem if budget == 7.5 else ())
        for budget in (0, 7.5, 100)
        for seed in range(seeds)
    ]
    text = sweep_table(result(*points, data=data))
    long = [line for line in text.splitlines() if len(line) > 80]
    assert long == []
    assert from_json(SweepResult, to_json(result(*points, data=data))) == result(*points, data=data)


def test_what_speaks_against_points_is_said_once() -> None:
    noise = "the int8 file answers noise: off by up to"
    points = [
        point(0, 15.0, 17.0, ship_problems=(f"{noise} 0.1",)),
        point(5, 16.0, 17.5, ship_problems=(f"{noise} 0.2", "does not load under XNNPACK")),
        point(15, 16.3, 19.0, ship_problems=(f"{noise} 0.3",)),
        point(30, 17.0, 22.0),
        point(50, 17.0, 23.0, ship_problems=(f"{noise} 0.4",)),
        point(70, 17.0, 24.0, ship_problems=(f"{noise} 0.5",)),
    ]
    lines = sweep_table(result(*points)).splitlines()
    assert [line for line in lines if line.startswith("do not ship")] == [
        "do not ship points 1 to 3, 5, 6: the int8 file answers noise: off by up to 0.1",
        "do not ship point 2: does not load under XNNPACK",
    ]
    assert lines[lines.index("do not ship point 2: does not load under XNNPACK") - 1] == "  (of point 1)"
    assert [line[0] for line in lines if line[2:11] == "accurate "] == ["!", "!", "!", ">", "!", "!"]
    assert "> recommended, * on the Pareto front; ! not to be shipped" in lines


def test_a_plan_is_listed() -> None:
    done = PlannedPoint(name="a", model="small_1.0", recipe="fast", budget_percent=0.0, seed=0, done=True)
    plan = SweepPlan(
        folder="out", samples=250, held_out=250,
        points=(done, dataclasses.replace(done, name="b", done=False)),
        remarks=("recipe stock spends no budget",),
    )  # fmt: skip
    assert plan_table(plan).splitlines() == [
        "done     a",
        "to make  b",
        "2 points in out, 1 of them done",
        "250 calibration images a point, 250 held out from all",
        "recipe stock spends no budget",
    ]
