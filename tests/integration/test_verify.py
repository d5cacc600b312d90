"""`edge-mnv3 verify` on bundles, whole and altered."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.counts import count
from edge_mnv3.core.errors import BundleError
from edge_mnv3.core.hashing import sha256_names
from edge_mnv3.core.results.json_format import from_json
from edge_mnv3.core.results.verify import VerifyResult
from edge_mnv3.core.runtime import open_model
from edge_mnv3.packaging.arm import FOLDER_VARIABLE, arm_folder
from edge_mnv3.packaging.bundle import read_bundle, write_bundle
from edge_mnv3.packaging.contents import golden_vectors
from edge_mnv3.packaging.golden import HostRunner
from edge_mnv3.packaging.manifest import read_manifest, seal
from edge_mnv3_calibration_data.synthetic import synthetic_image
from int8_pairs import int8_of, small_network
from packaged_drinks import CLASSES, LABELS, SIDE, classifier, package, run
from tiny_models import write_outputs

pytestmark = pytest.mark.xdist_group("package")  # fixtures made once


def resealed(bundle: Path, target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A bundle with other files whose hashes are all right: what only a look at the contents can find."""
    files = dict(read_bundle(bundle).files)
    manifest = read_manifest(files)
    change(files)
    del files["manifest.json"], files["SHA256SUMS"]
    write_bundle(target, seal(files, manifest), as_zip=False, force=False)
    return target


def test_verify_passes_and_tells_what_it_did(bundle: Path) -> None:
    done = run("verify", bundle, "--json")
    assert done.exit_code == 0
    result = from_json(VerifyResult, done.stdout)
    assert result.passed
    assert result.name == "My drinks"
    assert result.sha256 == hashlib.sha256((bundle / "SHA256SUMS").read_bytes()).hexdigest()
    assert [check.name for check in result.checks] == [
        "files",
        "metadata of my_drinks_uint8.tflite",
        "loading of my_drinks_uint8.tflite",
        "golden images of my_drinks_uint8.tflite, host, xnnpack",
        "golden images of my_drinks_uint8.tflite, host, builtin",
    ]
    exact, tolerant = result.golden
    assert (exact.exact, exact.difference.differing, exact.difference.values) == (True, 0, 50)
    assert (tolerant.exact, tolerant.limit, tolerant.difference.images) == (False, 80, 10)
    assert "is what was packaged (sha256 " in run("verify", bundle).stdout


def test_a_bundle_of_version_1_is_verified() -> None:
    old = Path(__file__).parent.parent / "golden" / "formats" / "bundle-v1.zip"
    done = run("verify", old, "--json")
    assert done.exit_code == 0, done.output
    result = from_json(VerifyResult, done.stdout)
    assert result.differences == ()
    assert [one.passed for one in result.golden] == [True, True]
    assert any(one.exact for one in result.golden)


def test_verify_needs_neither_tensorflow_nor_keras(bundle: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules.update(tensorflow=None, keras=None, h5py=None)\n"
        "from edge_mnv3.cli import main\n"
        f"main(['verify', {str(bundle)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_200_altered_bytes_are_found(bundle: Path, tmp_path: Path) -> None:
    files = read_bundle(bundle).files
    names = sorted(files)
    dice = random.Random(0)
    for _ in range(200):
        name = dice.choice([name for name in names if files[name]])
        at = dice.randrange(len(files[name]))
        altered = bytearray(files[name])
        altered[at] ^= 1 << dice.randrange(8)
        (tmp_path / "b").mkdir(exist_ok=True)
        for other in names:
            path = tmp_path / "b" / other
            if not path.exists() or other == name:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(altered if other == name else files[other])
        done = run("verify", tmp_path / "b")
        assert done.exit_code == 3, (name, at)
        first = done.stdout.splitlines()[0]
        assert first.startswith("DIFFERS  files: "), (name, at)
        # A manifest in which a file has another name misses that file.
        assert name in first or "manifest" in first or name == "manifest.json", (name, at, first)
        (tmp_path / "b" / name).write_bytes(files[name])


def test_altered_zip_is_found(bundle: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "b.zip", read_bundle(bundle).files, as_zip=True, force=False)
    content = (tmp_path / "b.zip").read_bytes()
    dice = random.Random(1)
    for _ in range(50):
        at = dice.randrange(len(content))
        altered = bytearray(content)
        altered[at] ^= 0xFF
        (tmp_path / "b.zip").write_bytes(altered)
        assert run("verify", tmp_path / "b.zip").exit_code == 3, at


def test_altered_golden_output_with_a_right_hash(bundle: Path, tmp_path: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        first = files["golden/my_drinks_uint8_00.bin"]
        files["golden/my_drinks_uint8_00.bin"] = bytes([first[0] ^ 1]) + first[1:]

    done = run("verify", resealed(bundle, tmp_path / "b", change))
    assert done.exit_code == 3
    assert (
        "DIFFERS  golden images of my_drinks_uint8.tflite, host, xnnpack: my_drinks_uint8.tflite gives other "
        "answers to the golden images, host, xnnpack: 1 of 50 values differ, by up to 1 step "
        "(none may differ); the same class "
        "on 10 of 10 images"
    ) in done.stdout
    assert "IS NOT WHAT WAS PACKAGED" in done.stdout


@pytest.mark.parametrize("io", ["uint8", "float32"])
@pytest.mark.parametrize(("steps", "exit_code"), [(1, 0), (2, 3)])
def test_a_softmax_may_differ_by_one_step(tmp_path: Path, io: str, steps: int, exit_code: int) -> None:
    (tmp_path / "m.tflite").write_bytes(int8_of(small_network()).to_bytes(io))
    classes = open_model(tmp_path / "m.tflite").outputs[0].shape[-1]
    (tmp_path / "labels.txt").write_text("".join(f"{index}\n" for index in range(classes)))
    done = run("package", tmp_path / "m.tflite", "--labels", tmp_path / "labels.txt", "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert run("verify", tmp_path / "b").exit_code == 0

    def change(files: dict[str, bytes]) -> None:
        stored = np.frombuffer(files["golden/m_00.bin"], io)
        moved = np.array(stored, np.float64) * (256 if io == "float32" else 1)
        moved[0] += steps if moved[0] < 128 else -steps
        files["golden/m_00.bin"] = (moved / (256 if io == "float32" else 1)).astype(io).tobytes()

    done = run("verify", resealed(tmp_path / "b", tmp_path / "c", change))
    assert done.exit_code == exit_code, done.output
    assert f"by up to {count(steps, 'step')} (up to 1 step may)" in done.stdout


def test_other_labels_with_right_hashes(bundle: Path, tmp_path: Path) -> None:
    done = run(
        "verify",
        resealed(
            bundle, tmp_path / "b", lambda files: files.update({"labels.txt": LABELS.swapcase().encode()})
        ),
    )
    assert done.exit_code == 3
    assert "my_drinks_uint8.tflite: the labels inside are not labels.txt" in done.stdout


def test_other_model_with_right_hashes(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    other = classifier(tmp_path / "my drinks uint8.tflite", seed=1)
    assert run("package", other, "--labels", inputs / "labels.txt", "-o", tmp_path / "o").exit_code == 0
    content = (tmp_path / "o" / "my_drinks_uint8.tflite").read_bytes()
    done = run(
        "verify",
        resealed(bundle, tmp_path / "b", lambda files: files.update({"my_drinks_uint8.tflite": content})),
    )
    assert done.exit_code == 3
    for difference in (
        "its name is 'my drinks uint8', the manifest says 'My drinks'",
        "the file inside is not the one that was measured",
        "its facts are not those of the manifest",
        "gives other answers to the golden images, host, xnnpack",
        "gives other answers to the golden images, host, builtin",
    ):
        assert difference in done.stdout


def test_model_without_metadata_with_right_hashes(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    content = (inputs / "my drinks uint8.tflite").read_bytes()
    done = run(
        "verify",
        resealed(bundle, tmp_path / "b", lambda files: files.update({"my_drinks_uint8.tflite": content})),
    )
    assert done.exit_code == 3
    assert "my_drinks_uint8.tflite has no metadata" in done.stdout


def test_golden_vectors_of_another_size(bundle: Path) -> None:
    files = read_bundle(bundle).files
    manifest = read_manifest(files)
    short = files | {"golden/image_03.rgb": b"123"}
    with pytest.raises(
        BundleError, match="the golden vectors of my_drinks_uint8.tflite are not of their stated"
    ):
        golden_vectors(short, manifest, manifest.models[0])
    (output,) = manifest.models[0].outputs
    fewer = dataclasses.replace(manifest.models[0], outputs=(dataclasses.replace(output, golden=()),))
    with pytest.raises(BundleError, match="my_drinks_uint8.tflite has 0 golden outputs for 10 images"):
        golden_vectors(files, manifest, fewer)


def test_accuracy_as_stated(inputs: Path, bundle: Path) -> None:
    done = run("verify", bundle, "--data", inputs / "data.csv", "--json")
    assert done.exit_code == 0
    measured = from_json(VerifyResult, done.stdout).accuracy[0]
    stated = json.loads((inputs / "validate.json").read_text())["int8"]["top1_percent"]
    assert (measured.n, measured.top1_percent) == (30, stated)
    assert (measured.stated_n, measured.stated_top1_percent) == (30, stated)
    assert (measured.p_value, measured.lost, measured.won) == (1.0, 0, 0)
    low, high = measured.stated_ci95_percent
    assert low < stated < high
    # Of the same images 6 that are lost are told, where none is won: 2 of the 8 that were right are left.
    assert measured.told_below_percent == pytest.approx(100 * 3 / 30)
    words = run("verify", bundle, "--data", inputs / "data.csv").stdout
    assert "images of the same names and labels, 0 lost and 0 won (p = 1, McNemar's exact test" in words
    assert "two-sided); below 10.0 %" in words


def test_the_same_files_with_other_labels_are_other_images(inputs: Path, bundle: Path) -> None:
    rows = (inputs / "data.csv").read_text().split()
    moved = [rows[0], *(f"{row[:-1]}{(int(row[-1]) + 1) % CLASSES}" for row in rows[1:])]
    (inputs / "moved.csv").write_text("\n".join(moved))
    done = run("verify", bundle, "--data", inputs / "moved.csv", "--json")
    measured = from_json(VerifyResult, done.stdout).accuracy[0]
    assert (measured.lost, measured.test) == (None, "Fisher's exact test, two-sided")


def test_a_few_fresh_images_are_no_reason_for_alarm(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    """Five images of which none is right lie outside the stated interval, as they do one time in five."""
    header, *rows = (inputs / "data.csv").read_text().split()
    images = [synthetic_image(index, size=SIDE, seed=3) for index in range(30)]
    answers = HostRunner("xnnpack").run(bundle / "my_drinks_uint8.tflite", images).outputs
    wrong = [row for row, (output,) in zip(rows, answers, strict=True) if int(row[-1]) != output.argmax()]
    (tmp_path / "few.csv").write_text("\n".join([header, *(f"{inputs}/{row}" for row in wrong[:5])]))
    done = run("verify", bundle, "--data", tmp_path / "few.csv")
    assert done.exit_code == 0, done.output
    assert "top-1 0.00 % on 5 images, 26.67 % on 30 is stated" in done.stdout
    assert "so few images could not show any drop" in done.stdout
    assert "5 images cannot show that my_drinks_uint8.tflite is worse than the 26.67 %" in done.stderr


def test_accuracy_by_the_names_of_the_bundle(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    """Labels may be names, which the bundle has, in its order."""
    names = (bundle / "labels.txt").read_text().splitlines()
    header, *rows = (inputs / "data.csv").read_text().split()
    named = [f"{file},{names[int(label)]}" for file, label in (row.split(",") for row in rows)]
    (inputs / "named.csv").write_text("\n".join([header, *named]))
    done = run("verify", bundle, "--data", inputs / "named.csv", "--json")
    assert done.exit_code == 0, done.output
    stated = json.loads((inputs / "validate.json").read_text())["int8"]["top1_percent"]
    assert from_json(VerifyResult, done.stdout).accuracy[0].top1_percent == stated


def test_an_accuracy_that_was_measured_with_other_names_is_refused(
    inputs: Path, bundle: Path, tmp_path: Path
) -> None:
    measured = json.loads((inputs / "validate.json").read_text())
    names = (bundle / "labels.txt").read_text().splitlines()
    stated = ("--labels", bundle / "labels.txt", "--validate", tmp_path / "v.json")
    for order, code in ((names, 0), (names[::-1], 1)):
        hashes = {measured["outputs"][0]["output"]["name"]: sha256_names(order)}
        (tmp_path / "v.json").write_text(json.dumps({**measured, "label_names_sha256": hashes}))
        done = run("package", next(inputs.glob("*uint8.tflite")), *stated, "-o", tmp_path / str(code))
        assert done.exit_code == code, done.output
    assert "that was measured with other names, or in another order" in done.stderr
    assert not (tmp_path / "1").exists()
    for folders, refused in ((names, False), (["n01", *names[1:]], False), (names[::-1], True)):
        ordered = {measured["outputs"][0]["output"]["name"]: folders}
        (tmp_path / "v.json").write_text(json.dumps({**measured, "ordered_names": ordered}))
        done = run("package", next(inputs.glob("*uint8.tflite")), *stated, "-o", tmp_path / folders[0])
        assert done.exit_code == refused, done.output
        assert (f"where '{names[-1]}' was taken for class 0 by the order" in done.stderr) == refused


def test_accuracy_that_is_not_the_stated_one(inputs: Path, bundle: Path, tmp_path: Path) -> None:
    """Labels that the model never answers: 0 %."""
    files = read_bundle(bundle).files
    manifest = read_manifest(files)
    model = HostRunner("xnnpack")
    images = [synthetic_image(index, size=SIDE, seed=3) for index in range(30)]
    answers = model.run(bundle / manifest.models[0].file, images).outputs
    rows = [
        f"{inputs}/{index}.png,{(int(output.argmax()) + 1) % CLASSES}"
        for index, (output,) in enumerate(answers)
    ]
    (tmp_path / "wrong.csv").write_text("file,label\n" + "\n".join(rows))
    done = run("verify", bundle, "--data", tmp_path / "wrong.csv")
    assert done.exit_code == 3
    assert "DIFFERS  accuracy of my_drinks_uint8.tflite: my_drinks_uint8.tflite: top-1 0.00 %" in done.stdout


def test_data_needs_a_stated_accuracy(inputs: Path, tmp_path: Path) -> None:
    package(inputs, tmp_path / "b")
    done = run("verify", tmp_path / "b", "--data", inputs / "data.csv")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: --data: got a bundle that states no accuracy of one output of classes; package it with "
        "--validate, or leave --data out\n"
    )


def test_verify_of_nothing(tmp_path: Path) -> None:
    done = run("verify", tmp_path / "none")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: bundle {tmp_path}/none: got no such folder or file")
    done = run("verify", tmp_path)
    assert done.exit_code == 3
    assert done.stdout.splitlines()[0] == "DIFFERS  files: manifest.json is missing"


def test_arm_without_its_tools_says_what_makes_them(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    done = run("verify", bundle, "--arm")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        f"error: --arm needs an emulated Arm processor: got no {tmp_path}/sysroot/usr/bin/python3.11; on "
    )
    assert "arm_sysroot.sh' makes it" in done.stderr
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert arm_folder() == tmp_path / "edge-mnv3" / "arm64"


def test_arm_without_qemu(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sysroot/usr/bin/python3.11", "sysroot/proc/cpuinfo", "site/ai_edge_litert"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", "")
    done = run("verify", bundle, "--arm")
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "error: --arm needs qemu's user emulation: got no qemu-aarch64 on the PATH;"
    )
    # An emulator that fails: its last line is told.
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "qemu-aarch64").write_text("#!/bin/sh\necho no such processor >&2\nexit 4\n")
    (tmp_path / "host" / "qemu-aarch64").chmod(0o755)
    done = run("verify", bundle, "--arm")
    assert done.exit_code == 1
    assert f"the emulated Arm processor in {tmp_path}: got exit code 4 (no such processor)" in done.stderr


def test_every_output_runs_on_the_emulated_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator is replaced by this machine's own interpreter, which runs the same program."""
    for name in ("sysroot/usr/bin/python3.11", "sysroot/proc/cpuinfo", "site/ai_edge_litert"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    emulator = tmp_path / "host" / "qemu-aarch64"
    emulator.parent.mkdir()
    emulator.write_text(f'#!/bin/sh\nwhile [ "$1" != -m ]; do shift; done\nexec {sys.executable} "$@"\n')
    emulator.chmod(0o755)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    model = write_outputs(tmp_path / "two.tflite", "uint8")
    done = run("package", model, "--labels", tmp_path / "labels.txt", "-o", tmp_path / "bundle")
    assert done.exit_code == 0, done.output
    done = run("verify", tmp_path / "bundle", "--arm", "--json")
    assert done.exit_code == 0, done.output
    runs = from_json(VerifyResult, done.stdout).golden[-2:]
    assert [(each.output, each.runner) for each in runs] == [
        (name, "emulated Arm cortex-a76, xnnpack") for name in ("a_features", "b_kind")
    ]
    assert [(each.difference.values, each.difference.differing) for each in runs] == [(30, 0), (50, 0)]


def test_golden_images_on_an_emulated_arm_processor(bundle: Path) -> None:
    if not arm_folder().is_dir():
        pytest.skip(f"no emulated Arm processor in {arm_folder()}; arm_sysroot.sh makes it")
    done = run("verify", bundle, "--arm", "--json")
    assert done.exit_code == 0, done.output
    emulated = from_json(VerifyResult, done.stdout).golden[-1]
    assert emulated.runner == "emulated Arm cortex-a76, xnnpack"
    assert emulated.runtime.endswith(" on aarch64")
    assert emulated.exact
    assert emulated.difference.differing == 0
