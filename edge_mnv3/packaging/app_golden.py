"""Pieces of the golden tests that stand beside the sources for apps, in Kotlin, Swift and C++."""

from __future__ import annotations

from edge_mnv3.packaging.app_context import AppContext, AppOutput
from edge_mnv3.packaging.golden import GOLDEN_FOLDER, image_file, output_file


def golden_values(context: AppContext) -> dict[str, str]:
    """Pieces that compare answers with the golden ones, within what the bundle allows under XNNPACK."""
    first = context.outputs[0].facts.name
    classifies = context.kind in ("classes", "labels")
    several = len(context.outputs) > 1
    places = [
        (output, _stem(context, place if several else None)) for place, output in enumerate(context.outputs)
    ]
    read = f'read("image_$number.{_extension(context)}")'
    return {
        "golden_count": str(context.golden_count),
        "golden_extension": _extension(context),
        "golden_class": "LiteRtClassifier" if classifies else "LiteRtModel",
        "golden_kotlin_answers": f'mapOf("{first}" to model.scores({read}))'
        if classifies
        else f"model.runPixels({read})",
        "golden_swift_class": "TensorFlowLiteClassifier" if classifies else "TensorFlowLiteModel",
        "golden_swift_answers": f'["{first}": try model.scores(for: pixels)]'
        if classifies
        else "try model.run(pixels: pixels)",
        "golden_kotlin_outputs": "".join(
            f'            Output("{output.facts.name}", "{stem}", "{output.dtype}", {_scale(output)}f, '
            f"{output.zero_point or 0}, {_step(output, 'null')}, {output.golden_limit}),\n"
            for output, stem in places
        ),
        "golden_swift_outputs": "".join(
            f'    Output(\n      name: "{output.facts.name}", file: "{stem}", dtype: "{output.dtype}", '
            f"scale: {_scale(output)},\n      zeroPoint: {output.zero_point or 0}, "
            f"step: {_step(output, 'nil')}, limit: {output.golden_limit}),\n"
            for output, stem in places
        ),
        "golden_cpp_outputs": "".join(
            f'      {{"{output.facts.name}", "{stem}", {_step(output, "0.0")}, {output.golden_limit}}},\n'
            for output, stem in places
        ),
    }


def _extension(context: AppContext) -> str:
    return image_file(0, grey=context.image.is_grey).rpartition(".")[2]


def _stem(context: AppContext, place: int | None) -> str:
    """What the names of an output's golden files begin with, without the folder."""
    name = output_file(context.model_file, 0, place=place)
    return name.removeprefix(f"{GOLDEN_FOLDER}/").rpartition("_")[0]


def _scale(output: AppOutput) -> str:
    return repr(1.0 if output.scale is None else output.scale)


def _step(output: AppOutput, without: str) -> str:
    return without if output.golden_step is None else repr(float(output.golden_step))
