"""What `sweep` is asked for, and the points of its grid."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from edge_mnv3.core.choices import (
    DEFAULT_ENGINE,
    DEFAULT_HARD_SWISH,
    DEFAULT_IO,
    DEFAULT_PREPROCESS,
    DEFAULT_TARGET,
    IMAGENET_WEIGHTS,
    RANDOM_WEIGHTS,
    SWEEP_FOLDER,
    SYNTHETIC,
    EngineName,
    HardSwishPolicy,
    IoType,
    LabelMap,
    PreprocessName,
    Target,
)
from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.input_range import parse_input_range
from edge_mnv3.core.input_size import parse_input_size
from edge_mnv3.core.requests import AnyPath, Count, Request, check_choice
from edge_mnv3.core.results.sweep import COST_CHOICES
from edge_mnv3.model.arch import Variant, parse_variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.model.weights import PUBLISHED
from edge_mnv3.stages.engines import check_engine
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.model_request import model_request
from edge_mnv3.stages.open_model import model_name
from edge_mnv3.stages.quantize import QuantizeRequest
from edge_mnv3_quantization.recipes.config import DEFAULT_RECIPE, RECIPES

DEFAULT_BUDGETS = (0.0, 5.0, 15.0, 30.0)
_UNFIT_FOR_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest(Request):
    """A grid of quantizations: every model with every recipe, budget and seed.

    Attributes:
        models: Whole models of the user's, as `quantize` takes them.
        variants: Names of `VARIANTS`, whose files take `weights`.
        alphas: Width multipliers, each for every variant; empty for the variants' own.
        weights: `imagenet`, a weights file for a single variant, or a folder with files under their published
            names. Random weights differ from point to point, and are refused.
        classes: Outputs of the variants; None for those of the weights.
        input_size: Rows and columns, as `quantize` takes it; None for the models' own.
        input_range: What float inputs of `models` take; None for what they tell.
        recipes: Keys of `RECIPES`.
        targets: Where files are to run, as `QuantizeRequest` has it: `phone` and `x86` spend a budget
            otherwise. A recipe that chooses no forms of hard-swish has the points of `x86` only.
        budgets: Percent of more modelled cost; a recipe that copies no channels has the point of 0 only.
        seeds: Of the draw of the calibration images and of the recipe.
        hard_swish: As `QuantizeRequest` has it, for recipes that have the choice.
        io: dtype of the int8 files' input and output.
        calibration: A location of images, as `QuantizeRequest` has it.
        samples: Calibration images of each point. None: of one model so many that as many are left that no
            point is calibrated on; of several what `quantize` takes.
        preprocess: Key of `PREPROCESSES`.
        held_out: Images on which the points of one model are compared; None for those of `calibration` that
            no point is calibrated on.
        data: Labelled images to report accuracy on; points of several models are compared on them.
        labels: Names of the outputs, as `ValidateRequest` has it.
        label_map: How class numbers of `data` are counted, as `ValidateRequest` has it.
        cost: `instructions` on an emulated Arm processor, `modelled`, or `auto`: instructions where there is
            such a processor.
        output_dir: Folder for all points, with a folder each.
        plot: For a picture, a name ending in `.png` or `.svg`; None for none.
        force: Overwrite the picture.
        use_cache: Take float files from the cache, and keep them there.
        use_store: Take what is known of images from the store of results, and keep it there.
        engine: Who runs `data`: `local`: this machine; `dask`: the workers of a Dask scheduler, which see the
            images under the same paths. All else is done here.
        scheduler: Address of the scheduler.
    """

    models: Sequence[AnyPath] = ()
    variants: Sequence[str] = ()
    alphas: Sequence[float] = ()
    weights: AnyPath = IMAGENET_WEIGHTS
    classes: Count | None = None
    input_size: str | None = None
    input_range: str | None = None
    recipes: Sequence[str] = (DEFAULT_RECIPE,)
    targets: Sequence[Target] = (DEFAULT_TARGET,)
    budgets: Sequence[float] = DEFAULT_BUDGETS
    seeds: Sequence[int] = (0,)
    hard_swish: HardSwishPolicy = DEFAULT_HARD_SWISH
    io: IoType = DEFAULT_IO
    calibration: AnyPath = SYNTHETIC
    samples: Count | None = None
    preprocess: PreprocessName = DEFAULT_PREPROCESS
    held_out: AnyPath | None = None
    data: AnyPath | None = None
    labels: AnyPath | None = None
    label_map: LabelMap | None = None
    cost: str = "auto"
    output_dir: AnyPath = SWEEP_FOLDER
    plot: AnyPath | None = None
    force: bool = False
    use_cache: bool = True
    use_store: bool = True
    engine: EngineName = DEFAULT_ENGINE
    scheduler: str | None = None

    def check(self) -> None:
        """Refuses a grid without points, and options that nothing takes.

        Raises:
            ArgumentError: With what was expected.
        """
        check_choice("--cost", self.cost, COST_CHOICES)
        if not self.models and not self.variants:
            raise ArgumentError("the models", "none", "MODEL… or --variants NAME,…")
        for option, values in (
            ("--recipes", self.recipes),
            ("--targets", self.targets),
            ("--budgets", self.budgets),
            ("--seeds", self.seeds),
        ):
            if not values:
                raise ArgumentError(option, "none", "at least one")
        for recipe in self.recipes:
            check_choice("--recipes", recipe, tuple(RECIPES))
        check_engine(self.engine, self.scheduler, None)
        self._check_unused()
        if self.weights == RANDOM_WEIGHTS and self.variants:
            raise ArgumentError(
                "--weights of a sweep", RANDOM_WEIGHTS, "weights that are the same for every point"
            )

    def _check_unused(self) -> None:
        """Refuses options that nothing of this sweep would take."""
        unused = {
            "--alphas": bool(self.alphas) and not self.variants,
            "--classes": self.classes is not None and not self.variants,
            "--weights": self.weights != IMAGENET_WEIGHTS and not self.variants,
            "--input-range": self.input_range is not None and not self.models,
            "--labels": self.labels is not None and self.data is None,
            "--label-map": self.label_map is not None and self.data is None,
            "--engine": self.engine != DEFAULT_ENGINE and self.data is None,
        }
        needs = {
            "--input-range": "MODEL",
            **dict.fromkeys(("--labels", "--label-map", "--engine"), "--data"),
        }
        for option, without in unused.items():
            if without:
                wanted = needs.get(option, "--variants")
                raise ArgumentError(option, f"no {wanted}", f"{wanted}, which it is for")

    @property
    def networks(self) -> tuple[GraphRequest | ModelRequest, ...]:
        """The networks: the variants with each alpha, then the models.

        Raises:
            ArgumentError: An alpha or a size does not fit.
        """
        variants = [
            parse_variant(name, alpha) for name in self.variants for alpha in (self.alphas or (None,))
        ]
        return (*map(self._of_variant, dict.fromkeys(variants)), *map(self._of_model, self.models))

    def _of_variant(self, variant: Variant) -> GraphRequest:
        return cast(
            GraphRequest,
            model_request(
                {
                    "model": None,
                    "variant": variant.network,
                    "alpha": variant.alpha,
                    "input_size": self.input_size,
                    "input_range": None,
                    "classes": self.classes,
                    "weights": weights_of(self.weights, variant),
                    "include_softmax": True,
                },
                frozenset(),
            ),
        )

    def _of_model(self, path: AnyPath) -> ModelRequest:
        return ModelRequest(
            path=path,
            input_range=None if self.input_range is None else parse_input_range(self.input_range),
            input_size=None if self.input_size is None else parse_input_size(self.input_size),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPoint:
    """A point.

    Attributes:
        name: Name of its folder.
        model: What its network is called.
        request: What `quantize` is asked for.
    """

    name: str
    model: str
    request: QuantizeRequest

    @property
    def row(self) -> str:
        """What the points that differ in their seed alone are called."""
        request = self.request
        return row_name(self.model, request.recipe, request.target, request.budget_percent or 0.0)


def row_name(model: str, recipe: str, target: str, budget_percent: float) -> str:
    """Names the points that differ in their seed alone."""
    return " ".join((model, recipe, f"{budget_percent:g}", *([] if target == DEFAULT_TARGET else [target])))


def weights_of(wanted: AnyPath, variant: Variant) -> AnyPath:
    """Finds a variant's weights: in a folder by their published name; else as they were named."""
    published = PUBLISHED.get((variant, True))
    if wanted == IMAGENET_WEIGHTS or published is None or not Path(wanted).is_dir():
        return wanted
    names = (published.name, published.name.removeprefix("weights_"))
    return next((path for name in names if (path := Path(wanted, name)).is_file()), Path(wanted, names[0]))


def grid(request: SweepRequest, samples: int | None) -> tuple[tuple[GridPoint, ...], tuple[str, ...]]:
    """Makes the points of a grid, in its order, and remarks on those that it leaves out.

    Args:
        request: The grid.
        samples: Calibration images of each point.

    Raises:
        ArgumentError: A point is none that `quantize` takes.
    """
    networks = request.networks
    names = _names(networks)
    points = [
        GridPoint(
            name=_point_name(names[place], spent, seed),
            model=names[place],
            request=QuantizeRequest(
                graph=network,
                calibration=request.calibration,
                samples=samples,
                seed=seed,
                preprocess=request.preprocess,
                recipe=spent.recipe,
                hard_swish=_hard_swish(request, spent.recipe),
                target=spent.target,
                budget_percent=spent.budget_percent,
                io=request.io,
                output_dir=Path(request.output_dir, _point_name(names[place], spent, seed)),
                force=True,  # what lies there is no whole point of this request: it was looked for first
                use_cache=request.use_cache,
            ),
        )
        for place, network in enumerate(networks)
        for spent in _recipes(request)
        for seed in dict.fromkeys(request.seeds)
    ]
    names_of_points = Counter(point.name.casefold() for point in points)
    twice = next((name for name, count in names_of_points.items() if count > 1), None)
    if twice is not None:
        raise ArgumentError(
            "--budgets", f"two that are both written {twice}", "budgets of six digits at most"
        )
    return tuple(points), tuple(_remarks(request))


class _Spent(NamedTuple):
    """A recipe, and what it spends for which processor."""

    recipe: str
    target: Target
    budget_percent: float


def _point_name(model: str, spent: _Spent, seed: int) -> str:
    target = [] if spent.target == DEFAULT_TARGET else [spent.target]
    return "_".join((model, spent.recipe, *target, f"budget{spent.budget_percent:g}", f"seed{seed}"))


def _recipes(request: SweepRequest) -> Iterator[_Spent]:
    recipes = dict.fromkeys(request.recipes)
    targets, budgets = (dict.fromkeys(each) for each in (request.targets, request.budgets))
    for recipe, target, budget in itertools.product(recipes, targets, budgets):
        if RECIPES[recipe].copies_channels:  # which are those that choose forms
            yield _Spent(recipe, target, float(budget))
    yield from (
        _Spent(recipe, DEFAULT_TARGET, 0.0) for recipe in recipes if not RECIPES[recipe].copies_channels
    )


def _hard_swish(request: SweepRequest, recipe: str) -> HardSwishPolicy:
    has_choice = request.hard_swish in RECIPES[recipe].hard_swish_policies
    return request.hard_swish if has_choice else DEFAULT_HARD_SWISH


def _remarks(request: SweepRequest) -> Iterator[str]:
    for recipe in dict.fromkeys(request.recipes):
        if not RECIPES[recipe].copies_channels and set(request.budgets) != {0.0}:
            yield f"recipe {recipe} spends no budget: it has the points of 0 only"
        if not RECIPES[recipe].chooses_forms and {*request.targets} != {DEFAULT_TARGET}:
            yield f"recipe {recipe} chooses no forms: it has the points of {DEFAULT_TARGET} only"
        if _hard_swish(request, recipe) != request.hard_swish:
            yield f"recipe {recipe} has no choice of hard-swish"


def _names(networks: Sequence[GraphRequest | ModelRequest]) -> list[str]:
    """Names each network, in letters that file names may have; equal names are numbered."""
    names = [
        each.variant.name
        if isinstance(each, GraphRequest)
        else _UNFIT_FOR_NAMES.sub("-", model_name(each)).strip(".-") or "model"
        for each in networks
    ]
    counts = Counter(name.casefold() for name in names)
    taken = {name for name, count in counts.items() if count == 1}  # which no number may make again
    numbered = []
    for name in names:
        if counts[name.casefold()] == 1:
            numbered.append(name)
            continue
        free = (
            each
            for each in (f"{name}-{place}" for place in itertools.count(1))
            if each.casefold() not in taken
        )
        numbered.append(next(free))
        taken.add(numbered[-1].casefold())
    return numbered
