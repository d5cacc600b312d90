"""What differs in sources for apps with a model's types and outputs, as pieces of Kotlin, Swift and C++."""

from __future__ import annotations

import math
import re

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.packaging.app_context import AppContext, AppOutput

_NAME = re.compile(r"[ -~]+")
_QUOTES = frozenset('"\\$')
_PER_LINE = 8

_INPUT_NOTES = {
    "uint8": "The model takes these bytes as they are: no normalization outside it.\n",
    "int8": "The model takes these bytes less 128. MediaPipe Tasks and TensorFlowLiteSwift take no int8 "
    "tensors: for them,\nquantize with `--io uint8`.\n",
    "float32": "The model takes (byte - {mean}) / {std} as float32.\n",
}

_KOTLIN_WRITE = {
    "uint8": "inputs[0].writeInt8(pixels) // LiteRT writes the bytes as they are, uint8 or int8.",
    "int8": "inputs[0].writeInt8(ByteArray(pixels.size) {{ (pixels[it] - 128).toByte() }})",
    "float32": "inputs[0].writeFloat(FloatArray(pixels.size) "
    "{{ ((pixels[it].toInt() and 0xFF) - {mean}f) / {std}f }})",
}
_SWIFT_WRITE = {
    "uint8": "try interpreter.copy(Data(pixels), toInputAt: 0)",
    "float32": "let input = pixels.map {{ (Float($0) - {mean}) / {std} }}\n"
    "    try interpreter.copy(input.withUnsafeBufferPointer {{ Data(buffer: $0) }}, toInputAt: 0)",
}
_CPP_CONVERT = {
    "uint8": "const std::vector<std::uint8_t>& input = pixels;",
    "int8": "std::vector<std::int8_t> input(pixels.size());\n"
    "    for (std::size_t i = 0; i < input.size(); ++i) {{\n"
    "      input[i] = static_cast<std::int8_t>(pixels[i] - 128);\n"
    "    }}",
    "float32": "std::vector<float> input(pixels.size());\n"
    "    for (std::size_t i = 0; i < input.size(); ++i) input[i] = (pixels[i] - {mean}f) / {std}f;",
}
_CPP_TYPES = {
    "uint8": "kLiteRtElementTypeUInt8",
    "int8": "kLiteRtElementTypeInt8",
    "float32": "kLiteRtElementTypeFloat32",
}
# Grey is what Pillow makes of colours, in whole numbers: 0.299 red + 0.587 green + 0.114 blue.
_GREY = {
    "colours": "grey",
    "grey_note": " They are made grey before they\nare resized. "
    "MediaPipe's classifiers take colour images only.",
    "kotlin_channels": """ByteArray(argb.size) {
            val red = (argb[it] shr 16) and 0xFF
            val green = (argb[it] shr 8) and 0xFF
            val blue = argb[it] and 0xFF
            ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) shr 16).toByte()
        }""",
    "swift_channels": """stride(from: 0, to: width * height * 3, by: 3).map { at -> UInt8 in
      let red = Int(rgb[at]) * 19595
      let green = Int(rgb[at + 1]) * 38470
      let blue = Int(rgb[at + 2]) * 7471
      return UInt8((red + green + blue + 0x8000) >> 16)
    }""",
    "cpp_channels": """  std::vector<std::uint8_t> source(rgb.size() / 3);
  for (std::size_t i = 0; i < source.size(); ++i) {
    const std::uint8_t* colours = &rgb[i * 3];
    source[i] = static_cast<std::uint8_t>(
        (colours[0] * 19595 + colours[1] * 38470 + colours[2] * 7471 + 0x8000) >> 16);
  }
""",
}
_RGB = {
    "colours": "RGB",
    "grey_note": "",
    "kotlin_channels": "ByteArray(argb.size * 3) { (argb[it / 3] shr (16 - 8 * (it % 3))).toByte() }",
    "swift_channels": "rgb",
    "cpp_channels": "  const std::vector<std::uint8_t>& source = rgb;\n",
}


def check_outputs(context: AppContext) -> None:
    """Refuses what cannot stand in a source.

    Raises:
        ArgumentError: A name or number of an output.
    """
    for name in (context.input_name, *(output.facts.name for output in context.outputs)):
        if not _NAME.fullmatch(name) or _QUOTES & set(name):
            raise ArgumentError(
                "name in a source for apps", repr(name), 'printable ASCII characters without " \\ $'
            )
    for output in context.outputs:
        quantized = output.dtype != "float32"
        for field, number in (("scale", output.scale), ("zero point", output.zero_point)):
            if quantized and (number is None or not math.isfinite(number)):
                raise ArgumentError(
                    f"{field} of output '{output.facts.name}'", repr(number), "a finite number"
                )


def input_values(context: AppContext) -> dict[str, str]:
    """Pieces that differ with the input."""
    numbers = {"mean": repr(context.float_input_mean), "std": repr(context.float_input_std)}
    taken = context.input_dtype
    return {
        **(_GREY if context.image.is_grey else _RGB),
        "input_name": context.input_name,
        "input_dtype": taken,
        "input_note": _INPUT_NOTES[taken].format(**numbers),
        "kotlin_write_input": _KOTLIN_WRITE[taken].format(**numbers),
        "swift_write_input": _SWIFT_WRITE.get(taken, "").format(**numbers),
        "cpp_convert_input": _CPP_CONVERT[taken].format(**numbers),
        "cpp_input_type": _CPP_TYPES[taken],
    }


def reads_scores(context: AppContext) -> bool:
    """Whether the sources are classifiers, whose one output needs no name."""
    return context.kind in ("classes", "labels")


def outputs_in_words(context: AppContext) -> str:
    """Lists the outputs for people."""
    return "; ".join(
        f"{each.facts.name}: {each.facts.words}"
        + (f", named in {each.labels_file}" if each.labels_file else "")
        for each in context.outputs
    )


def output_values(context: AppContext) -> dict[str, str]:
    """Pieces that read all outputs: of several, or of features, by their names."""
    outputs = context.outputs
    names = ", ".join(f'"{each.facts.name}"' for each in outputs)
    return {
        "outputs_in_words": outputs_in_words(context),
        "kotlin_output_names": names,
        "kotlin_create_outputs": "model.createOutputBuffers().also { buffers += it }"
        if reads_scores(context)
        else f"listOf({names}).map {{ name ->\n"
        "                    model.createOutputBuffer(name).also { buffers += it }\n"
        "                }",
        "kotlin_run_model": "model.run(inputs, outputs)"
        if reads_scores(context)
        else f'model.run(mapOf("{context.input_name}" to inputs[0]), listOf({names}).zip(outputs).toMap())',
        "kotlin_read_outputs": "".join(
            f"                {_kotlin_numbers(each, f'outputs[{place}]')},\n"
            for place, each in enumerate(outputs)
        ),
        "swift_read_outputs": "".join(
            f"    let output{place} = try interpreter.output(at: {place}).data\n"
            f'    results["{each.facts.name}"] = {_swift_numbers(each, f"output{place}")}\n'
            for place, each in enumerate(outputs)
        ),
        "cpp_outputs": "".join(f"      {_cpp_output(each)},\n" for each in outputs),
    }


def score_values(context: AppContext) -> dict[str, str]:
    """Pieces that choose answers from the scores of the one output."""
    output = context.outputs[0]
    has_thresholds = context.kind == "labels"
    thresholds = output.thresholds
    kotlin = f"        val THRESHOLDS = floatArrayOf({_numbers(thresholds, 'f', 12)})\n" if thresholds else ""
    counts = ", count: Int = 5"
    if has_thresholds:
        doc = "The labels whose score lies above their threshold, best first; none where no label holds."
    else:
        doc = "The best answers, best first."
    return {
        "class_count": str(output.count),
        "labels_file": output.labels_file or "",
        "kotlin_count": "" if has_thresholds else counts,
        "kotlin_count_given": "" if has_thresholds else ", count",
        "kotlin_count_taken": "" if has_thresholds else ", count: Int",
        "kotlin_classify_doc": doc,
        "kotlin_thresholds": kotlin,
        "kotlin_choose": "            .filter { scores[it] > THRESHOLDS[it] }\n"
        "            .sortedByDescending { scores[it] }"
        if has_thresholds
        else "            .sortedByDescending { scores[it] }\n            .take(count)",
        "kotlin_max_results": "-1" if has_thresholds else "count",
        "kotlin_mediapipe_choose": ".filter { it.score() > THRESHOLDS[it.index()] }"
        if has_thresholds
        else "",
        "swift_count": "" if has_thresholds else counts,
        "swift_count_given": "" if has_thresholds else ", count: count",
        "swift_count_taken": "" if has_thresholds else ", count: Int",
        "swift_classify_doc": doc,
        "swift_read_scores": f"let scores = {_swift_numbers(output, 'output')}",
        "swift_choose": ".filter { scores[$0] > Self.thresholds[$0] }"
        if has_thresholds
        else ".prefix(count)",
        "swift_max_results": "-1" if has_thresholds else "count",
        "swift_mediapipe_choose": ".filter { $0.score > Self.thresholds[$0.index] }"
        if has_thresholds
        else "",
        "swift_thresholds": f"  private static let thresholds: [Float] = [{_numbers(thresholds, '', 4)}]\n"
        if thresholds
        else "",
        "cpp_count": "" if has_thresholds else ", int count = 5",
        "cpp_classify_doc": doc,
        "cpp_constants": f"constexpr float kThresholds[] = {{{_numbers(thresholds, 'f', 4)}}};\n"
        if thresholds
        else "",
        "cpp_choose": _CPP_ABOVE if has_thresholds else _CPP_BEST,
    }


_CPP_ABOVE = """    for (int i : order) {
      if (scores[i] > kThresholds[i]) best.push_back({labels_[i], scores[i]});
    }"""
_CPP_BEST = """    for (int i = 0; i < std::min(count, kClassCount); ++i) {
      best.push_back({labels_[order[i]], scores[order[i]]});
    }"""
_CPP_PRINT_ANSWERS = """    edge_mnv3::Classifier classifier(std::string(argv[1]) + "/");
    for (const auto& answer : classifier.Classify(rgb, width, height)) {
      std::cout << answer.score << '\\t' << answer.label << '\\n';
    }"""
_CPP_PRINT_OUTPUTS = """    edge_mnv3::Model model(std::string(argv[1]) + "/");
    for (const auto& output : model.Run(rgb, width, height)) {
      std::cout << output.first;
      for (float number : output.second) std::cout << '\\t' << number;
      std::cout << '\\n';
    }"""


def program_values(context: AppContext) -> dict[str, str]:
    """Pieces of the C++ program."""
    classifies = reads_scores(context)
    prints = {
        "classes": "the five best answers, best first,",
        "labels": "the labels that hold, best first,",
        "embedding": "the embedding",
        "outputs": "all outputs, one a line,",
    }
    return {
        "cpp_program": "classify" if classifies else "run_model",
        "cpp_header": "classifier.h" if classifies else "model.h",
        "cpp_prints": prints[context.kind],
        "cpp_print": _CPP_PRINT_ANSWERS if classifies else _CPP_PRINT_OUTPUTS,
    }


def _kotlin_numbers(output: AppOutput, buffer: str) -> str:
    if output.dtype == "float32":
        return f"{buffer}.readFloat()"
    stored = "(q[it].toInt() and 0xFF)" if output.dtype == "uint8" else "q[it]"
    real = f"({stored} - ({output.zero_point})) * {output.scale!r}f"
    return f"{buffer}.readInt8().let {{ q -> FloatArray(q.size) {{ {real} }} }}"


def _swift_numbers(output: AppOutput, data: str) -> str:
    if output.dtype == "float32":
        return f"{data}.withUnsafeBytes {{ Array($0.bindMemory(to: Float.self)) }}"
    return f"{data}.map {{ Float(Int($0) - {output.zero_point}) * {output.scale!r} }}"


def _cpp_output(output: AppOutput) -> str:
    dimensions = ", ".join(map(str, output.shape))
    scale = "1.0f, 0" if output.dtype == "float32" else f"{output.scale!r}f, {output.zero_point}"
    return f'{{"{output.facts.name}", {_CPP_TYPES[output.dtype]}, {{{dimensions}}}, {scale}}}'


def _numbers(numbers: tuple[float, ...], suffix: str, indent: int) -> str:
    """Writes numbers, several a line where there are many."""
    texts = [f"{number!r}{suffix}" for number in numbers]
    if len(texts) <= _PER_LINE:
        return ", ".join(texts)
    lines = [", ".join(texts[at : at + _PER_LINE]) for at in range(0, len(texts), _PER_LINE)]
    blank = " " * indent
    return "\n" + ",\n".join(f"{blank}{line}" for line in lines) + "\n" + blank[:-2]
