"""A bundle's files: hashes, the zip, what is refused."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.errors import BundleError, InputFileError, OutputError
from edge_mnv3.core.intervals import wilson_percent
from edge_mnv3.core.results.package import BundleManifest, GoldenImages, LabelsInfo
from edge_mnv3.packaging.bundle import check_container, read_bundle, read_zip, write_bundle, zip_bundle
from edge_mnv3.packaging.golden import OutputKind, compare, from_bytes, largest_allowed, to_bytes
from edge_mnv3.packaging.manifest import bundle_sha256, file_differences, read_manifest, seal

MANIFEST = BundleManifest(
    name="n",
    version="1",
    description="",
    author=None,
    license=None,
    models=(),
    labels=(LabelsInfo(file="labels.txt", count=2, source="l", license=None),),
    golden=GoldenImages(source="synthetic", shape=(4, 4, 3), files=(), kernels="xnnpack", runtime="r"),
    versions={},
    files={},
)
FILES = seal({"labels.txt": b"a\nb\n", "golden/x.bin": b"\x00\x01"}, MANIFEST)


def differences(files: dict[str, bytes]) -> list[str]:
    return file_differences(files, read_manifest(files))


def test_sealed_files_agree_and_plain_sha256sum_agrees_too(tmp_path: Path) -> None:
    assert sorted(FILES) == ["SHA256SUMS", "golden/x.bin", "labels.txt", "manifest.json"]
    assert differences(FILES) == []
    assert bundle_sha256(FILES) == hashlib.sha256(FILES["SHA256SUMS"]).hexdigest()
    write_bundle(tmp_path / "b", FILES, as_zip=False, force=False)
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "b", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == 3


@pytest.mark.parametrize("as_zip", [False, True])
def test_what_is_written_is_read(tmp_path: Path, as_zip: bool) -> None:
    path = tmp_path / "new" / "b"
    write_bundle(path, FILES, as_zip=as_zip, force=False)
    bundle = read_bundle(path)
    assert bundle.files == FILES
    check_container(bundle)
    with pytest.raises(OutputError, match="exists already"):
        write_bundle(path, FILES, as_zip=as_zip, force=False)
    write_bundle(path, FILES | {"more": b""}, as_zip=as_zip, force=True)
    assert read_bundle(path).files == FILES | {"more": b""}
    assert os.listdir(tmp_path / "new") == ["b"]


def test_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"dear")
    with pytest.raises(OutputError) as caught:
        write_bundle(tmp_path, FILES, as_zip=False, force=True)
    assert str(caught.value) == (
        f"output folder {tmp_path}: got a folder with other files, without manifest.json; use another -o"
    )
    assert os.listdir(tmp_path) == ["photo.jpg"]


def test_interrupted_writing_leaves_the_earlier_bundle(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", FILES, as_zip=False, force=False)
    with pytest.raises(OutputError):
        write_bundle(tmp_path / "b", {"a": b"", "a/b": b""}, as_zip=False, force=True)
    assert read_bundle(tmp_path / "b").files == FILES
    assert os.listdir(tmp_path) == ["b"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f.pop("labels.txt"), ["labels.txt is missing"]),
        (lambda f: f.update({"extra": b""}), ["extra is no part of the bundle"]),
        (lambda f: f.update({"labels.txt": b"a\nbc\n"}), ["labels.txt has 5 bytes, 4 were packaged"]),
        (
            lambda f: f.update({"labels.txt": b"a\nc\n"}),
            ["labels.txt was altered: its SHA-256 is not that of the manifest"],
        ),
        (lambda f: f.pop("SHA256SUMS"), ["SHA256SUMS is missing"]),
        (
            lambda f: f.update({"SHA256SUMS": FILES["SHA256SUMS"].upper()}),
            ["manifest.json or SHA256SUMS was altered: they do not agree"],
        ),
        (
            lambda f: f.update({"manifest.json": FILES["manifest.json"].replace(b'"n"', b'"m"')}),
            ["manifest.json or SHA256SUMS was altered: they do not agree"],
        ),
    ],
)
def test_each_difference_is_named(change: Callable[[dict[str, bytes]], object], expected: list[str]) -> None:
    files = dict(FILES)
    change(files)
    assert differences(files) == expected


def test_manifest_that_names_a_file_without_hash() -> None:
    manifest = read_manifest(FILES)
    files = {name: content for name, content in FILES.items() if name == "golden/x.bin"}
    assert differences(seal(files, manifest)) == ["labels.txt has no hash in the manifest"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "manifest.json is missing"),
        (b"{", "manifest.json cannot be read: Expecting property name"),
        (b"\xff", "manifest.json cannot be read: 'utf-8' codec"),
        (b"[" * 100_000, "manifest.json cannot be read: "),
        (b"{}", "manifest.json cannot be read: BundleManifest: missing keys"),
    ],
)
def test_unreadable_manifest(content: bytes | None, problem: str) -> None:
    with pytest.raises(BundleError) as caught:
        read_manifest({} if content is None else {"manifest.json": content})
    assert str(caught.value).startswith(problem)


def zipped(name: str, *, compression: int = zipfile.ZIP_STORED, twice: bool = False) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as opened:
        opened.writestr(name, b"x" * 50)
        if twice:
            with pytest.warns(UserWarning, match="Duplicate name"):
                opened.writestr(name, b"y")
    return archive.getvalue()


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:evil", "a/./b", "a//b", "folder/"]
)
def test_zip_with_paths_outside_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "b.zip").write_bytes(zipped(name))
    with pytest.raises(BundleError) as caught:
        read_bundle(tmp_path / "b.zip")
    assert str(caught.value) == f"the zip archive holds '{name}': expected paths inside the bundle only"
    assert os.listdir(tmp_path) == ["b.zip"]


def test_zip_bombs_and_doubles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(zipped("a", compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(BundleError, match="holds 'a' compressed or encrypted"):
        read_bundle(tmp_path / "b.zip")
    (tmp_path / "b.zip").write_bytes(zipped("a", twice=True))
    with pytest.raises(BundleError, match="holds 'a' twice"):
        read_bundle(tmp_path / "b.zip")


@pytest.mark.parametrize("content", [b"", b"text", zip_bundle(FILES)[:-30]])
def test_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(BundleError, match="the zip archive is damaged: got File is not a zip file"):
        read_bundle(tmp_path / "b.zip")


def test_every_altered_byte_of_a_zip_is_found() -> None:
    """Also those that no reader of the files looks at: times, attributes, second copies of names."""
    content = zip_bundle(seal({"labels.txt": b"a\n"}, MANIFEST))
    missed = []
    for at in range(0, len(content), 3):  # steps of 3 come to every kind of field
        try:
            bundle = read_zip(content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :])
            noticed = bool(differences(bundle.files))
            check_container(bundle)
        except BundleError:
            noticed = True
        if not noticed:
            missed.append(at)
    assert missed == []


def test_zip_bytes_are_the_same_on_every_python() -> None:
    """The hash was taken with Python 3.11; other versions of `zipfile` must write the same."""
    content = zip_bundle({"b/c": b"2", "a": b"1"})
    assert (
        hashlib.sha256(content).hexdigest()
        == "d2891371540a268a8d83a9b7d114db7b2775f3a75a9e86b42fed348e391856c5"
    )


def test_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", FILES, as_zip=False, force=False)
    (tmp_path / "b" / "link").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="^link is a link: expected a file$"):
        read_bundle(tmp_path / "b")


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        read_bundle(tmp_path / "none")
    assert str(caught.value) == (
        f"bundle {tmp_path / 'none'}: got no such folder or file, expected what edge-mnv3 package wrote"
    )


def test_comparison_of_integer_outputs() -> None:
    wanted = [np.array([200, 0, 10], np.uint8), np.array([0, 255, 0], np.uint8)]
    got = [np.array([197, 0, 10], np.uint8), np.array([255, 0, 0], np.uint8)]
    difference = compare(wanted, got)
    assert (difference.values, difference.differing, difference.max_apart, difference.unit) == (
        6,
        3,
        255,
        "steps",
    )
    assert (difference.top1_equal, difference.images) == (1, 2)


@pytest.mark.parametrize(
    ("got", "apart"), [(0.5, 0), (0.500001, 2), (0.4, 200_000), (np.nan, 2**53), (np.inf, 2**53)]
)
def test_comparison_of_float_outputs(got: float, apart: int) -> None:
    difference = compare([np.array([0.5, 0.0])], [np.array([got, 0.0])])
    # Of 0.5. One millionth more where the last bit of 0.500001 - 0.5 is rounded up.
    assert apart <= difference.max_apart <= apart + 1
    assert difference.unit == "millionths"


def test_integers_under_xnnpack_must_be_the_same_bits() -> None:
    plain, softmax = OutputKind(softmax=False, step=None), OutputKind(softmax=True, step=None)
    assert largest_allowed("xnnpack", "uint8", plain) == 0
    assert largest_allowed("xnnpack", "uint8", softmax) == 1
    assert largest_allowed("xnnpack", "int8", plain) == 0
    assert largest_allowed("builtin", "uint8", softmax) == 80
    assert largest_allowed("xnnpack", "float32", softmax) == 1000
    assert largest_allowed("xnnpack", "float32", plain._replace(step=0.5)) == 0


def test_comparison_of_floats_that_are_integers_inside() -> None:
    wanted = [np.array([0.5, 0.25, 0.0], np.float32)]
    got = [np.array([0.25, 0.25, np.nan], np.float32)]
    difference = compare(wanted, got[:1], step=1 / 256)
    assert (difference.unit, difference.differing, difference.max_apart) == ("steps", 2, 2**53)
    assert compare(wanted, [np.array([0.25, 0.25, 0.0], np.float32)], step=1 / 256).max_apart == 64


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_raw_outputs(dtype: str) -> None:
    values = np.array([1, 2, 100], dtype)
    assert np.array_equal(from_bytes(to_bytes(values), dtype), values)
    assert to_bytes(np.array([1.0], ">f4")) == b"\x00\x00\x80\x3f"


def test_wilson_interval() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
    assert wilson_percent(81, 263) == pytest.approx((25.53, 36.62), abs=0.01)
    assert wilson_percent(0, 20) == pytest.approx((0.0, 16.11), abs=0.01)
    assert wilson_percent(20, 20) == pytest.approx((83.89, 100.0), abs=0.01)
    # What was counted lies within, also where rounding would leave the end a little off.
    assert {wilson_percent(n, n)[1] for n in range(1, 200)} == {100.0}
    assert {wilson_percent(0, n)[0] for n in range(1, 200)} == {0.0}
