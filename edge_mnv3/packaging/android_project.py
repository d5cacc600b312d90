"""A whole Android project around one packaged model: Gradle's files, an activity, sources, a golden test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from edge_mnv3.packaging import android_versions as versions
from edge_mnv3.packaging.app_code import reads_scores
from edge_mnv3.packaging.app_context import AppContext
from edge_mnv3.packaging.app_golden import golden_paths
from edge_mnv3.packaging.templates import filled

_TEMPLATES = "android_project"
# Template to its path in the project. A file whose name begins with a dot would be lost in some wheels.
_FILES = {
    path: path.replace("gitignore", ".gitignore")
    for path in (
        "README.md",
        "gitignore",
        "settings.gradle.kts",
        "build.gradle.kts",
        "gradle.properties",
        "gradle/wrapper/gradle-wrapper.properties",
        "app/build.gradle.kts",
        "app/src/main/AndroidManifest.xml",
        "app/src/main/kotlin/edgemnv3/app/MainActivity.kt",
    )
}
_SOURCES = "app/src/main/kotlin/edgemnv3"
_ASSETS = "app/src/main/assets"
_TESTS = "app/src/androidTest/kotlin/edgemnv3"
_TEST_ASSETS = "app/src/androidTest/assets"
_LIBRARIES = (
    *map(
        versions.implementation,
        (versions.LITERT, versions.LITERT_GPU, versions.CAMERA, versions.ACTIVITY),
    ),
    *(f'androidTestImplementation("{library}")' for library in (versions.TEST_RUNNER, versions.JUNIT)),
)
_ANSWERS = {
    True: r'used.classify(frame).joinToString("\n") { "${it.label}: ${it.score}" }.ifEmpty { "none" }',
    False: r'used.run(frame).map { "${it.key}: ${it.value.take(5)} …" }.joinToString("\n")',
}


def android_project(
    context: AppContext, sources: Mapping[str, str], files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Writes an Android project that `gradle assembleDebug` builds, once `gradle wrapper` made its wrapper.

    It takes the sources that use LiteRT, and none of MediaPipe's.

    Args:
        context: The model.
        sources: The sources for apps, as `app_sources` writes them.
        files: The files of the bundle: the model, its labels, the golden images and answers.

    Returns:
        Path in the project to content.
    """
    values = _values(context)
    project = {path: filled(f"{_TEMPLATES}/{name}", values).encode() for name, path in _FILES.items()}
    for path, text in sources.items():
        source = PurePosixPath(path)
        if source.parts[0] == "android" and source.suffix == ".kt" and "MediaPipe" not in source.name:
            folder = _TESTS if source.parent.name == "test" else _SOURCES
            project[f"{folder}/{source.name}"] = text.encode()
    needed = [context.model_file, *(each.labels_file for each in context.outputs if each.labels_file)]
    project |= {f"{_ASSETS}/{name}": files[name] for name in needed}
    return project | {f"{_TEST_ASSETS}/{path}": files[path] for path in golden_paths(context)}


def _values(context: AppContext) -> dict[str, str]:
    classifies = reads_scores(context)
    return {
        "model_file": context.model_file,
        "agp": versions.AGP,
        "kotlin": versions.KOTLIN,
        "gradle": versions.GRADLE,
        "gradle_sha256": versions.GRADLE_SHA256,
        "jdk": str(versions.JDK),
        "compile_sdk": str(versions.COMPILE_SDK),
        "min_sdk": str(versions.MIN_SDK),
        "project_dependencies": "".join(f"    {line}\n" for line in _LIBRARIES),
        "activity_class": "LiteRtClassifier" if classifies else "LiteRtModel",
        "activity_answers": _ANSWERS[classifies],
    }
