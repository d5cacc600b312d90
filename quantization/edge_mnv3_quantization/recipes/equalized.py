"""The engine `equalized`: a full-integer file that keeps float's answers and runs on XNNPACK throughout.

It quantizes after training, on images without labels, and its result is deterministic. In order:

1. hard-swish is lowered to a hard-sigmoid and a product, and the pixels' scaling moves into the input's zero
   point;
2. squeeze-excite excitations that are constant over the calibration images move into the weights that follow;
3. what rounding and clipping cost at the logits is measured for every channel (`sensitivity`);
4. equalization scales and ranges are chosen by that cost (`equalization`, `ranges`), and so are the
   hard-swishes that need scales per channel at all (`lowering`); scales make the weights' rows less even, so,
   except in front of depthwise convolutions, they are raised to the power that is best in trial networks on a
   part of the images;
5. where the recipe says so, weights and biases are refitted, node by node, to what the int8 network really
   computes (`reconstruction`).

Synthetic images show less than photographs; `synthetic_images` says what is done differently with them.

The file is written through the schema that LiteRT ships, not by TensorFlow's converter: its scales, zero
points, weights and biases are exactly those that were computed, but for scales of products that processors
would round differently (`rounding_ties`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from threadpoolctl import threadpool_limits

from edge_mnv3.core.memory import give_back_freed_memory
from edge_mnv3.core.results.recipe import ExponentTrial
from edge_mnv3_quantization.algorithms.curves import fitted_values
from edge_mnv3_quantization.algorithms.float_results import (
    FloatResults,
    Positions,
    drawn_positions,
    float_results,
)
from edge_mnv3_quantization.algorithms.reconstruction import Manner, QuantizedNetwork, reconstruct, refittable
from edge_mnv3_quantization.algorithms.rounding_ties import away_from_ties
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.calibration.statistics import observed_network
from edge_mnv3_quantization.graph.types import QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_int8
from edge_mnv3_quantization.recipes.candidates import Candidate, best_candidate, candidate, round_to_nearest
from edge_mnv3_quantization.recipes.config import TRIAL_IMAGES
from edge_mnv3_quantization.recipes.decisions import fits_channels
from edge_mnv3_quantization.recipes.expected import expected_s
from edge_mnv3_quantization.recipes.inputs import QuantizationInputs, Quantized
from edge_mnv3_quantization.recipes.notes import RECIPE_REPORT, write_notes, write_report, write_statistics
from edge_mnv3_quantization.recipes.plan import Plan, measured_plan
from edge_mnv3_quantization.recipes.report import equalized_report
from edge_mnv3_quantization.recipes.synthetic_images import is_refitted
from edge_mnv3_quantization.recipes.work import Work


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def quantize_equalized(inputs: QuantizationInputs) -> Quantized:
    """Quantizes a float file of the MobileNetV3 family; see `recipes.quantize`."""
    config, images = inputs.config, inputs.images
    observed = observed_network(inputs.float_model, inputs.options.input_range)
    synthetic = inputs.options.synthetic
    exponents = config.exponents_to_try(len(images), synthetic=synthetic)
    counted = len(inputs.statistics.images) if inputs.statistics else 0
    if inputs.population:
        counted = len(images)  # none of them is run for statistics
    expected = expected_s(
        config,
        len(images),
        observed=counted,
        synthetic=synthetic,
        fits_channels=fits_channels(inputs.options, len(images)),
    )
    work = Work(expected, inputs.reporter)
    plan = measured_plan(inputs, observed, work)
    with work.phase("choose_exponent", repeats=max(1, len(exponents))):
        refit = _Refit(inputs, plan, work) if config.refits_weights else None
        chosen, trials = _chosen(inputs, plan, exponents, refit)
    give_back_freed_memory()
    with work.phase("quantize_weights"):
        weights = refit.of_all_images(chosen) if refit else round_to_nearest(chosen)
    # A change in the last bits of a product's scale matters to no weight.
    chosen = chosen._replace(quantizations=away_from_ties(chosen.network, chosen.quantizations))
    report = equalized_report(inputs, plan, chosen, trials, weights, work.phases_s)
    model = write_int8(
        chosen.network,
        chosen.quantizations,
        weights,
        io=inputs.options.io,
        takes=inputs.options.input_range,
        notes=write_notes(plan.lowered, chosen.scales)
        | {RECIPE_REPORT: write_report(report)}
        | write_statistics(inputs.population.facts if inputs.population else None),
    )
    return Quantized(model=model, report=report)


def _chosen(
    inputs: QuantizationInputs, plan: Plan, exponents: Sequence[float], refit: _Refit | None
) -> tuple[Candidate, tuple[ExponentTrial, ...]]:
    """Takes the exponent that is best in trials, or `untried_exponent` where there are no trials."""
    if not exponents:
        return candidate(plan, inputs.config.untried_exponent), ()
    if refit is None:
        compared = inputs.images[: inputs.config.measured_images]
        return best_candidate(plan, exponents, compared, round_to_nearest)
    compared = inputs.images[1 : 2 * TRIAL_IMAGES : 2]
    return best_candidate(plan, exponents, compared, refit.of_trial_images, to_the_first_rise=True)


class _Refit:
    """Quantizes weights so that they make up for the errors before them.

    The float network runs once, for all trials and the final fit.
    """

    def __init__(self, inputs: QuantizationInputs, plan: Plan, work: Work) -> None:
        self._images, self._work = inputs.images[: inputs.config.refitted_images], work
        self._synthetic = inputs.options.synthetic
        nodes = refittable(plan.lowered)
        if self._synthetic:
            nodes = [node for node in nodes if is_refitted(plan.lowered, node)]
        positions = drawn_positions(plan.lowered, nodes, len(self._images), inputs.options.seed)
        self._results = _wanted(plan, positions, self._images)

    def of_all_images(self, chosen: Candidate) -> dict[int, QuantizedWeights]:
        """Fits a candidate's weights to all images."""
        return self._fitted(chosen, slice(None), is_trial=False)

    def of_trial_images(self, trial: Candidate) -> dict[int, QuantizedWeights]:
        """Fits a trial network's weights to every other of the first images."""
        return self._fitted(trial, slice(0, 2 * TRIAL_IMAGES, 2), is_trial=True)

    def _fitted(self, chosen: Candidate, images: slice, *, is_trial: bool) -> dict[int, QuantizedWeights]:
        return reconstruct(
            QuantizedNetwork(
                network=chosen.network, quantizations=chosen.quantizations, scales=chosen.divided
            ),
            self._images[images],
            self._results.of_images(images),
            manner=Manner(hessian_weighted=not is_trial, by_slope=not self._synthetic),
            reporter=self._work,
            workers=1 if is_trial else None,  # trials run side by side
        )


def _wanted(plan: Plan, positions: Mapping[int, Positions], images: Images) -> FloatResults:
    """Runs the float network; what is given to fitted channels is in their own unit."""
    fitted = fitted_values(plan.lowered)
    places: list[dict[int, Positions]] = [{}, {}]
    for value, drawn in positions.items():
        places[value in fitted][value] = drawn
    others, own = (
        float_results(network, drawn, images)
        for network, drawn in zip((plan.reference, plan.lowered), places, strict=True)
    )
    return FloatResults(
        positions=positions,
        numbers={**others.numbers, **own.numbers},
        shortcuts={**others.shortcuts, **own.shortcuts},
    )
