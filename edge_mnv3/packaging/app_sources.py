"""Sources for apps: short and complete, with one model's size, files, outputs and numbers filled in.

The sources lie in `app_templates`, one file for each file that is written. `%%{name}` in them is a place to
fill in; what differs with the model's types is in the tables below.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple, get_args

from edge_mnv3.core.errors import ArgumentError
from edge_mnv3.core.markdown import markdown_table
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.packaging import android_versions, app_code
from edge_mnv3.packaging.apis import DTYPES
from edge_mnv3.packaging.app_context import AppContext, AppKind
from edge_mnv3.packaging.app_golden import golden_values
from edge_mnv3.packaging.templates import filled

_FILE_NAME = re.compile(r"[A-Za-z0-9._-]+")


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
    kinds: tuple[AppKind, ...] = get_args(AppKind)
    takes_grey: bool = True


_ALL, _NOT_INT8 = DTYPES, ("uint8", "float32")
_SCORES: tuple[AppKind, ...] = ("classes", "labels")
_NUMBERS: tuple[AppKind, ...] = ("embedding", "outputs")
_EMBEDDING: tuple[AppKind, ...] = ("embedding",)
SOURCES = (
    _Source("android/LiteRtClassifier.kt", "Kotlin, LiteRT's CompiledModel", _ALL, _SCORES),
    _Source("android/LiteRtModel.kt", "Kotlin, LiteRT's CompiledModel", _ALL, _NUMBERS),
    _Source("android/LiteRtCompiled.kt", "Kotlin: the CPU, or the GPU with the CPU behind it", _ALL),
    _Source("android/MediaPipeClassifier.kt", "Kotlin, MediaPipe Tasks", _NOT_INT8, _SCORES, False),
    _Source("android/MediaPipeEmbedder.kt", "Kotlin, MediaPipe Tasks", _NOT_INT8, _EMBEDDING, False),
    _Source("android/Preprocessing.kt", "Kotlin: the image's pixels as the model wants them", _ALL),
    _Source("android/Frame.kt", "Kotlin: bitmaps of any configuration, rotation, EXIF orientation", _ALL),
    _Source("android/CameraFrame.kt", "Kotlin: frames of CameraX", _ALL),
    _Source("android/Photo.kt", "Kotlin: photographs by their address, upright", _ALL),
    _Source("android/Classification.kt", "Kotlin: one answer", _ALL, _SCORES),
    _Source("android/Similarity.kt", "Kotlin: how alike two embeddings are", _ALL, _EMBEDDING),
    _Source("android/test/GoldenTest.kt", "Kotlin: an instrumented test with the golden images", _ALL),
    _Source("android/build.gradle.kts", "lines for the app's `build.gradle.kts`", _ALL),
    # TensorFlowLiteSwift's Tensor.DataType has no case for int8: such a tensor cannot be read.
    _Source("ios/TensorFlowLiteClassifier.swift", "Swift, TensorFlowLiteSwift", _NOT_INT8, _SCORES),
    _Source("ios/TensorFlowLiteModel.swift", "Swift, TensorFlowLiteSwift", _NOT_INT8, _NUMBERS),
    _Source("ios/MediaPipeClassifier.swift", "Swift, MediaPipe Tasks", _NOT_INT8, _SCORES, False),
    _Source("ios/MediaPipeEmbedder.swift", "Swift, MediaPipe Tasks", _NOT_INT8, _EMBEDDING, False),
    _Source("ios/Preprocessing.swift", "Swift: the image's pixels as the model wants them", _NOT_INT8),
    _Source("ios/Classification.swift", "Swift: one answer", _NOT_INT8, _SCORES),
    _Source("ios/Similarity.swift", "Swift: how alike two embeddings are", _NOT_INT8, _EMBEDDING),
    _Source("ios/ModelError.swift", "Swift: what can go wrong", _NOT_INT8),
    _Source("ios/ModelBundle.swift", "Swift: where the model's files are", _NOT_INT8),
    _Source("ios/CameraFrame.swift", "Swift: frames of AVFoundation", _NOT_INT8),
    _Source("ios/test/GoldenTests.swift", "Swift: an XCTest with the golden images", _NOT_INT8),
    _Source(
        "ios/Package.swift", "a Swift package with TensorFlowLiteSwift, in place of CocoaPods", _NOT_INT8
    ),
    _Source("ios/Podfile", "lines for the app's `Podfile`", _NOT_INT8),
    _Source("cpp/model.h", "C++17, LiteRT's C API", _ALL),
    _Source("cpp/classifier.h", "C++17: labels and answers", _ALL, _SCORES),
    _Source("cpp/preprocessing.h", "C++17: the image's pixels as the model wants them", _ALL),
    _Source("cpp/main.cc", "C++17: a program that takes a PPM file", _ALL),
    _Source("cpp/golden_test.cc", "C++17: a test with the golden images", _ALL),
    _Source("cpp/CMakeLists.txt", "its build", _ALL),
)

# The library that a source needs, as a line of the build.
_GRADLE = {
    "LiteRt": android_versions.implementation(android_versions.LITERT),
    "LiteRtCompiled": android_versions.implementation(android_versions.LITERT_GPU),
    "Camera": android_versions.implementation(android_versions.CAMERA),
    "MediaPipe": android_versions.implementation(android_versions.MEDIAPIPE),
}
_PODS = {
    "TensorFlowLite": "pod 'TensorFlowLiteSwift', '~> 2.14'",
    "MediaPipe": "pod 'MediaPipeTasksVision', '~> 0.10.14'",
}
_README_WORDS: dict[AppKind, tuple[str, str]] = {
    "classes": (
        "Short, complete classifiers",
        "The answers are the classes with the highest scores, as lines of `{labels}`.",
    ),
    "labels": (
        "Short, complete classifiers",
        "The answers are the lines of `{labels}` whose score lies above their threshold, none or several at "
        "a time. The\nthresholds stand in the sources, one for each label: {thresholds}.",
    ),
    "embedding": (
        "Short, complete sources",
        "The answer is an embedding of {count} numbers, as the model gives them, of any length. Images "
        "that\nare alike have embeddings of a high cosine: see `Similarity`.",
    ),
    "outputs": (
        "Short, complete sources",
        "The answers are all outputs by their names, as real numbers, row by row with channels last:\n\n"
        "{table}",
    ),
}


def app_sources(context: AppContext, *, preprocess: str) -> dict[str, str]:
    """Writes sources in Kotlin, Swift and C++ for one packaged model.

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
    return {path: filled(path, values) for path in ("README.md", *(source.path for source in sources))}


def _takes(source: _Source, context: AppContext) -> bool:
    typed = context.dtypes <= set(source.dtypes) and context.kind in source.kinds
    return typed and (source.takes_grey or not context.image.is_grey)


def _check(context: AppContext) -> None:
    for what, dtypes in (
        ("input", (context.input_dtype,)),
        ("output", tuple(output.dtype for output in context.outputs)),
    ):
        for dtype in dtypes:
            if dtype not in DTYPES:
                raise ArgumentError(f"type of the {what}", repr(dtype), f"one of {', '.join(DTYPES)}")
    for name in (context.model_file, *(each.labels_file for each in context.outputs if each.labels_file)):
        if not _FILE_NAME.fullmatch(name):
            raise ArgumentError("file name in a source for apps", repr(name), "ASCII letters, digits, . _ -")
    numbers = {"mean": context.float_input_mean, "standard deviation": context.float_input_std}
    for field, number in numbers.items():
        if context.input_dtype == "float32" and (number is None or not math.isfinite(number)):
            raise ArgumentError(f"{field} of the model's input", repr(number), "a finite number")
    app_code.check_outputs(context)


def _values(context: AppContext, box: Crop, sources: list[_Source]) -> dict[str, str]:
    return {
        "name": _in_comment(context.name),
        "width": str(context.image.width_px),
        "height": str(context.image.height_px),
        "channels": str(context.image.channels),
        "model_file": context.model_file,
        "table": _table(sources),
        "preprocess_description": box.description,
        "box_left": box.left,
        "box_upper": box.upper,
        "box_right": box.right,
        "box_lower": box.lower,
        "gradle_dependencies": _libraries(sources, "android/", _GRADLE, "    ", "//"),
        "min_sdk": str(android_versions.MIN_SDK),
        "pods": _libraries(sources, "ios/", _PODS, "  ", "#"),
        **_readme_values(context),
        **_swift_package_values(context, sources),
        **app_code.input_values(context),
        **app_code.output_values(context),
        **app_code.score_values(context),
        **app_code.program_values(context),
        **golden_values(context),
        "golden_tests": _in_words([f"`{source.path}`" for source in sources if "olden" in source.path]),
    }


def _readme_values(context: AppContext) -> dict[str, str]:
    first = context.outputs[0]
    intro, answers = _README_WORDS[context.kind]
    thresholds = sorted(set(first.thresholds))
    rows = [
        (
            f"`{each.facts.name}`",
            "x".join(map(str, each.facts.shape)),
            each.facts.task,
            f"`{each.labels_file}`" if each.labels_file else "",
        )
        for each in context.outputs
    ]
    files = [
        f"`{context.model_file}`",
        *(f"`{each.labels_file}`" for each in context.outputs if each.labels_file),
    ]
    given = sorted({each.dtype for each in context.outputs})
    return {
        "intro": intro,
        "output_dtype": " and ".join(given),
        "files": f"{', '.join(files[:-1])} and {files[-1]} go" if len(files) > 1 else f"{files[0]} goes",
        "companions": "`Classification`, " if app_code.reads_scores(context) else "",
        "answers": answers.format(
            labels=first.labels_file,
            count=first.count,
            thresholds=", ".join(map(repr, thresholds)) if len(thresholds) < 2 else "see there",
            table=markdown_table(("output", "numbers", "meaning", "labels"), rows),
        ),
    }


def _libraries(sources: list[_Source], folder: str, lines: dict[str, str], indent: str, comment: str) -> str:
    """Lines of a build for the libraries that a folder's sources need, each with the sources that need it."""
    paths = [source.path for source in sources if source.path.startswith(folder)]
    names = [path.rpartition("/")[2] for path in paths if path.endswith((".kt", ".swift"))]
    needing = {line: [name for name in names if name.startswith(start)] for start, line in lines.items()}
    return "".join(f"{indent}{line} {comment} {', '.join(who)}\n" for line, who in needing.items() if who)


def _swift_package_values(context: AppContext, sources: list[_Source]) -> dict[str, str]:
    """Pieces of the Swift package: the files of the model, and the sources that are not in it.

    MediaPipe Tasks takes a second library and graphs that are linked by force, which its pods do.
    """
    labels = sorted({each.labels_file for each in context.outputs if each.labels_file})
    paths = [source.path for source in sources]
    left_out = [path.removeprefix("ios/") for path in paths if path.startswith("ios/MediaPipe")]
    excluded = ("Podfile", "Frameworks", "test", *left_out)
    return {
        "swift_labels_comment": "".join(f" and {name}" for name in labels),
        "spm_exclude": ", ".join(f'"{name}"' for name in excluded),
        "spm_left_out_comment": "".join(
            f" {name} needs CocoaPods, and is not in this package." for name in left_out
        ),
        "spm_resources": ", ".join(f'.copy("{name}")' for name in (context.model_file, *labels)),
    }


def _in_words(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _in_comment(name: str) -> str:
    """Keeps a name from ending a line, or a comment, or the program: no line ends, `\\` or `*`."""
    printable = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    return printable.replace("*", "").replace("\\", "")


def _table(sources: list[_Source]) -> str:
    rows = [(f"`{source.path}`", source.what) for source in sources]
    return markdown_table(("file", "what"), rows) + "\n"
