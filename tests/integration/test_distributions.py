"""The wheel and the sdist: what they hold, and that every build of them has the same bytes."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import structure

from edge_mnv3.core.versions import __version__

pytest.importorskip("build", reason="needs the extra: pip install -e '.[dev]'")
pytest.importorskip("hatchling", reason="needs the extra: pip install -e '.[dev]'")
pytestmark = pytest.mark.xdist_group("distributions")
PACKAGES = {
    "edge_mnv3": "edge_mnv3",
    "edge_mnv3_calibration_data": "calibration_data/edge_mnv3_calibration_data",
    "edge_mnv3_quantization": "quantization/edge_mnv3_quantization",
    "edge_mnv3_android_bench": "android_bench/edge_mnv3_android_bench",
}
FOLDERS = {"android_bench", "benchmarks", "calibration_data", "docs", "edge_mnv3", "examples"}
FOLDERS |= {"quantization", "tests", "tools"}
SDIST, WHEEL = f"edge_mnv3-{__version__}.tar.gz", f"edge_mnv3-{__version__}-py3-none-any.whl"


def build(source: Path, into: Path, *, epoch: int | None = None, kind: str = "") -> Path:
    """Builds an sdist, and of that a wheel; `kind` is an option for one of them."""
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    environment |= {} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), *kind.split()]
    done = subprocess.run(
        [*command, str(source)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return into


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(structure.ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist in a folder of another name, with other times and modes."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with tarfile.open(built / SDIST) as archive:
        archive.extractall(folder, filter="data")
    source = folder / "a"
    shutil.move(folder / SDIST.removesuffix(".tar.gz"), source)
    for path in source.rglob("*"):
        os.utime(path, (1, 1_700_000_000))
        if path.is_file():
            path.chmod(0o600 | path.stat().st_mode & 0o100)
    return source


def test_the_wheel_holds_the_packages_and_nothing_else(built: Path) -> None:
    wanted = {
        f"{package}/{path.relative_to(structure.ROOT / place).as_posix()}"
        for package, place in PACKAGES.items()
        for path in (structure.ROOT / place).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(built / WHEEL) as wheel:
        names = set(wheel.namelist())
        metadata = email.message_from_bytes(wheel.read(f"edge_mnv3-{__version__}.dist-info/METADATA"))
    told = {name for name in names if name.startswith(f"edge_mnv3-{__version__}.dist-info/")}
    assert names - told == wanted
    assert {"edge_mnv3/py.typed", "edge_mnv3/data/demo_digits.weights.h5"} <= names
    assert {name.rpartition("/")[2] for name in told} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "LICENSE",
        "entry_points.txt",
    }
    assert (metadata["Name"], metadata["Version"]) == ("edge-mnv3", __version__)
    base = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert not [each for each in base if each.startswith(("tensorflow", "keras"))]


def test_the_sdist_holds_what_tests_and_changes_need(built: Path) -> None:
    with tarfile.open(built / SDIST) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == FOLDERS
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", "PKG-INFO"} <= {
        *names
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_same_bytes_anywhere_and_at_any_time(built: Path, unpacked: Path, tmp_path: Path) -> None:
    """From the sdist, in another folder, with other times and modes of its files."""
    again = build(unpacked, tmp_path)
    assert sorted(path.name for path in again.iterdir()) == [WHEEL, SDIST]
    for name in (WHEEL, SDIST):
        assert (again / name).read_bytes() == (built / name).read_bytes(), name


def test_the_times_in_it_are_the_stated_ones(unpacked: Path, tmp_path: Path) -> None:
    stated = build(unpacked, tmp_path, epoch=1_600_000_000, kind="--wheel")
    with zipfile.ZipFile(stated / WHEEL) as wheel:
        assert {entry.date_time[:3] for entry in wheel.infolist()} == {(2020, 9, 13)}
