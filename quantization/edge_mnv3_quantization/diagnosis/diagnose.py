"""Where an int8 file loses accuracy: noise along the graph, the noisiest tensors and their causes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import ModelFileError
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.input_range import PIXELS, InputRange
from edge_mnv3.core.paths import no_file
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.results.diagnose import (
    ChannelNoise,
    DiagnoseResult,
    LayerNoise,
    RefusedOperator,
    TensorCause,
    TensorCost,
)
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.runtime import open_model, probe
from edge_mnv3.core.tflite.output_facts import read_outputs
from edge_mnv3.core.tflite.read import read_file
from edge_mnv3_quantization.calibration.activations import Images
from edge_mnv3_quantization.diagnosis.attribution import Costs, attribute
from edge_mnv3_quantization.diagnosis.causes import SampledValue, value_causes, weights_causes
from edge_mnv3_quantization.diagnosis.pair import Pair, PairedValue
from edge_mnv3_quantization.diagnosis.pairing import pair_files
from edge_mnv3_quantization.diagnosis.recipe_findings import (
    RecipeDeeds,
    is_rewritten,
    recipe_findings,
    suggestion,
)
from edge_mnv3_quantization.diagnosis.signal_noise import (
    Survey,
    decibels,
    feeds_hard_swish,
    sample_values,
    survey,
)
from edge_mnv3_quantization.graph.network import Array
from edge_mnv3_quantization.graph.tensor_names import block_names, layer_name
from edge_mnv3_quantization.graph.xnnpack_limits import refused_operators

TOP = 10
_WORST_CHANNELS = 3
_SAMPLED_POSITIONS = 196  # how many positions of each image give the shares of a channel's numbers


class Ends(NamedTuple):
    """The ends of both files.

    Attributes:
        takes: What a float input takes.
        head: Name of the output that counts; None for the only one.
    """

    takes: InputRange = PIXELS
    head: str | None = None


_ENDS = Ends()


def input_shape(path: Path) -> ImageShape:
    """Returns the shape of the image that a file takes.

    Raises:
        ModelFileError: The file is missing, no valid `.tflite`, or takes something else.
    """
    model = open_model(path, kernels="builtin")
    dimensions = model.inputs[0].shape if len(model.inputs) == 1 else ()
    shape = ImageShape.of_input(dimensions)
    if shape is None:
        raise ModelFileError(f"model {path}", f"input of shape {dimensions}", "one RGB or grey image")
    return shape


def diagnose(
    float_path: Path,
    int8_path: Path,
    images: Images,
    *,
    image_source: str,
    ends: Ends = _ENDS,
    reporter: Reporter = SILENT,
) -> DiagnoseResult:
    """Compares an int8 file with the float file that it was made from.

    Args:
        float_path: A float file.
        int8_path: The file made from it by any recipe of this project or by TensorFlow's converter.
        images: Images, (N, H, W, 3) uint8 with N >= 2, because the signal is what differs between images.
        image_source: Where the images came from, for the result.
        ends: What the files take, and which output counts.
        reporter: Its `step` is told what begins, its `progress` how far that is.

    Raises:
        ArgumentError: There are several outputs and none is named, or none has that name.
        ModelFileError: A file is missing or invalid, or the int8 file was not made from the float file.
    """
    names = {"float_name": str(float_path), "int8_name": str(int8_path)}
    pair = pair_files(_read(float_path), _read(int8_path), takes=ends.takes, head=ends.head, **names)
    reporter.step("trying XNNPACK")
    check = probe(int8_path, kernels="xnnpack")
    kernels: Kernels = "xnnpack" if check.loads else "builtin"
    reporter.step("running both files")
    surveyed = survey(pair, images, kernels=kernels, reporter=reporter, **names)
    reporter.step("quantizing one tensor at a time")
    costs = attribute(pair, surveyed, images, top=TOP, reporter=reporter)
    reporter.step("looking for causes")
    inspector = _Inspector(pair, surveyed, images, int8_path, costs)
    problem = None if check.loads else inspector.refusal_text() or check.problem
    logits = surveyed.moments[pair.logits.float_tensor]
    head = next(one for one in read_outputs(float_path) if ends.head in (None, one.name))
    return DiagnoseResult(
        float_path=str(float_path),
        float_sha256=sha256_file(float_path),
        int8_path=str(int8_path),
        int8_sha256=sha256_file(int8_path),
        n=len(images),
        images=image_source,
        kernels=kernels,
        xnnpack_problem=problem,
        runtime=open_model(float_path, kernels="builtin").runtime,
        snr_db=logits.decibels(),
        predicted_snr_db=decibels(1.0, costs.together),
        divided_channels_snr_db=_divided_channels_snr_db(surveyed),
        agreement_percent=agreement_percent(head, surveyed.float_logits, surveyed.int8_logits),
        layers=tuple(
            _layer(surveyed, value, block)
            for value, block in zip(
                pair.values, block_names([value.layer for value in pair.values]), strict=True
            )
        ),
        costs=inspector.noisiest(),
        other_noise_percent=100 * sum(costs.alone[TOP:]),
        refused=inspector.refused(),
        recipe=inspector.findings,
        recipe_report=pair.report,
        warnings=(*_warnings(problem, images), *not_finite_warnings(surveyed.int8_logits)),
    )


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ModelFileError(f"model {path}", no_file(path), "a .tflite file")
    return path.read_bytes()


def _warnings(problem: str | None, images: Images) -> tuple[str, ...]:
    warnings = []
    if problem:
        warnings.append(
            f"the int8 file does not load under XNNPACK, so the built-in kernels ran it: {problem}"
        )
    if len(images) < 16:
        warnings.append(f"{len(images)} images are few: take 64 for figures that another draw repeats")
    return tuple(warnings)


def not_finite_warnings(got: Array) -> tuple[str, ...]:
    """Tells images to which the int8 file, (N, numbers), answers with NaN or infinity."""
    count = int((~np.isfinite(got)).any(axis=1).sum())
    if not count:
        return ()
    return (f"the int8 file answers {count} of {len(got)} images with NaN or infinity, which are not alike",)


def _divided_channels_snr_db(surveyed: Survey) -> float | None:
    """What the division of channels that are not linear on all images loses, without int8."""
    wanted, got = surveyed.float_logits, surveyed.divided_logits
    if got is None:
        return None
    signal = float(np.square(wanted - wanted.mean(axis=0)).sum())
    return decibels(signal, float(np.square(got - wanted).sum()))


def agreement_percent(facts: OutputFacts, wanted: Array, got: Array) -> float | None:
    """The share of images with the same class, or the same labels; numbers that are not finite have none.

    Args:
        facts: What the numbers mean.
        wanted: Float's, (N, numbers), finite.
        got: Int8's.

    Returns:
        None of features, which are no answers, and of scores whose middle nothing tells.
    """
    if facts.task == "classes":
        same = wanted.argmax(axis=1) == got.argmax(axis=1)
    elif facts.task in ("binary", "labels") and facts.even is not None:
        same = ((wanted > facts.even) == (got > facts.even)).all(axis=1)
    else:
        return None
    return float(100 * (same & np.isfinite(got).all(axis=1)).mean())


def _layer(surveyed: Survey, value: PairedValue, block: str) -> LayerNoise:
    moments = surveyed.moments[value.float_tensor]
    dead = moments.dead()
    total = max(float(moments.noise.sum()), 1e-30)
    worst = np.argsort(-moments.noise, kind="stable")[:_WORST_CHANNELS]
    return LayerNoise(
        tensor=value.name,
        layer=value.layer,
        block=block,
        op=value.op,
        shape=value.shape,
        snr_db=moments.decibels(),
        dead_channels=int(dead.sum()),
        worst_channels=tuple(
            ChannelNoise(
                channel=int(channel),
                noise_share_percent=float(100 * moments.noise[channel] / total),
                snr_db=None
                if dead[channel]
                else decibels(float(moments.signal[channel]), float(moments.noise[channel])),
            )
            for channel in worst
        ),
        histogram=surveyed.histograms[value.float_tensor],
    )


class _Inspector:
    """Looks at single tensors for causes.

    Attributes:
        findings: What the recipe did to the whole graph.
    """

    def __init__(self, pair: Pair, surveyed: Survey, images: Images, int8_path: Path, costs: Costs) -> None:
        self._pair, self._survey, self._costs = pair, surveyed, costs
        self.findings = recipe_findings(pair, surveyed.equalization)
        self._deeds = RecipeDeeds(pair, surveyed.equalization)
        self._rewritten = is_rewritten(self.findings)
        self._refusals = {refused.output: refused for refused in refused_operators(read_file(int8_path))}
        names = {pair.int8_file.tensors[value.int8_tensor].name: value for value in pair.values}
        self._refused = {name: names.get(name) for name in self._refusals}
        noisiest = (item.value for item in costs.items[: len(costs.cumulative)] if item.weights is None)
        looked_at = [*noisiest, *(value for value in self._refused.values() if value)]
        self._samples = sample_values(
            pair, {value.float_tensor for value in looked_at}, images, positions=_SAMPLED_POSITIONS
        )

    def refusal_text(self) -> str:
        """Says in one line what XNNPACK refuses; the text is empty if nothing is known."""
        return "; ".join(refusal.text for refusal in self._refusals.values())

    def refused(self) -> tuple[RefusedOperator, ...]:
        """Lists the operators that XNNPACK refuses, worst first."""
        operators = []
        for name, refusal in self._refusals.items():
            value = self._refused[name]
            causes: tuple[TensorCause, ...] = (TensorCause(kind="xnnpack_ratio", text=refusal.text),)
            if value is not None:
                causes = value_causes(self._sampled(value), refusal.text)
                causes += tuple(
                    cause
                    for weights in self._pair.weights
                    if weights.output is value
                    for cause in weights_causes(weights)
                    if cause.kind != "rounding"
                )
            operators.append(
                RefusedOperator(tensor=name, layer=layer_name(name), op=refusal.operator.name, causes=causes)
            )
        return tuple(operators)

    def noisiest(self) -> tuple[TensorCost, ...]:
        """Lists the tensors whose quantization adds most noise, with their causes."""
        costs = self._costs
        total = max(sum(costs.alone), 1e-30)
        ranked = []
        for rank, cumulative in enumerate(costs.cumulative, start=1):
            item, alone = costs.items[rank - 1], costs.alone[rank - 1]
            if item.weights is None:
                sampled = self._sampled(item.value)
                refusal = self._refusals.get(self._pair.int8_file.tensors[item.value.int8_tensor].name)
                causes = value_causes(sampled, refusal.text if refusal else None)
                done = self._deeds.for_value(item.value, sampled)
            else:
                causes = weights_causes(item.weights)
                done = self._deeds.for_weights(item.weights)
            ranked.append(
                TensorCost(
                    rank=rank,
                    kind=item.kind,
                    tensor=item.value.name,
                    layer=item.value.layer,
                    op=item.value.op,
                    noise_percent=100 * alone,
                    share_percent=100 * alone / total,
                    snr_db=decibels(1.0, alone),
                    cumulative_snr_db=decibels(1.0, cumulative),
                    causes=causes,
                    recipe_did=done,
                    suggestion=suggestion(causes, rewritten=self._rewritten),
                )
            )
        return tuple(ranked)

    def _sampled(self, value: PairedValue) -> SampledValue:
        moments = self._survey.moments[value.float_tensor]
        return SampledValue(
            sample=self._samples[value.float_tensor],
            equalization_scales=self._survey.equalization.outputs[value.int8_tensor],
            scale=value.scale,
            zero_point=value.zero_point,
            low=moments.low,
            high=moments.high,
            dead=moments.dead(),
            before_hard_swish=feeds_hard_swish(self._pair, value),
        )
