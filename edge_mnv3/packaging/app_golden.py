"""Pieces of the golden tests that stand beside the sources for apps, in Kotlin, Swift and C++."""

from __future__ import annotations

from edge_mnv3.packaging.app_code import reads_scores
from edge_mnv3.packaging.app_context import AppContext, AppOutput
from edge_mnv3.packaging.golden import GOLDEN_FOLDER, image_file, output_file


def golden_values(context: AppContext) -> dict[str, str]:
    """Pieces that compare answers with the golden ones, within what the bundle allows under XNNPACK."""
    first = context.outputs[0].facts.name
    classifies = reads_scores(context)
    places = [
        (output, _stem(context, place))
        for output, place in zip(context.outputs, _places(context), strict=True)
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


def golden_paths(context: AppContext) -> list[str]:
    """Lists the files of the bundle that the golden tests read: the images, and this model's answers."""
    return [
        path
        for index in range(context.golden_count)
        for path in (
            image_file(index, grey=context.image.is_grey),
            *(output_file(context.model_file, index, place=place) for place in _places(context)),
        )
    ]


def _places(context: AppContext) -> list[int | None]:
    """Numbers of the outputs in the names of their golden files; the only one has none."""
    count = len(context.outputs)
    return list(range(count)) if count > 1 else [None]


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
