"""Sources for apps: short, complete classifiers with one model's size, files and numbers filled in.

The sources lie in `app_templates`, one file for each file that is written. `%%{name}` in them is a place to
fill in; what differs with the model's types is in the tables below.
"""

from __future__ import annotations

import math
import re
import string
from importlib import resources
from typing import NamedTuple

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.markdown import markdown_table
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.packaging.apis import DTYPES
from edge_mnv3.packaging.app_context import AppContext

TEMPLATES = "app_templates"
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]+")
_QUANTIZED = ("uint8", "int8")


class _Template(string.Template):
    delimiter = "%%"


class Crop(NamedTuple):
    """The part of an image that is used, as expressions that Kotlin, Swift and C++ all understand.

    `width` and `height` are the image's, and all are floating-point numbers of double precision.
    """

    description: str
    left: str
    upper: str
    right: str
    lower: str


def crop(preprocess: str, image: ImageShape) -> Crop:
    """Returns the crop of a preprocessing for one shape of input.

    Raises:
        ArgumentError: The name is unknown.
    """
    if preprocess == "slim":
        return Crop(
            "the central 87.5 % of each side, resized to the input, aspect not kept",
            "floor((width - width * 0.875) / 2.0)",
            "floor((height - height * 0.875) / 2.0)",
            "width - left",
            "height - upper",
        )
    if preprocess == "resize":
        return Crop("the whole image, resized to the input, aspect not kept", "0.0", "0.0", "width", "height")
    if preprocess == "resize256":
        across, down = (round(side * 256 / 224) for side in (image.width_px, image.height_px))
        box_width, box_height = (
            f"min(width * {side}.0 / {across}.0, height * {side}.0 / {down}.0)"
            for side in (image.width_px, image.height_px)
        )
        return Crop(
            "resized, aspect kept, until it covers 256/224 of the input, and of that the central part",
            f"(width - {box_width}) / 2.0",
            f"(height - {box_height}) / 2.0",
            f"left + {box_width}",
            f"upper + {box_height}",
        )
    raise ArgumentError("preprocessing", repr(preprocess), "one of slim, resize, resize256")


class _Source(NamedTuple):
    path: str
    what: str
    dtypes: tuple[str, ...]  # that the API takes, of the input and of the output
    takes_grey: bool = True


_ALL, _NOT_INT8 = DTYPES, ("uint8", "float32")
_LITERT, _TFLITE = "android/LiteRtClassifier.kt", "ios/TensorFlowLiteClassifier.swift"
_MEDIAPIPE_KT, _MEDIAPIPE_SWIFT = "android/MediaPipeClassifier.kt", "ios/MediaPipeClassifier.swift"
SOURCES = (
    _Source(_LITERT, "Kotlin, LiteRT's CompiledModel", _ALL),
    _Source(_MEDIAPIPE_KT, "Kotlin, MediaPipe Tasks", _NOT_INT8, takes_grey=False),
    _Source("android/Preprocessing.kt", "Kotlin: the image's pixels as the model wants them", _ALL),
    _Source("android/Classification.kt", "Kotlin: one answer", _ALL),
    _Source("android/build.gradle.kts", "lines for the app's `build.gradle.kts`", _ALL),
    # TensorFlowLiteSwift's Tensor.DataType has no case for int8: such a tensor cannot be read.
    _Source(_TFLITE, "Swift, TensorFlowLiteSwift", _NOT_INT8),
    _Source(_MEDIAPIPE_SWIFT, "Swift, MediaPipe Tasks", _NOT_INT8, takes_grey=False),
    _Source("ios/Preprocessing.swift", "Swift: the image's pixels as the model wants them", _NOT_INT8),
    _Source("ios/Classification.swift", "Swift: one answer, and errors", _NOT_INT8),
    _Source("ios/Podfile", "lines for the app's `Podfile`", _NOT_INT8),
    _Source("cpp/classifier.h", "C++17, LiteRT's C API", _ALL),
    _Source("cpp/preprocessing.h", "C++17: the image's pixels as the model wants them", _ALL),
    _Source("cpp/main.cc", "C++17: a program that classifies a PPM file", _ALL),
    _Source("cpp/CMakeLists.txt", "its build", _ALL),
)

_GRADLE = (
    (_LITERT, 'implementation("com.google.ai.edge.litert:litert:2.3.0") // LiteRtClassifier.kt'),
    (_MEDIAPIPE_KT, 'implementation("com.google.mediapipe:tasks-vision:1.0.0") // MediaPipeClassifier.kt'),
)

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
_KOTLIN_READ = {
    "uint8": "val bytes = outputs[0].readInt8()\n"
    "        val scores = FloatArray(bytes.size) {{ ((bytes[it].toInt() and 0xFF) - {zero}) * SCORE_STEP }}",
    "int8": "val bytes = outputs[0].readInt8()\n"
    "        val scores = FloatArray(bytes.size) {{ (bytes[it] - ({zero})) * SCORE_STEP }}",
    "float32": "val scores = outputs[0].readFloat()",
}
_SWIFT_WRITE = {
    "uint8": "try interpreter.copy(Data(pixels), toInputAt: 0)",
    "float32": "let input = pixels.map {{ (Float($0) - {mean}) / {std} }}\n"
    "    try interpreter.copy(input.withUnsafeBufferPointer {{ Data(buffer: $0) }}, toInputAt: 0)",
}
_SWIFT_READ = {
    "uint8": "let scores = output.map {{ Float(Int($0) - {zero}) * {scale} }}",
    "float32": "let scores = output.withUnsafeBytes {{ Array($0.bindMemory(to: Float.self)) }}",
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
_CPP_TYPES = {
    "uint8": ("kLiteRtElementTypeUInt8", "std::uint8_t"),
    "int8": ("kLiteRtElementTypeInt8", "std::int8_t"),
    "float32": ("kLiteRtElementTypeFloat32", "float"),
}


def app_sources(context: AppContext, *, preprocess: str) -> dict[str, str]:
    """Writes classifiers in Kotlin, Swift and C++ for one packaged model.

    Args:
        context: The model.
        preprocess: How its accuracy was measured: `slim`, `resize` or `resize256`.

    Returns:
        Relative path to text. APIs that cannot take the model's types are left out.

    Raises:
        ArgumentError: A type or preprocessing is unknown, a file name or number cannot stand in a source.
    """
    _check(context)
    sources = [source for source in SOURCES if _takes(source, context)]
    values = _values(context, crop(preprocess, context.image), sources)
    return {path: _fill(path, values) for path in ("README.md", *(source.path for source in sources))}


def _takes(source: _Source, context: AppContext) -> bool:
    typed = context.input_dtype in source.dtypes and context.output_dtype in source.dtypes
    return typed and (source.takes_grey or not context.image.is_grey)


def _fill(path: str, values: dict[str, str]) -> str:
    folder = resources.files("edge_mnv3.packaging") / TEMPLATES
    return _Template(folder.joinpath(*path.split("/")).read_text(encoding="utf-8")).substitute(values)


def _check(context: AppContext) -> None:
    for what, dtype in (("input", context.input_dtype), ("output", context.output_dtype)):
        if dtype not in DTYPES:
            raise ArgumentError(f"type of the {what}", repr(dtype), f"one of {', '.join(DTYPES)}")
    for name in (context.model_file, context.labels_file):
        if not _FILE_NAME.fullmatch(name):
            raise ArgumentError("file name in a source for apps", repr(name), "ASCII letters, digits, . _ -")
    quantized = context.output_dtype in _QUANTIZED
    numbers = {
        "output_scale": (context.output_scale, quantized),
        "output_zero_point": (context.output_zero_point, quantized),
        "float_input_mean": (context.float_input_mean, context.input_dtype == "float32"),
        "float_input_std": (context.float_input_std, context.input_dtype == "float32"),
    }
    for field, (number, needed) in numbers.items():
        if needed and (number is None or not math.isfinite(number)):
            raise ArgumentError(f"{field} of the model", repr(number), "a finite number")


def _values(context: AppContext, box: Crop, sources: list[_Source]) -> dict[str, str]:
    numbers = {
        "mean": repr(context.float_input_mean),
        "std": repr(context.float_input_std),
        "scale": repr(context.output_scale),
        "zero": str(context.output_zero_point),
    }
    taken, given = context.input_dtype, context.output_dtype
    quantized = given in _QUANTIZED
    constant = f"        const val SCORE_STEP = {numbers['scale']}f\n" if quantized else ""
    score = "(output[i] - ({zero})) * {scale}f" if quantized else "output[i]"
    paths = {source.path for source in sources}
    return {
        "name": _in_comment(context.name),
        "width": str(context.image.width_px),
        "height": str(context.image.height_px),
        "channels": str(context.image.channels),
        **(_GREY if context.image.is_grey else _RGB),
        "class_count": str(context.class_count),
        "model_file": context.model_file,
        "labels_file": context.labels_file,
        "input_dtype": taken,
        "output_dtype": given,
        "table": _table(sources),
        "input_note": _INPUT_NOTES[taken].format(**numbers),
        "preprocess_description": box.description,
        "box_left": box.left,
        "box_upper": box.upper,
        "box_right": box.right,
        "box_lower": box.lower,
        "gradle_dependencies": "".join(f"    {line}\n" for path, line in _GRADLE if path in paths),
        "kotlin_write_input": _KOTLIN_WRITE[taken].format(**numbers),
        "kotlin_read_scores": _KOTLIN_READ[given].format(**numbers),
        "kotlin_constants": constant,
        "swift_write_input": _SWIFT_WRITE.get(taken, "").format(**numbers),
        "swift_read_scores": _SWIFT_READ.get(given, "").format(**numbers),
        "cpp_convert_input": _CPP_CONVERT[taken].format(**numbers),
        "cpp_input_type": _CPP_TYPES[taken][0],
        "cpp_output_type": _CPP_TYPES[given][0],
        "cpp_output_element": _CPP_TYPES[given][1],
        "cpp_score": score.format(**numbers),
    }


def _in_comment(name: str) -> str:
    """Keeps a name from ending a line, or a comment, or the program: no line ends, `\\` or `*`."""
    printable = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    return printable.replace("*", "").replace("\\", "")


def _table(sources: list[_Source]) -> str:
    rows = [(f"`{source.path}`", source.what) for source in sources]
    return markdown_table(("file", "what"), rows) + "\n"
