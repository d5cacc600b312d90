"""The Android project: what its Gradle files say, how it reads photographs, and the life of its activity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from app_compiling import (
    FEATURES,
    LABELS,
    SQUARE,
    best,
    picture,
    real_scores,
    run_kotlin,
    write_model,
)
from edge_mnv3.core.runtime import open_model
from edge_mnv3.packaging import android_versions as versions
from edge_mnv3_calibration_data.preprocess import preprocess

pytestmark = pytest.mark.xdist_group("app_compilers")  # Kotlin is compiled once

WIDTH, HEIGHT, ORIENTATION = 48, 36, 6

GRADLE_SAYS = [
    *(f"plugins of {name}" for name in ("google", "mavenCentral", "gradlePluginPortal")),
    "repositoriesMode FAIL_ON_PROJECT_REPOS",
    *(f"libraries of {name}" for name in ("google", "mavenCentral")),
    "rootProject edge-mnv3-app",
    "include :app",
    *("plugin com.android.application", f"version {versions.AGP}", "apply false"),
    *("plugin org.jetbrains.kotlin.android", f"version {versions.KOTLIN}", "apply false"),
    *("plugin com.android.application", "plugin org.jetbrains.kotlin.android"),
    "namespace edgemnv3.app",
    f"compileSdk {versions.COMPILE_SDK}",
    "applicationId edgemnv3.app",
    f"minSdk {versions.MIN_SDK}",
    f"targetSdk {versions.COMPILE_SDK}",
    "versionCode 1",
    "versionName 1",
    "testInstrumentationRunner androidx.test.runner.AndroidJUnitRunner",
    *(f"{side}Compatibility VERSION_{versions.JDK}" for side in ("source", "target")),
    "noCompress [tflite]",
    f"jvmTarget JVM_{versions.JDK}",
    *(
        f"implementation {library}"
        for library in (versions.LITERT, versions.LITERT_GPU, versions.CAMERA, versions.ACTIVITY)
    ),
    *(f"androidTestImplementation {library}" for library in (versions.TEST_RUNNER, versions.JUNIT)),
]


def write_photo(folder: Path) -> Image.Image:
    """A photograph as a sensor saw it, with an orientation, and turned; returns the turned one."""
    photo = picture(WIDTH, HEIGHT)
    header = f"P6\n#orientation {ORIENTATION}\n{WIDTH} {HEIGHT}\n255\n".encode()
    (folder / "photo.ppm").write_bytes(header + photo.tobytes())
    exif = photo.getexif()
    exif[0x0112] = ORIENTATION
    photo.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(photo)
    upright.save(folder / "photo.upright.ppm")
    (folder / "text.ppm").write_bytes(b"no image")
    (folder / "text.upright.ppm").write_bytes(b"no image")
    (folder / "damaged.ppm").write_bytes(header + photo.tobytes() + b"damaged")
    return upright


def test_project_is_read_and_its_activity_lives(
    kotlin_home: Path, kotlin_classes: Path, tmp_path: Path
) -> None:
    upright = write_photo(tmp_path)
    model = open_model(write_model(tmp_path, "uint8"))
    raw = model.run(preprocess(upright, name="slim", shape=SQUARE))
    (tmp_path / "uint8.tflite.output").write_bytes(raw.tobytes())
    (tmp_path / "features.tflite.features.output").write_bytes(np.array(FEATURES, np.float32).tobytes())
    lines = run_kotlin(kotlin_home, kotlin_classes, tmp_path).splitlines()
    said = [line.removeprefix("gradle ") for line in lines if line.startswith("gradle ")]
    assert said == GRADLE_SAYS
    for level in (24, 27, 28, 35):
        assert (tmp_path / f"photo{level}.rgb").read_bytes() == upright.tobytes(), level
        old = level < 28
        third = 4 if old else 3  # BitmapFactory knows powers of two only
        quarter = WIDTH * HEIGHT // 4
        assert [line for line in lines if line.startswith(f"level {level} ")] == [
            f"level {level} at most {quarter}: {HEIGHT // 2} x {WIDTH // 2}",
            f"level {level} at most {quarter - 1}: {HEIGHT // third} x {WIDTH // third}",
            f"level {level} nothing.ppm: "
            + ("nothing.ppm cannot be opened" if old else "nothing at nothing.ppm"),
            f"level {level} text.ppm: " + ("text.ppm is no image that Android reads" if old else "no image"),
            *([f"level {level} damaged.ppm: damaged.ppm cannot be decoded"] if old else []),
        ] + (
            []
            if old
            else [f"level {level} damaged.ppm: {tmp_path}/damaged.upright.ppm (No such file or directory)"]
        )
    shown = [line.removeprefix("text ") for line in lines if line.startswith("text ")]
    answers = " | ".join(f"{label}: {score}" for label, score in best(real_scores(raw)))
    no_gpu = "on the CPU: com.google.ai.edge.litert.LiteRtException: no GPU here"
    pick = "Pick a photograph"
    assert shown == [
        pick,
        *(pick, "…", "no answer: java.io.IOException: nothing at nothing.ppm"),
        *(pick, "…", f"{answers} |  | {no_gpu}"),
        *(pick, "…", f"features: [{', '.join(map(str, FEATURES))}] … |  | {no_gpu}"),
    ]
    assert LABELS[0] in answers
