"""The result of `sweep`: many quantizations side by side, and which of them is worth its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from edge_mnv3.core.results.formats import Format

PointState = Literal["made", "kept", "failed"]
Quality = Literal["held_out_snr_db", "int8_percent"]
CostKind = Literal["instructions", "modelled_cycles"]
COST_CHOICES = ("auto", "instructions", "modelled")


def _with_target(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no choice of it."""
    added = {key: [{**each, "target": "x86"} for each in data[key]] for key in ("points", "rows")}
    return {**data, **added}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPoint:
    """A point of the grid.

    Attributes:
        name: Name of its folder.
        model: The network, such as `small_1.0`, or the name of the user's model.
        recipe: Name of the recipe.
        budget_percent: How much more modelled cost the recipe may spend.
        seed: Its seed.
        done: Its files are there, whole, and of this very request.
    """

    name: str
    model: str
    recipe: str
    budget_percent: float
    seed: int
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What `sweep` would do.

    Attributes:
        folder: The folder of all points.
        samples: Calibration images of each point; None for what `quantize` takes.
        held_out: Calibration images that no point is calibrated on, and on which points are compared; None
            where they are compared on labelled images.
        points: All points, in the order in which they are made.
        remarks: Points that a grid would have and that make no sense.
    """

    FORMAT: ClassVar[Format] = Format("sweep plan")
    schema_version: int = FORMAT.version
    folder: str
    samples: int | None
    held_out: int | None
    points: tuple[PlannedPoint, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutFigures:
    """An int8 file on images that it was not calibrated on, against its float file.

    Attributes:
        n: Images.
        snr_db: Signal to noise of the logits; None where the float file answers all images alike, or int8 has
            no error at all.
        agreement_percent: Share of images on which both decide alike; None for features.
        kernels: `xnnpack`, or `builtin` for a file that does not load under it.
        noise: The squared error of each image's logits, as a share of their signal over all images.
    """

    n: int
    snr_db: float | None
    agreement_percent: float | None
    kernels: str
    noise: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFigures:
    """Both files on the labelled images of `--data`.

    Attributes:
        n: Images.
        measure: `top-1`, or the first figure of another task, as `validate` names it.
        float_percent: The float file's.
        int8_percent: The int8 file's.
        difference_points: int8 less float, in percentage points: negative is a loss.
        ci95_points: Its 95 % interval.
        method: How the interval was made.
        agreement_percent: Share of images on which both decide alike.
        kernels: Kernels that ran the int8 file.
        problems: What was noticed that makes these figures worthless.
    """

    n: int
    measure: str
    float_percent: float
    int8_percent: float
    difference_points: float
    ci95_points: tuple[float, float]
    method: str
    agreement_percent: float | None
    kernels: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """A point of the grid, as it was measured.

    Attributes:
        name: Name of its folder.
        model: The network, such as `small_1.0`, or the name of the user's model.
        recipe: Name of the recipe.
        target: Where the file is to run: `phone` or `x86`.
        budget_percent: How much more modelled cost the recipe might spend.
        seed: Its seed.
        state: `made` now, `kept` from an earlier run, or `failed`.
        failure: Why it failed; None for others.
        int8_path: The int8 file; None where it failed.
        int8_sha256: Its SHA-256; None where it failed.
        int8_size_bytes: Its size; None where it failed.
        ship_problems: What speaks against shipping the file: it is never recommended.
        cost: In the unit of the result's `cost`; None where it failed.
        held_out: On held-out calibration images; None where they are not looked at.
        labelled: On labelled images; None without `--data`.
    """

    name: str
    model: str
    recipe: str
    target: str
    budget_percent: float
    seed: int
    state: PointState
    failure: str | None
    int8_path: str | None
    int8_sha256: str | None
    int8_size_bytes: int | None
    ship_problems: tuple[str, ...]
    cost: float | None
    held_out: HeldOutFigures | None
    labelled: LabelledFigures | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over seeds.

    Attributes:
        mean: The mean.
        sd: The sample standard deviation; None of one seed.
    """

    mean: float
    sd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """The points that differ in their seed alone.

    Attributes:
        name: Model, recipe, budget, and a target other than x86, in words.
        model: The network, such as `small_1.0`, or the name of the user's model.
        recipe: Name of the recipe.
        target: Where the files are to run: `phone` or `x86`.
        budget_percent: The budget.
        points: Names of its points that were measured, in the order of the seeds.
        failed: Names of those that failed.
        ship_problems: What speaks against shipping any of its files.
        cost: In the unit of the result's `cost`; None where nothing was measured, as in the figures below.
        size_bytes: Of the int8 files.
        float_percent: Accuracy of float on labelled images.
        int8_percent: Accuracy of int8 on labelled images.
        difference_points: int8 less float, in percentage points.
        ci95_points: The 95 % interval of that difference; of several seeds None.
        agreement_percent: On labelled images where there are some, else on held-out ones.
        snr_db: Signal to noise of the logits on held-out images.
        on_front: No other row is as good and cheaper, or better at no higher cost.
    """

    name: str
    model: str
    recipe: str
    target: str
    budget_percent: float
    points: tuple[str, ...]
    failed: tuple[str, ...]
    ship_problems: tuple[str, ...]
    cost: Spread | None
    size_bytes: Spread | None
    float_percent: Spread | None
    int8_percent: Spread | None
    difference_points: Spread | None
    ci95_points: tuple[float, float] | None
    agreement_percent: Spread | None
    snr_db: Spread | None
    on_front: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDifference:
    """Two rows on the same images and seeds.

    Attributes:
        row: Name of the first.
        other: Name of the second.
        difference: Quality of the first less that of the second: dB, or percentage points.
        ci95: Its 95 % interval.
        told_apart: The interval leaves out 0.
    """

    row: str
    other: str
    difference: float
    ci95: tuple[float, float]
    told_apart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The row that is worth its cost.

    Attributes:
        row: Its name; None where no row can be recommended.
        point: Name of its first point, whose file to take; None where there is no row.
        reason: Why, in a sentence.
        method: How it was chosen.
        shown: Rows of the front each of which is told apart from the cheaper ones before it.
        differences: Each other row that was compared against the recommended one.
    """

    row: str | None
    point: str | None
    reason: str
    method: str
    shown: tuple[str, ...]
    differences: tuple[RowDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBasis:
    """What the points' cost is.

    Attributes:
        kind: `instructions` that one inference takes on an emulated processor, or `modelled_cycles`.
        processor: The core.
        method: What counted or modelled.
    """

    kind: CostKind
    processor: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """Many quantizations side by side.

    Attributes:
        folder: The folder of all points.
        calibration: Where the calibration images came from.
        samples: Calibration images of each point; None for what `quantize` takes.
        held_out: Where the held-out images came from; None where there are none.
        data: Where the labelled images came from; None without.
        quality: What points are compared by: the logits' signal to noise on held-out calibration images, or,
            of several networks, accuracy on labelled images.
        cost: What `cost` counts.
        points: All points, in the order of the grid.
        rows: Points with equal model, recipe, target and budget together.
        recommendation: The knee.
        plot: The picture; None where none was asked for.
        warnings: What the user must know.
        versions: Package to version.
    """

    FORMAT: ClassVar[Format] = Format("sweep", upgrades=(_with_target,))
    schema_version: int = FORMAT.version
    folder: str
    calibration: str
    samples: int | None
    held_out: str | None
    data: str | None
    quality: Quality
    cost: CostBasis
    points: tuple[SweepPoint, ...]
    rows: tuple[SweepRow, ...]
    recommendation: Recommendation
    plot: str | None
    warnings: tuple[str, ...]
    versions: dict[str, str]
