"""The versions that the sources and the project for Android name, together in one place.

Gradle, its Android plugin, Kotlin and the SDK are known to work with one another. LiteRT 2.3.0 asks for an
API level of 24.
"""

from __future__ import annotations

AGP = "8.13.2"
KOTLIN = "2.3.0"
GRADLE = "8.13"
# Of gradle-8.13-bin.zip, as Gradle publishes it.
GRADLE_SHA256 = "20f1b1176237254a6fc204d8434196fa11a4cfb387567519c61556e8710aed78"
JDK = 17
COMPILE_SDK = 36
MIN_SDK = 24

LITERT = "com.google.ai.edge.litert:litert:2.3.0"
# From LiteRT 2.3 on the GPU is a library of its own.
LITERT_GPU = "com.google.ai.edge.litert:litert-gpu:2.3.0"
CAMERA = "androidx.camera:camera-core:1.5.3"
MEDIAPIPE = "com.google.mediapipe:tasks-vision:1.0.0"
ACTIVITY = "androidx.activity:activity:1.10.1"
TEST_RUNNER = "androidx.test:runner:1.7.0"
JUNIT = "junit:junit:4.13.2"


def implementation(library: str) -> str:
    """Writes the line of a `build.gradle.kts` that takes a library."""
    return f'implementation("{library}")'
