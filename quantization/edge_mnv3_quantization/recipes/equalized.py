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

from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from edge_mnv3.core.results.recipe import ExponentTrial
from edge_mnv3_quantization.algorithms.reconstruction import QuantizedNetwork, reconstruct
from edge_mnv3_quantization.algorithms.rounding_ties import away_from_ties
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.calibration.statistics import observed_network
from edge_mnv3_quantization.graph.types import QuantizedWeights
from edge_mnv3_quantization.graph.writer import write_int8
from edge_mnv3_quantization.recipes.candidates import Candidate, best_candidate, candidate, round_to_nearest
from edge_mnv3_quantization.recipes.config import TRIAL_IMAGES
from edge_mnv3_quantization.recipes.expected import expected_s
from edge_mnv3_quantization.recipes.inputs import QuantizationInputs, Quantized
from edge_mnv3_quantization.recipes.notes import RECIPE_REPORT, write_notes, write_range, write_report
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
    work = Work(expected_s(config, len(images), observed=counted, synthetic=synthetic), inputs.reporter)
    plan = measured_plan(inputs, observed, work)
    with work.phase("choose_exponent", repeats=max(1, len(exponents))):
        chosen, trials = _chosen(inputs, plan, exponents, work)
    with work.phase("quantize_weights"):
        weights = round_to_nearest(chosen)
        if config.refits_weights:
            weights = _refitted(inputs, chosen, images, work)
    # A change in the last bits of a product's scale matters to no weight.
    chosen = chosen._replace(quantizations=away_from_ties(chosen.network, chosen.quantizations))
    report = equalized_report(inputs, plan, chosen, trials, weights, work.phases_s)
    takes = inputs.options.input_range
    notes = (
        write_notes(plan.lowered, chosen.scales) | write_range(takes) | {RECIPE_REPORT: write_report(report)}
    )
    model = write_int8(
        chosen.network, chosen.quantizations, weights, io=inputs.options.io, takes=takes, notes=notes
    )
    return Quantized(model=model, report=report)


def _chosen(
    inputs: QuantizationInputs, plan: Plan, exponents: Sequence[float], work: Work
) -> tuple[Candidate, tuple[ExponentTrial, ...]]:
    """Takes the exponent that is best in trials, or `untried_exponent` where there are no trials."""
    if not exponents:
        return candidate(plan, inputs.config.untried_exponent), ()
    if not inputs.config.refits_weights:
        compared = inputs.images[: inputs.config.measured_images]
        return best_candidate(plan, exponents, compared, round_to_nearest)
    fitted_to, compared = (inputs.images[start : 2 * TRIAL_IMAGES : 2] for start in (0, 1))
    return best_candidate(plan, exponents, compared, lambda trial: _refitted(inputs, trial, fitted_to, work))


def _refitted(
    inputs: QuantizationInputs, chosen: Candidate, images: Images, work: Work
) -> dict[int, QuantizedWeights]:
    """Quantizes the weights so that they make up for the errors before them."""
    synthetic = inputs.options.synthetic
    return reconstruct(
        QuantizedNetwork(
            reference=chosen.reference, network=chosen.network, quantizations=chosen.quantizations
        ),
        images,
        seed=inputs.options.seed,
        refitted=lambda node: not synthetic or is_refitted(chosen.network, node),
        reporter=work,
    )
