"""The Android project of a bundle: which files it has, and that they agree with one another."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app_contexts import app_context, app_output
from edge_mnv3.packaging import android_versions as versions
from edge_mnv3.packaging.android_project import android_project
from edge_mnv3.packaging.app_context import AppContext
from edge_mnv3.packaging.app_golden import golden_paths
from edge_mnv3.packaging.app_sources import app_sources

CODE = "app/src/main/kotlin/edgemnv3"
ANDROID = "{http://schemas.android.com/apk/res/android}"
DOCS = Path(__file__).parents[2] / "docs" / "apps.md"


def project_of(context: AppContext) -> dict[str, str]:
    """A project whose files of the bundle hold their own names."""
    labels = [each.labels_file for each in context.outputs if each.labels_file]
    names = [context.model_file, *labels, *golden_paths(context), "golden/flowers_float_00.bin"]
    sources = app_sources(context, preprocess="slim")
    project = android_project(context, sources, {name: name.encode() for name in names})
    return {path: content.decode() for path, content in project.items()}


def properties(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(f"[all]\n{text}")
    return dict(parser["all"])


def test_project_has_every_file_that_a_build_needs() -> None:
    project = project_of(app_context())
    assert {path for path in project if "/golden/" not in path} == {
        *(".gitignore", "README.md", "settings.gradle.kts", "build.gradle.kts", "gradle.properties"),
        *("gradle/wrapper/gradle-wrapper.properties", "app/build.gradle.kts"),
        *("app/src/main/AndroidManifest.xml", f"{CODE}/app/MainActivity.kt"),
        *("app/src/main/assets/flowers.tflite", "app/src/main/assets/labels.txt"),
        *(
            f"{CODE}/{name}.kt"
            for name in (
                *("CameraFrame", "Classification", "Frame", "LiteRtClassifier", "LiteRtCompiled"),
                *("Photo", "Preprocessing"),
            )
        ),
        "app/src/androidTest/kotlin/edgemnv3/GoldenTest.kt",
    }
    golden = {path for path in project if "/golden/" in path}
    assert golden == {
        f"app/src/androidTest/assets/golden/{kind}"
        for number in range(10)
        for kind in (f"image_{number:02}.rgb", f"flowers_{number:02}.bin")
    }
    assert all(project[path] == path.removeprefix("app/src/androidTest/assets/") for path in golden)
    for path, text in project.items():
        assert "%%" not in text, path
    for module in re.findall(r'include\(":(\w+)"\)', project["settings.gradle.kts"]):
        assert f"{module}/build.gradle.kts" in project


def test_several_outputs_have_golden_files_of_their_own() -> None:
    context = app_context("uint8", app_output(name="kind"), app_output(task="embedding", name="features"))
    project = project_of(context)
    assert f"{CODE}/LiteRtModel.kt" in project
    assert f"{CODE}/LiteRtClassifier.kt" not in project
    golden = [path for path in project if "/golden/flowers_" in path]
    assert len(golden) == 20
    assert "app/src/androidTest/assets/golden/flowers_output1_09.bin" in golden
    activity = project[f"{CODE}/app/MainActivity.kt"]
    assert "import edgemnv3.LiteRtModel" in activity
    assert "used.run(frame)" in activity


@pytest.mark.parametrize("task", ["classes", "labels", "binary", "embedding", "map"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_activity_calls_what_the_sources_have(dtype: str, task: str) -> None:
    project = project_of(app_context(dtype, app_output(dtype, task=task)))  # type: ignore[arg-type]
    activity = project[f"{CODE}/app/MainActivity.kt"]
    for name in re.findall(r"^import edgemnv3\.(\w+)$", activity, re.MULTILINE):
        text = project[f"{CODE}/{name}.kt"]
        assert re.search(rf"^(class|object) {name}\b", text, re.MULTILINE)
    called = re.search(r"used\.(\w+)\(frame\)", activity)
    assert called
    assert (
        f"fun {called[1]}(frame: Frame"
        in project[f"{CODE}/{activity.split('import edgemnv3.')[1].split()[0]}.kt"]
    )


def test_manifest_names_the_activity() -> None:
    project = project_of(app_context())
    manifest = ElementTree.fromstring(project["app/src/main/AndroidManifest.xml"])
    activities = manifest.findall("application/activity")
    assert [each.get(f"{ANDROID}name") for each in activities] == [".MainActivity"]
    assert activities[0].get(f"{ANDROID}exported") == "true"
    launched = [each.get(f"{ANDROID}name") for each in activities[0].iterfind("intent-filter/*")]
    assert launched == ["android.intent.action.MAIN", "android.intent.category.LAUNCHER"]
    # The namespace completes the activity's name.
    assert 'namespace = "edgemnv3.app"' in project["app/build.gradle.kts"]
    assert project[f"{CODE}/app/MainActivity.kt"].startswith("package edgemnv3.app\n")


def test_wrapper_takes_the_gradle_of_the_table_by_its_hash() -> None:
    project = project_of(app_context())
    wrapper = properties(project["gradle/wrapper/gradle-wrapper.properties"])
    assert wrapper["distributionUrl"] == (
        rf"https\://services.gradle.org/distributions/gradle-{versions.GRADLE}-bin.zip"
    )
    assert wrapper["distributionSha256Sum"] == versions.GRADLE_SHA256
    assert re.fullmatch("[0-9a-f]{64}", versions.GRADLE_SHA256)
    assert wrapper["validateDistributionUrl"] == "true"
    assert properties(project["gradle.properties"])["android.useAndroidX"] == "true"
    assert not {path for path in project if path.endswith((".jar", "gradlew"))}
    assert "gradle wrapper" in project["README.md"]


def test_versions_are_the_same_everywhere() -> None:
    context = app_context()
    project = project_of(context)
    sources = app_sources(context, preprocess="slim")
    table = {
        "Gradle": versions.GRADLE,
        "Android Gradle plugin": versions.AGP,
        "Kotlin": versions.KOTLIN,
        "JDK": str(versions.JDK),
        "compileSdk, targetSdk": str(versions.COMPILE_SDK),
        "minSdk": str(versions.MIN_SDK),
    }
    for name, version in table.items():
        assert f"| {name} | {version} |" in project["README.md"]
        assert f"| {name} | {version} |" in DOCS.read_text(encoding="utf-8")
    lines = sources["android/build.gradle.kts"]
    assert f"minSdk is at least {versions.MIN_SDK}" in lines
    for library in (versions.LITERT, versions.LITERT_GPU, versions.CAMERA):
        assert f'implementation("{library}")' in lines
        assert f'implementation("{library}")' in project["app/build.gradle.kts"]
    assert f'implementation("{versions.MEDIAPIPE}")' in lines
    docs = DOCS.read_text(encoding="utf-8")
    for library in (versions.LITERT, versions.MEDIAPIPE):
        assert f"`{library}`" in docs
